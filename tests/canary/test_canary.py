"""Unique secrets go in through every door, through success, failure and a crash, and come out nowhere."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from grpc import aio

from errands.v1 import approval_pb2 as apb
from errands.v1 import integration_pb2 as ipb
from errands.v1 import key_pb2, run_pb2
from tests.canary.doors import DOORS, Door, canary, description
from tests.canary.process import Process
from tests.canary.remote import TOOLS, remote
from tests.canary.search import Search, forms
from tests.canary.views import look_at_the_command_line, look_everywhere
from tests.gateway.callers import RUN, asking
from tests.mirror import OPERATIONS, Mirror, mirror
from tests.service import Service
from tests.tools.mcp.plain import Plain

pytestmark = pytest.mark.counterparts

ON_START, ON_TOOL_CALL = 2, 3
PROCESS = "mirror"
SCHEMA = json.dumps({"type": "object", "properties": {"found": {"type": "string", "maxLength": 1}}})


class Stage:
    """A server with an integration for every door, and what goes in through it."""

    def __init__(
        self, found: Mirror, servers: dict[str, Plain], process: Process, doors: dict[str, Door]
    ) -> None:
        self.found = found
        self.servers = servers  # by the revision they speak
        self.process = process
        self.doors = doors
        self.issued_keys: list[str] = []
        hidden = {name: door.hides for name, door in doors.items()}
        hidden["operator's key"] = [process.key]
        self.search = Search(hidden)
        self.ids: dict[str, str] = {}

    async def furnish(self, service: Service) -> None:
        for name, door in self.doors.items():
            shared = {} if door.shared is None else {"credential": door.shared, "shared_credential": True}
            if door.process:
                source = {"mcp_server": PROCESS}
            elif door.server:
                source = {"mcp_url": self.servers[door.server].url}
            else:
                source = {"openapi_document": description(self.found, door)}
            client = None if door.client is None else door.client(self.found)
            request = ipb.CreateIntegrationRequest(
                name=name, internal=not door.process, oauth_client=client, **source, **shared
            )
            made = await service.integrations.CreateIntegration(request, timeout=30)
            self.search.look("gRPC CreateIntegration", str(made))
            self.ids[name] = made.integration.id
            if door.connected:
                made = await service.connect(self.ids[name], **door.connected)
                self.search.look("gRPC CreateConnection", str(made))

    def passed(self) -> list[run_pb2.PassThrough]:
        return [
            door.passed(self.ids[name], self.found)
            for name, door in self.doors.items()
            if door.passed is not None
        ]

    async def create(self, service: Service, intent: str, **fields: Any) -> str:
        created = await service.create(intent, pass_through=self.passed(), **fields)
        self.search.look("gRPC CreateRun", str(created))
        return str(created.run_id)

    async def settle(self, service: Service, run_id: str, decision: int) -> None:
        """Decide whatever the run asks until it ends; a call in doubt is given up."""
        after = 0
        while event := await service.next(run_id, "approval_required", after):
            after, asked = event.sequence, event.approval_required
            await self._misjudge(service, asked.approval_id)
            chosen = apb.DECISION_FAIL if asked.kind == apb.APPROVAL_KIND_IN_DOUBT else decision
            try:
                search_in = await service.decide(asked.approval_id, chosen)
            except aio.AioRpcError:
                continue
            self.search.look("gRPC DecideApproval", str(search_in))

    async def _misjudge(self, service: Service, approval_id: str) -> None:
        """A decision that holds what came with its run."""
        reason = f"with {self.doors['passed headers'].hides[0]}"
        with pytest.raises(aio.AioRpcError) as refused:
            await service.decide(approval_id, apb.DECISION_DENY, reason=reason)
        self.search.look("gRPC error", f"{refused.value!r} {refused.value.trailing_metadata()}")


@pytest.mark.timeout(300)
async def test_no_secret_comes_out_anywhere(tmp_path: Path) -> None:
    doors = {name: made() for name, made in DOORS.items()}
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(mirror())
        revisions = {door.server for door in doors.values() if door.server}
        servers = {one: await stack.enter_async_context(remote(one)) for one in revisions}
        for door in doors.values():
            found.issued.update(door.issued)
        key = canary("operator", "")
        process = Process(tmp_path, sts=found.url, key=key, servers={PROCESS: _process(doors)})
        stage = Stage(found, servers, process, doors)
        await process.start()
        try:
            await _before_the_crash(stage)
            await _crash(stage)
            await _after_the_crash(stage)
        finally:
            await process.kill()
        _look_at_what_is_left(stage)
    print("\n".join(("", *stage.search.table())))

    assert {name for name, *_ in stage.search.findings} == set(), stage.search.findings[:50]
    _all_went_in(stage)


def _process(doors: dict[str, Door]) -> dict[str, Any]:
    env = {name: value for door in doors.values() for name, value in door.process.items()}
    here = str(Path(__file__).parents[2])
    return {"command": sys.executable, "args": ["-m", "tests.canary.remote"], "env": env, "cwd": here}


async def _before_the_crash(stage: Stage) -> None:
    async with stage.process.asked() as service:
        await stage.furnish(service)
        await _bad_requests(stage, service)
        done = await stage.create(service, "echo post tell large forbidden moved away broken refuse page")
        await stage.settle(service, done, apb.DECISION_APPROVE)
        await _ended(service, await stage.create(service, "echo", output_schema_json=SCHEMA))
        await _ended(service, await stage.create(service, "fail"))
        cut = await stage.create(service, "cut hang", approval_strategy=ON_START)
        await service.until(cut, "approval_required")
        waiting = await stage.create(service, "echo refuse", approval_strategy=ON_TOOL_CALL)
        await service.until(waiting, "approval_required")
        await look_everywhere(stage.search, service)
        await stage.settle(service, cut, apb.DECISION_APPROVE)
        await stage.settle(service, waiting, apb.DECISION_APPROVE)
        await _canceled(stage, service)
        runs = await look_everywhere(stage.search, service)
        await asyncio.to_thread(look_at_the_command_line, stage.search, service, runs)


async def _ended(service: Service, run_id: str) -> None:
    async with asyncio.timeout(60):
        async for _ in service.runs.StreamRunEvents(
            run_pb2.StreamRunEventsRequest(run_id=run_id), timeout=60
        ):
            pass


async def _canceled(stage: Stage, service: Service) -> None:
    stage.found.arrived.clear()
    run_id = await stage.create(service, "hang")
    await stage.found.arrived.wait()
    canceled = await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=run_id))
    stage.search.look("gRPC CancelRun", str(canceled))


async def _bad_requests(stage: Stage, service: Service) -> None:
    """Requests with every secret in a place where it is wrong."""
    hidden = [secret for door in stage.doors.values() for secret in door.hides]
    shared = next(iter(stage.ids.values()))
    wrong = [
        {"headers": {"Host": secret, "X": f"{secret}\n"}, "query": {"": secret}, "values": {"kid": secret}}
        for secret in hidden
    ]
    for given in wrong:
        entry = run_pb2.PassThrough(customer_integration_id=shared, **given)
        with pytest.raises(aio.AioRpcError) as refused:
            await service.create("echo", pass_through=[entry])
        stage.search.look("gRPC error", f"{refused.value!r} {refused.value.trailing_metadata()}")
    passed = [stage.doors[name].hides[0] for name in ("passed headers", "passed query", "passed AWS role")]
    for secret in passed:
        for field in ("intent", "context", "user_id"):
            with pytest.raises(aio.AioRpcError) as refused:
                await stage.create(service, **{"intent": "echo", field: f"use {secret}"})
            stage.search.look("gRPC error", f"{refused.value!r} {refused.value.trailing_metadata()}")
    async with asking(service) as http:
        for given in wrong:
            body = {**RUN, "passThrough": [{"customerIntegrationId": shared, **given}]}
            answer = await http.post("/v1/runs", json=body)
            assert answer.status_code == 400
            stage.search.look("REST problem", answer.text)
        answer = await http.get("/v1/runs", headers={"authorization": "Bearer " + secrets.token_hex()})
        assert answer.status_code == 401
        stage.search.look("REST problem", answer.text)
    made = await service.keys.CreateKey(key_pb2.CreateKeyRequest(name="k", scopes=["runs:read"]))
    stage.issued_keys.append(made.secret)


async def _crash(stage: Stage) -> None:
    """Killed while calls are under way; what is on disk then is looked at, too."""
    async with stage.process.asked() as service:
        stage.found.arrived.clear()
        run_id = await stage.create(service, "hang echo")
        await stage.found.arrived.wait()
        await stage.process.kill()
    stage.ids["crashed"] = run_id
    for name, data in stage.process.files().items():
        stage.search.look(f"file {name} after SIGKILL", data)


async def _after_the_crash(stage: Stage) -> None:
    await stage.process.start()
    async with stage.process.asked() as service:
        await stage.settle(service, stage.ids["crashed"], apb.DECISION_APPROVE)
        # Last of all: what the user connected and a service refused is used no more.
        refused = await stage.create(service, "unauthorized")
        await service.until(refused, "auth_required")
        await look_everywhere(stage.search, service)
        await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=refused))


def _look_at_what_is_left(stage: Stage) -> None:
    for name, data in stage.process.files().items():
        stage.search.look(f"file {name}", data)
    stage.search.look("log", stage.process.log.read_bytes())
    with sqlite3.connect(stage.process.data / "errands.db") as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f"SELECT * FROM {table}"):
                stage.search.look(f"rows of {table}", repr(row))
        assert database.execute("SELECT count(*) FROM run_secrets").fetchone() == (0,)
    keys = Search({"issued keys": stage.issued_keys})
    for name, data in stage.process.files().items():
        keys.look(f"file {name}", data)
    keys.look("log", stage.process.log.read_bytes())
    assert keys.findings == []


def _all_went_in(stage: Stage) -> None:
    """Nothing is proven by secrets that were never sent."""
    sent = "\n".join(f"{one.target} {one.headers} {one.body!r}" for one in stage.found.received)
    for name in ("passed headers", "shared bearer", "shared key in a header"):
        for secret in stage.doors[name].hides:
            assert secret in sent or repr(secret)[1:-1] in sent, name
    remote_doors = [door for door in stage.doors.values() if door.server]
    described = [door for door in stage.doors.values() if not door.server and not door.process]
    for operation in OPERATIONS:
        calls = [one for one in stage.found.received if one.target.startswith(f"/{operation}")]
        assert len(calls) >= len(described), operation
    asked = [(request, message) for server in stage.servers.values() for request, message in server.asked]
    called = [message["params"]["name"] for _, message in asked if message.get("method") == "tools/call"]
    assert {name for name in TOOLS if called.count(name) >= len(remote_doors)} == set(TOOLS)
    told = [request.headers.get("authorization", "") for request, _ in asked]
    for door in remote_doors:
        assert any(door.hides[0] in header for header in told)
    assert sent.count("AWS4-HMAC-SHA256") >= len(OPERATIONS)
    assert "client_assertion=" in sent
    assert "Action=AssumeRole" in sent


@pytest.mark.parametrize("door", DOORS)
def test_the_search_finds_each_secret_in_everything_the_mirror_says(door: str) -> None:
    for secret in DOORS[door]().hides:
        search = Search({door: [secret]})
        shown = Mirror.shown("GET /", {"x": secret}, b"")
        for name, text in shown.items():
            is_told = isinstance(text, str) and not name.startswith("key ")
            search.look(name, text if is_told else json.dumps({name: text}))
        blind = [name for name in shown if name not in {place for place, *_ in search.findings}]

        assert [name for name in blind if name != "line"] == []
        assert len(forms(secret)) == 19
