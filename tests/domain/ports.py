"""What a simulated process works with: a catalog, a toolbox and a planner that answer from a scenario."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from enum import StrEnum
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from errands_server.domain.inputs import Inputs
from errands_server.domain.tool import Tool, ToolRef
from errands_server.ports import (
    AuthorizationRequired,
    CallRequest,
    CallResult,
    Candidate,
    CredentialSource,
    Resolved,
    ResultBrief,
)
from tests.scripted import ScriptedPlanner

from .scenarios import OPEN, ORIGIN, SECURED, Scenario, Shape

if TYPE_CHECKING:
    from .histories import Simulation

T = TypeVar("T")

_SCHEMAS = {
    Shape.FREE: "",
    Shape.FITS: '{"type": "object"}',
    Shape.MISFIT: '{"type": "object", "required": ["what no result has"]}',
}


def now_or_never(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waits for something")


def inputs(scenario: Scenario) -> Inputs:
    """What the simulated run is given."""
    return Inputs(intent="", context="", output_schema=_SCHEMAS[scenario.shape], integrations=())


class SimulatedCatalog:
    """The tools of a scenario, and which integrations can be used now."""

    def __init__(self, scenario: Scenario) -> None:
        self._tools = scenario.tools
        self._max_concurrency = scenario.max_concurrency
        self.inactive: set[str] = set()
        self.credential: str | None = None

    async def active(self, tenant: str) -> dict[str, Any]:
        limits = SimpleNamespace(rate_limit="", max_concurrency=self._max_concurrency)
        current = {
            OPEN: SimpleNamespace(integration=limits, origin=ORIGIN, credential=None),
            SECURED: SimpleNamespace(integration=limits, origin=ORIGIN, credential=self.credential),
        }
        return {key: value for key, value in current.items() if key not in self.inactive}

    async def tool(self, tenant: str, ref: ToolRef) -> tuple[Any, Tool]:
        return SimpleNamespace(name=ref.integration_id), self._tools[ref.name]

    async def candidates(self, tenant: str, selection: object) -> Sequence[Candidate]:
        return ()


class _Held(StrEnum):
    """Where a call that is cut off has come to."""

    NOT = "not held"
    SENT = "on its way"
    RECEIVED = "received, not answered"


class SimulatedToolbox:
    """Says what is missing, and sends calls to the simulation's service."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._tools = simulation.scenario.tools
        self._held_at = _Held.NOT
        self._held = asyncio.Event()

    async def resolve(self, request: CallRequest, *, shared_only: bool = False) -> Resolved:
        has_credential = self._simulation.catalog.credential is not None
        if self._tools[request.ref.name].secured and not has_credential:
            return Resolved(missing=AuthorizationRequired(message="no credential for this service"))
        shared = request.ref.integration_id == SECURED and has_credential
        return Resolved(source=CredentialSource.SHARED if shared else CredentialSource.NONE)

    async def call(self, request: CallRequest) -> CallResult:
        await self._hold(_Held.SENT)
        answer = self._simulation.receive(request)
        await self._hold(_Held.RECEIVED)
        return answer

    async def _hold(self, here: _Held) -> None:
        if self._held_at is here:
            self._held.set()
            await asyncio.Event().wait()

    async def cut_off(self, sending: Coroutine[Any, Any, T], *, received: bool) -> T | None:
        """The outcome of a call whose task is cancelled before or after the service has received it."""
        self._held_at = _Held.RECEIVED if received else _Held.SENT
        self._held.clear()
        task, held = asyncio.ensure_future(sending), asyncio.ensure_future(self._held.wait())
        await asyncio.wait({task, held}, return_when=asyncio.FIRST_COMPLETED)
        self._held_at = _Held.NOT
        held.cancel()
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return None


def planner(scenario: Scenario) -> ScriptedPlanner:
    """Plans what the scenario says, and concludes with what was found."""
    return ScriptedPlanner(lambda _: scenario.plan, conclude=_conclude)


def _conclude(brief: ResultBrief) -> Any:
    steps = [{"stepId": one.step.id, "outcome": one.outcome, "output": one.output} for one in brief.findings]
    return json.loads(msgspec.json.encode({"steps": steps}))
