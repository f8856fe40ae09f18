"""Makes a data folder with the code as it stands: `python -m tests.releases.make NAME`.

A real server runs on an empty folder until everything a later release must go on with is in it.
What is kept is what a kill would leave at that moment: what is committed, and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx2
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from errands.server_process import configure_log
from errands.v1 import approval_pb2 as apb
from errands.v1 import connection_pb2 as cpb
from errands.v1 import event_pb2
from errands.v1 import integration_pb2 as ipb
from errands.v1 import key_pb2 as kpb
from errands.v1 import run_pb2 as pb
from errands_server.app import Overrides
from tests.contract.conftest import Clock
from tests.contract.refusals import refused
from tests.gateway.approvals.links import DAY, somebody
from tests.gateway.approvals.parsed import Page
from tests.gateway.callers import asking
from tests.gateway.connecting.links import COOKIE
from tests.releases.folder import HERE, Folder, dump, shown
from tests.releases.office import (
    ARCHIVE,
    BEARER,
    CALENDAR,
    LEDGER,
    MAIL,
    NOTES,
    OAUTH,
    VAULT,
    Office,
    description,
    open_office,
    origin,
)
from tests.releases.plans import planner
from tests.service import Service, reason, serving

PUBLIC_URL: Final = "http://errands.test"
APPROVE: Final = apb.DECISION_APPROVE
ON_START, ON_TOOL_CALL = pb.APPROVAL_STRATEGY_ON_START, pb.APPROVAL_STRATEGY_ON_TOOL_CALL
NONE: Final = pb.APPROVAL_STRATEGY_NONE
SCOPES: Final = ("runs:read", "runs:write", "approvals", "integrations", "connections", "admin")
# A server that starts goes on with these runs, so what it says of them changes.
MOVING: Final = {
    event_pb2.RUN_STATUS_QUEUED,
    event_pb2.RUN_STATUS_RUNNING,
    event_pb2.RUN_STATUS_AUTH_REQUIRED,
}
UNDER_WAY: Final = ("be lost with a key", "be lost without a key", "be cancelled under way")
EXPIRY: Final = 30  # seconds until tokens run out that are stored
ONE_RUN: Final = {"context": "", "userId": "ada", "selectedCustomerIntegrationIds": ["*"]}


class Maker:
    """Brings a server to the state that is kept. `facts` grows with every step."""

    def __init__(self, service: Service, office: Office, http: httpx2.AsyncClient, clock: Clock) -> None:
        self.service = service
        self.office = office
        self.http = http
        self.clock = clock
        self.integrations: dict[str, str] = {}
        self.runs: dict[str, str] = {}
        self.facts: dict[str, Any] = {
            "publicUrl": PUBLIC_URL,
            "integrations": self.integrations,
            "runs": self.runs,
            "keys": {"operator": service.key},
        }

    async def make(self) -> None:
        """Everything but the runs that are under way."""
        await self.add_keys()
        await self.add_integrations()
        await self.add_connections()
        await self.finish_runs()
        await self.park_runs()
        await self.begin_flows()

    async def add_keys(self) -> None:
        keys = self.facts["keys"]
        for scope in SCOPES:
            keys[scope] = (await self._key(scope, scope)).secret
        keys["stranger"] = (await self._key("stranger", "admin", tenant="strangers")).secret
        revoked = await self._key("revoked", "admin")
        await self.service.keys.RevokeKey(kpb.RevokeKeyRequest(id=revoked.key.id))
        keys["revoked"] = revoked.secret

    async def _key(self, name: str, *scopes: str, **fields: Any) -> kpb.CreateKeyResponse:
        request = kpb.CreateKeyRequest(name=name, scopes=scopes, **fields)
        made: kpb.CreateKeyResponse = await self.service.keys.CreateKey(request)
        return made

    async def add_integrations(self) -> None:
        of_all = ipb.IntegrationCredential(bearer=ipb.BearerCredential(token="token-of-all"))
        client = ipb.OAuthClient(client_id="errands", client_secret="secret-of-the-client")
        sources: dict[str, dict[str, Any]] = {
            "notes": {"openapi_document": description("notes", NOTES)},
            "ledger": {
                "openapi_document": description("ledger", LEDGER),
                "honours_idempotency_keys": True,
            },
            "vault": {"openapi_document": description("vault", VAULT, BEARER)},
            "calendar": {
                "openapi_document": description("calendar", CALENDAR, OAUTH),
                "oauth_client": client,
            },
            "mail": {
                "openapi_document": description("mail", MAIL, BEARER),
                "credential": of_all,
                "shared_credential": True,
            },
            "studio": {"mcp_url": f"{origin('studio')}/mcp"},
            "archive": {"openapi_document": description("archive", ARCHIVE)},
        }
        for name, source in sources.items():
            request = ipb.CreateIntegrationRequest(name=name, internal=True, **source)
            made = await self.service.integrations.CreateIntegration(request)
            self.integrations[name] = made.integration.id

    async def add_connections(self) -> None:
        """Of ada's. One run waits for the first of them."""
        connect = self.service.connect
        await self._create("be authorized")
        await self.service.until(self.runs["be authorized"], "auth_required")
        bearer = cpb.ConnectionBearer(token="vault-token-of-ada")
        await connect(self.integrations["vault"], "ada", bearer=bearer)
        tokens = cpb.ConnectionTokens(
            access_token="old-calendar-token",
            refresh_token="old-calendar-refresh",
            expires_at=Timestamp(seconds=int(time.time()) + EXPIRY),
        )
        await connect(self.integrations["calendar"], "ada", tokens=tokens)

    async def finish_runs(self) -> None:
        await self._repeat()
        schema = json.dumps({"type": "object", "required": ["first"]})
        fields = {"user_id": "ada", "request_id": "request-to-read", "output_schema_json": schema}
        await self._create("read much", **fields)
        self.facts["requests"]["grpc"] = fields
        for intent in ("be delayed", "be refused", "be half refused", "find no tool", "read what is gone"):
            await self._create(intent)
        await self._decide("be approved", APPROVE)
        await self._decide("be denied", apb.DECISION_DENY, reason="not today")
        await self._decide("be answered", APPROVE, NONE, input_json='{"colour": "blue"}')
        await self._decide("be settled", apb.DECISION_DONE, NONE, output_json='{"done": "by hand"}')
        await self._be_too_late()
        await self._asked("be cancelled")
        cancel = pb.CancelRunRequest(run_id=self.runs["be cancelled"])
        await self.service.runs.CancelRun(cancel)
        for run_id in self.runs.values():
            await self.service.finished(run_id)
        gone = ipb.DeleteIntegrationRequest(id=self.integrations.pop("archive"))
        await self.service.integrations.DeleteIntegration(gone)

    async def _be_too_late(self) -> None:
        """A run that asked a day ago, and was not answered."""
        self.clock.moved = -DAY
        asked = await self._asked("be too late")
        self.clock.moved = 0
        assert reason(await refused(self.service.decide(asked.approval_id, APPROVE))) == "APPROVAL_EXPIRED"

    async def _decide(self, intent: str, decision: int, strategy: int = ON_TOOL_CALL, **said: str) -> None:
        asked = await self._asked(intent, strategy)
        await self.service.decide(asked.approval_id, decision, **said)

    async def _repeat(self) -> None:
        """Runs that a caller can ask for once more, by request or by repeat key."""
        for text in ("text=yarn", ""):
            await self._create("note it again", repeat_key="monthly", context=text)
            await self.service.finished(self.runs["note it again"])
        body = {**ONE_RUN, "intent": "note what the context says", "context": "text=soap"}
        body["repeatKey"] = "weekly"
        key = "request-of-the-week"
        made = await self.http.post("/v1/runs", json=body, headers={"Idempotency-Key": key})
        run = made.raise_for_status().json()
        self.runs["note what the context says"] = run["runId"]
        self.facts["requests"] = {"rest": {"key": key, "body": body}}
        self.facts["executionPlanId"] = run["executionPlanId"]

    async def park_runs(self) -> None:
        await self._asked("wait for the plan", ON_START)
        call = await self._asked("wait for the call")
        self.facts["approvalLinks"] = {apb.Decision.Name(link.action): link.url for link in call.actions}
        await self._asked("wait in doubt", NONE)
        await self._asked("wait for an answer", NONE)
        passed = pb.PassThrough(
            customer_integration_id=self.integrations["notes"], headers={"X-Key": "secret-of-the-run"}
        )
        await self._asked("wait to send what came with the run", pass_through=[passed])
        for intent in (
            "wait to send with the account of all",
            "wait to read with a connection",
            "wait to read with what must be renewed",
        ):
            await self._asked(intent)
        # The run that waits to send mail was planned with the revision before.
        revised = ipb.UpdateIntegrationRequest(id=self.integrations["mail"], max_concurrency=5)
        await self.service.integrations.UpdateIntegration(revised)
        links = self.facts["connectLinks"] = {}
        for intent, user in (("wait for a connection", "grace"), ("wait for a page", "ada")):
            await self._create(intent, user_id=user)
            waiting = await self.service.until(self.runs[intent], "auth_required")
            links[intent] = waiting.auth_required.url

    async def begin_flows(self) -> None:
        """A link that nobody has opened, and a flow whose user is at the service."""
        links = self.facts["connectLinks"]
        for name, integration in (("nobody has opened", "vault"), ("flow", "calendar")):
            request = cpb.CreateConnectLinkRequest(
                integration_id=self.integrations[integration], user_id="grace"
            )
            links[name] = (await self.service.connections.CreateConnectLink(request)).url
        async with somebody(self.service) as grace:
            page = await grace.get(urlsplit(links["flow"]).path)
            onward = await grace.post(page.url.path, data=Page.of(page.text).hidden)
            address = onward.headers["refresh"].partition("url=")[2]
            state = parse_qs(urlsplit(address).query)["state"][0]
            self.facts["flow"] = {"state": state, "browser": grace.cookies[COOKIE]}

    async def begin_runs(self) -> None:
        """Runs whose calls are sent and not answered, and one that finds no place beside them."""
        for intent in UNDER_WAY:
            await self._create(intent)
        await self.office.wait_for("/held", len(UNDER_WAY))
        (sent,) = [request for request in self.office.sent_to("/held") if request.host == "ledger"]
        self.facts["idempotencyKey"] = sent.headers["idempotency-key"]
        await self._create("wait in the queue", plan_wait_ms=0)

    @asynccontextmanager
    async def cancelling(self) -> AsyncGenerator[None]:
        """One of them is being cancelled meanwhile, for which its call has five seconds."""
        run_id = self.runs["be cancelled under way"]
        cancel = asyncio.ensure_future(self.service.runs.CancelRun(pb.CancelRunRequest(run_id=run_id)))
        await self.service.until(run_id, "cancel_requested")
        yield
        assert (await self.service.get(run_id)).status == event_pb2.RUN_STATUS_RUNNING, "it took too long"
        self.office.close()
        await cancel

    async def _create(self, intent: str, **fields: Any) -> None:
        fields = {"user_id": "ada", **fields}
        self.runs[intent] = (await self.service.create(intent, **fields)).run_id

    async def _asked(self, intent: str, strategy: int = ON_TOOL_CALL, **fields: Any) -> apb.Approval:
        """The approval that a new run waits for."""
        await self._create(intent, approval_strategy=strategy, **fields)
        asked = await self.service.until(self.runs[intent], "approval_required")
        approval: apb.Approval = asked.approval_required
        self.facts.setdefault("approvals", {})[intent] = approval.approval_id
        return approval

    async def add_ticket(self) -> None:
        """The last step: a ticket is good for a minute."""
        request = pb.CreateStreamTicketRequest(run_id=self.runs["read much"])
        self.facts["ticket"] = (await self.service.runs.CreateStreamTicket(request)).ticket


