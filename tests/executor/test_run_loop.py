"""The tasks of a run: each work ends in one outcome, however its task ends."""

from __future__ import annotations

import asyncio
from typing import Any

from errands_server.domain.events import ApprovalKind, RunStatus
from errands_server.environment import Environment
from errands_server.executor.run_loop import RunLoop
from errands_server.executor.work import RunDependencies
from errands_server.ports import CallRequest, CallResult, Toolbox
from errands_server.store.write_requests import Append
from tests.domain import ports
from tests.domain.histories import Journal, Simulation
from tests.domain.process import RUN_ID, TENANT
from tests.domain.scenarios import KINDS, scenario, tool
from tests.service import PATIENCE


class _Aborting:
    """The journal of a simulation. The first call it stores is cut off before it begins."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.loop: RunLoop | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def append(self, append: Append) -> None:
        await self._journal.append(append)
        if append.run.calls and self.loop is not None:
            loop, self.loop = self.loop, None
            asyncio.get_running_loop().call_soon(loop.abort)


def loop_of(simulation: Simulation, toolbox: Toolbox, journal: Any = None) -> RunLoop:
    """A loop that executes the run of a simulation, with tasks of its own."""
    catalog: Any = simulation.catalog
    dependencies = RunDependencies(
        journal=journal or simulation.journal,
        catalog=catalog,
        planner=ports.planner(simulation.scenario),
        toolbox=toolbox,
        environment=Environment(now=lambda: simulation.now, new_id=simulation.new_id),
    )
    return RunLoop(dependencies, TENANT, RUN_ID)


class _Failing(ports.SimulatedToolbox):
    """Sends each call, and then raises what nobody foresaw."""

    async def call(self, request: CallRequest) -> CallResult:
        await super().call(request)
        raise RuntimeError("nobody foresaw this")


async def test_a_write_whose_sending_ended_in_a_fault_is_asked_about_and_not_sent_again() -> None:
    simulation = Simulation(scenario({"s1": ()}, {"s1.0": tool("s1.0", KINDS[5])}))
    await asyncio.wait_for(loop_of(simulation, _Failing(simulation)).execute(), PATIENCE)

    (approval,) = simulation.run.open_approvals()
    assert approval.request.kind is ApprovalKind.IN_DOUBT
    assert len(simulation.receipts) == 1


async def test_a_call_that_is_cut_off_before_its_first_step_was_not_sent_and_is_sent_later() -> None:
    simulation = Simulation(scenario({"s1": ()}, {"s1.0": tool("s1.0", KINDS[5])}))
    journal = _Aborting(simulation.journal)
    journal.loop = loop = loop_of(simulation, ports.SimulatedToolbox(simulation), journal)
    await asyncio.wait_for(loop.execute(), PATIENCE)

    assert journal.loop is None
    assert simulation.run.status is RunStatus.SUCCESS
    assert len(simulation.receipts) == 1
