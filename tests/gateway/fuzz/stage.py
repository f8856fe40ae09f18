"""The server that is fuzzed: with an integration, and with runs in every state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from errands.v1 import key_pb2, run_pb2
from errands_gateway.values import DECISION
from errands_server.app import Overrides
from errands_server.domain.errors import Reason
from errands_server.domain.plan import Plan
from errands_server.ports import Brief, Refusal
from tests.contract import desk as desks
from tests.contract.conftest import add_desk
from tests.contract.desk import Desk
from tests.contract.told import HELD, LOST, READ, REFUSED, WRITE, Told, chain, steps
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
_SPARE = 20  # integrations and keys that may be changed and taken away


@asynccontextmanager
async def stage(data: Path) -> AsyncGenerator[tuple[Service, dict[str, Any]], None]:
    """A server, and what is to be found on it: ids by what they name."""
    async with desks.opened() as desk, serving(data, Overrides(planner=Told(_plan, results=[{}]))) as service:
        yield service, await _furnished(service, desk)


def _plan(brief: Brief) -> Plan | Refusal:
    if brief.intent == "refuse":
        return Refusal(Reason.NO_FITTING_TOOL, "no tool fits")
    return _PLANS.get(brief.intent, steps(READ))(brief)


async def _furnished(service: Service, desk: Desk) -> dict[str, Any]:
    desk_id = await add_desk(service, desk)
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
        await desk.arrived.wait()
    return {
        "integration": desk_id,
        "spare integrations": [await add_desk(service, desk, f"spare {n}") for n in range(_SPARE)],
        "spare keys": [await _key(service, n) for n in range(_SPARE)],
        "finished": [created.run_id for created in finished],
        "runs": [created.run_id for created in (*finished, *asking, held)],
        "plans": [created.execution_plan_id for created in (*finished, *asking)],
        "choices": {one.approval_id: [DECISION[choice] for choice in one.choices] for one in asked},
        "tokens": [action.url.partition("token=")[2] for one in asked for action in one.actions],
        "intents": INTENTS,
        "document": desk.document(),
    }


async def _key(service: Service, number: int) -> str:
    request = key_pb2.CreateKeyRequest(name=f"spare {number}", scopes=["runs:read"])
    return str((await service.keys.CreateKey(request)).key.id)