async def tell(maker: Maker) -> dict[str, Any]:
    """What the server answers now. Of runs that are under way, only their events stay as they are."""
    paths = ["/v1/keys", "/v1/audit?pageSize=100", "/v1/integrations", "/v1/connections"]
    paths += [f"/v1/integrations/{one}/tools" for one in maker.integrations.values()]
    events = {}
    for intent, run_id in maker.runs.items():
        run = await maker.service.get(run_id)
        request = pb.ListRunEventsRequest(run_id=run_id, include_tool_calls=True, limit=1_000)
        listed = await maker.service.runs.ListRunEvents(request)
        events[intent] = [shown(MessageToDict(event)) for event in listed.events]
        if run.status not in MOVING:
            paths += [f"/v1/runs/{run_id}", f"/v1/runs/{run_id}/events?includeToolCalls=true&limit=1000"]
            paths += [f"/v1/approvals?runId={run_id}", f"/v1/execution-plans/{run.execution_plan_id}"]
    rest = {path: shown((await maker.http.get(path)).raise_for_status().json()) for path in paths}
    return {"rest": rest, "events": events}


async def main(name: str) -> None:
    folder = Folder(HERE / name)
    if folder.path.exists():
        sys.exit(f"{folder.path.name} exists, and a data folder is never written anew")
    configure_log("error")
    clock = Clock()
    overrides = Overrides(planner=planner(), environment=clock.environment)
    settings = {"public_url": PUBLIC_URL, "max_active": len(UNDER_WAY)}
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / "data"
        async with open_office(ill=True) as office, serving(data, overrides, **settings) as served:
            service = served.speaking_as(served.app.operator_key)
            async with asking(service) as http:
                maker = Maker(service, office, http, clock)
                await maker.make()
                await maker.begin_runs()
                async with maker.cancelling():
                    told = await tell(maker)
                    await maker.add_ticket()
                    maker.facts["moment"] = clock.now()
                    database = dump(data / "errands.db")
            key = (data / "secret.key").read_text()
    folder.keep(database, key, maker.facts, told)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.releases.make NAME")
    asyncio.run(main(sys.argv[1]))
