"""The server that is fuzzed: with an integration, and with runs in every state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from errands.v1 import connection_pb2, integration_pb2, key_pb2, run_pb2
from errands_gateway.enum_names import DECISION
from errands_server.app import Overrides
from errands_server.domain.errors import Reason
from errands_server.domain.plan import Plan
from errands_server.ports import Brief, Refusal
from tests.contract import target as targets
from tests.contract.conftest import add_target
from tests.contract.plans import HELD, LOST, READ, REFUSED, WRITE, chain, steps
from tests.contract.target import Target
from tests.scripted import ScriptedPlanner, in_turn
from tests.service import PATIENCE, Service, serving

_PLANS = {
    "write": chain(WRITE, WRITE),
    "part": steps(READ, REFUSED),
    "hold": steps(HELD),
    "lose": steps(LOST),
}
INTENTS = ("read", "write", "part", "refuse")
# Intents, when their runs ask, and how many there are: each decision over one uses it up.
_ASKING = (
    ("write", run_pb2.APPROVAL_STRATEGY_ON_START, 20),
    ("write", run_pb2.APPROVAL_STRATEGY_ON_TOOL_CALL, 20),
    ("lose", run_pb2.APPROVAL_STRATEGY_NONE, 5),
)
BROWSER = "f" * 43  # what browsers prove themselves with
USER = "user-1"
_SPARE = 20  # integrations and keys that may be changed and taken away


@asynccontextmanager
async def stage(data: Path) -> AsyncGenerator[tuple[Service, dict[str, Any]], None]:
    """A server, and what is to be found on it: ids by what they name."""
    async with (
        targets.opened() as target,
        serving(data, Overrides(planner=ScriptedPlanner(_plan, conclude=in_turn({})))) as service,
    ):
        yield service, await _furnished(service, target)


def _plan(brief: Brief) -> Plan | Refusal:
    if brief.intent == "refuse":
        return Refusal(Reason.NO_FITTING_TOOL, "no tool fits")
    return _PLANS.get(brief.intent, steps(READ))(brief)


async def _furnished(service: Service, target: Target) -> dict[str, Any]:
    desk_id = await add_target(service, target)
    finished = [await service.create(intent, repeat_key=f"again {intent}") for intent in INTENTS]
    finished.append(await service.create("read", repeat_key="again read"))
    for created in finished:
        await service.events(created.run_id)
    asking = [
        await service.create(intent, approval_strategy=strategy)
        for intent, strategy, count in _ASKING
        for _ in range(count)
    ]
    asked = [(await service.until(run.run_id, "approval_required")).approval_required for run in asking]
    held = await service.create("hold")
    async with asyncio.timeout(PATIENCE):
        await target.arrived.wait()
    return {
        "integration": desk_id,
        "spare integrations": [await add_target(service, target, f"spare {n}") for n in range(_SPARE)],
        "spare keys": [await _key(service, n) for n in range(_SPARE)],
        "connections": [await _connection(service, desk_id, n) for n in range(_SPARE)],
        "links": [await _link(service, desk_id) for _ in range(_SPARE)],
        "states": await _states(service, target),
        "flows": await _flows(service, desk_id),
        "finished": [created.run_id for created in finished],
        "runs": [created.run_id for created in (*finished, *asking, held)],
        "plans": [created.execution_plan_id for created in (*finished, *asking)],
        "choices": {one.approval_id: [DECISION[choice] for choice in one.choices] for one in asked},
        "tokens": [action.url.partition("token=")[2] for one in asked for action in one.actions],
        "intents": INTENTS,
        "document": target.document(),
    }


async def _key(service: Service, number: int) -> str:
    request = key_pb2.CreateKeyRequest(name=f"spare {number}", scopes=["runs:read"])
    return str((await service.keys.CreateKey(request)).key.id)


async def _connection(service: Service, integration: str, number: int) -> str:
    request = connection_pb2.CreateConnectionRequest(integration_id=integration, user_id=f"user {number}")
    request.bearer.token = "t"
    return str((await service.connections.CreateConnection(request)).connection.id)


async def _link(service: Service, integration: str) -> str:
    """The token of a link."""
    request = connection_pb2.CreateConnectLinkRequest(integration_id=integration, user_id=USER)
    return str((await service.connections.CreateConnectLink(request)).url).rpartition("/")[2]


async def _states(service: Service, target: Target) -> list[str]:
    """States of flows whose browsers are at the service."""
    flow = {"authorizationUrl": f"{target.url}/authorize", "tokenUrl": f"{target.url}/token", "scopes": {}}
    document = json.loads(target.document())
    document["components"]["securitySchemes"] = {
        "key": {"type": "oauth2", "flows": {"authorizationCode": flow}}
    }
    request = integration_pb2.CreateIntegrationRequest(
        name="login", openapi_document=json.dumps(document), internal=True
    )
    request.oauth_client.client_id = "errands"
    made = (await service.integrations.CreateIntegration(request)).integration.id
    begun = [
        await service.connections.BeginConnect(
            connection_pb2.BeginConnectRequest(token=await _link(service, made), browser=BROWSER)
        )
        for _ in range(_SPARE)
    ]
    return [parse_qs(urlsplit(one.redirect_url).query)["state"][0] for one in begun]


async def _flows(service: Service, integration: str) -> list[str]:
    """Flows that wait for the application to say who the user is."""
    settings = connection_pb2.UpdateConnectSettingsRequest(verifier_url="https://app.example/verify")
    await service.connections.UpdateConnectSettings(settings)
    found = []
    for _ in range(_SPARE):
        request = connection_pb2.BeginConnectRequest(token=await _link(service, integration), browser=BROWSER)
        request.bearer.token = "t"
        begun = await service.connections.BeginConnect(request)
        found.append(parse_qs(urlsplit(begun.return_url).query)["flow"][0])
    await service.connections.UpdateConnectSettings(
        connection_pb2.UpdateConnectSettingsRequest(verifier_url="")
    )
    return found
