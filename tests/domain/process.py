"""One process that executes a run: the product's decider, with tasks that end when the history says so."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from errands_server.domain.draft import Draft
from errands_server.domain.events import CallsProposed
from errands_server.domain.run import Run
from errands_server.environment import Environment
from errands_server.executor.decider import Decider
from errands_server.executor.step import StepRunner
from errands_server.executor.work import Outcome, RunDependencies, Work, engine_failed

from . import ports
from .ports import SimulatedToolbox, now_or_never

if TYPE_CHECKING:
    from .histories import Simulation

TENANT: Final = "tenant"
RUN_ID: Final = "run"


class Fate(StrEnum):
    """What becomes of a draft when it is to be stored."""

    STORED = "stored"
    OVERTAKEN = "overtaken"  # another writer was first; nothing was stored
    UNANSWERED = "unanswered"  # stored, but the answer to the commit was lost


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """Where work is performed: it may hold deadlines, which need a task."""
    return asyncio.new_event_loop()


class Process:
    """Its memory, which a crash loses: what the decider knows, and the work under way."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        environment = Environment(
            now=lambda: simulation.now,
            monotonic=lambda: simulation.now / 1_000,
            new_id=simulation.new_id,
            jitter=lambda: 0.5,
        )
        self._toolbox = SimulatedToolbox(simulation)
        catalog: Any = simulation.catalog
        journal: Any = simulation.journal
        dependencies = RunDependencies(
            journal=journal,
            catalog=catalog,
            planner=ports.planner(simulation.scenario),
            toolbox=self._toolbox,
            environment=environment,
        )
        self._decider = Decider(
            dependencies,
            TENANT,
            RUN_ID,
            self,
            wake=self._wake,
            steps=_StrayingSteps(
                tenant=TENANT,
                run_id=RUN_ID,
                catalog=catalog,
                toolbox=self._toolbox,
                environment=environment,
                strays=simulation.scenario.strays,
            ),
        )
        self._decider.run = simulation.journal.run
        self.tasks: dict[str, Work] = {}
        self.restless = True  # something happened since it last looked

    @property
    def run(self) -> Run:
        return self._decider.run

    def _wake(self) -> None:
        self.restless = True

    def nudge(self) -> None:
        self.restless = self._decider.stale = True

    def advance(self, fate: Fate = Fate.STORED) -> None:
        """Store everything that can be decided now, then begin what that allows."""
        self.restless = False
        with self._simulation.journal.written_by(self, fate):
            now_or_never(self._decider.advance())
        self._decider.look_up()

    def begin(self, work: Work) -> None:
        self.tasks[work.name] = work

    async def settle(self) -> None:
        """Tasks end when the history says so."""

    async def back_off(self) -> None:
        raise AssertionError("the journal of a simulation is always there")

    def deliver(self, name: str) -> None:
        """Let a task come to its end."""
        self._finish(name, _loop().run_until_complete(self.tasks[name].perform()))

    def cut_off(self, name: str) -> None:
        """End a task: a call before or after the service received it, other work before it begins."""
        work = self.tasks[name]
        if work.call is None:
            self._finish(name, None)
            return
        received = bool(self._simulation.tape.next() % 2)
        self._finish(
            name, _loop().run_until_complete(self._toolbox.cut_off(work.perform(), received=received))
        )

    def fail(self) -> None:
        """Some work ends in an exception that was not foreseen."""
        work = Work(name="fault", perform=self.settle)  # type: ignore[arg-type] # it is not performed
        self._decider.under_way[work.name] = work
        self.tasks[work.name] = work
        self._finish(work.name, engine_failed)

    def _finish(self, name: str, outcome: Outcome | None) -> None:
        self._decider.finish(self.tasks.pop(name), outcome)
        self.restless = True


class _StrayingSteps(StepRunner, frozen=True, kw_only=True):
    """Some calls are not what the plan announced."""

    strays: frozenset[str]

    async def think(self, draft: Draft, step_id: str, outputs: Any) -> None:
        thought = Draft(draft.run, draft.now)
        await super().think(thought, step_id, outputs)
        for record in thought.records:
            event = record.event
            if isinstance(event, CallsProposed):
                calls = (replace(call, planned=call.tool.name not in self.strays) for call in event.calls)
                event = replace(event, calls=tuple(calls))
            draft.add(event)
