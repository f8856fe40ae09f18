"""One process that executes a run as `executor/owner.py` does, without a task: everything at once."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from errands_server.domain import commands
from errands_server.domain.approval import plan_hash
from errands_server.domain.draft import Draft
from errands_server.domain.effects import (
    AskApproval,
    Conclude,
    Effect,
    GiveUp,
    MakePlan,
    SendCall,
    SkipStep,
    Think,
    next_effects,
)
from errands_server.domain.errors import Reason
from errands_server.domain.events import (
    AnyEvent,
    ApprovalKind,
    Call,
    CallAbandoned,
    CallsProposed,
    Claimed,
    PlanMade,
    PlanRefused,
)
from errands_server.domain.run import CallState
from errands_server.domain.tool import Effect as ToolEffect
from errands_server.environment import Environment
from errands_server.executor import documents, outcomes, results
from errands_server.executor.dispatch import Dispatch
from errands_server.executor.run_loop import DISPATCH_WINDOW, MAX_CALLS
from errands_server.executor.step import StepRunner
from errands_server.ports import CallOutcomeUnknown, Refusal

from .scenarios import Shape
from .shelf import now_or_never

if TYPE_CHECKING:
    from .histories import Simulation

Outcome = Callable[[Draft], None]

RUN_ID: Final = "run"
MISMATCH: Final = "The result does not fit."
_MOST_EFFECTS: Final = 1_000  # of one decision; more means that it never settles


class Fate(StrEnum):
    """What becomes of a draft when it is to be stored."""

    STORED = "stored"
    OVERTAKEN = "overtaken"  # another writer was first; nothing was stored
    UNANSWERED = "unanswered"  # stored, but the answer to the commit was lost


class Task(Struct, frozen=True, kw_only=True):
    """Work whose outcome is awaited. `asked` is when its commit was asked for."""

    perform: Callable[[], Outcome]
    call: Call | None = None
    asked: int = 0


class Process:
    """Its memory, which a crash loses: the folded run, tasks under way, outcomes not yet stored."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._scenario = simulation.scenario
        self._environment = Environment(
            now=lambda: simulation.now,
            monotonic=lambda: simulation.now / 1_000,
            new_id=simulation.new_id,
            jitter=lambda: 0.5,
        )
        shelf: Any = simulation.shelf
        # The shelf also says what is missing; calls go to the simulation's remote service.
        self._turns = StepRunner(
            tenant="tenant", run_id=RUN_ID, catalog=shelf, toolbox=shelf, environment=self._environment
        )
        self._dispatch = Dispatch(
            turns=self._turns, catalog=shelf, toolbox=shelf, environment=self._environment
        )
        self.run = simulation.journal.run
        self.tasks: dict[str, Task] = {}
        self.outcomes: list[Outcome] = []
        self.restless = True  # something happened since it last looked
        self._stale = False
        self._epoch = 0

    def nudge(self) -> None:
        self.restless = self._stale = True

    def advance(self, fate: Fate = Fate.STORED) -> None:
        """Store everything that can be decided now, then do what that allows."""
        self.restless = False
        if self._stale:
            self._catch_up()
        if self.run.ended:
            return
        draft = Draft(self.run, self._simulation.now)
        applied = len(self.outcomes)
        calls = self._decide(draft)
        if not draft.records:
            return
        if fate is not Fate.OVERTAKEN:
            self._simulation.journal.append(draft, epoch=draft.base.epoch)
            self._epoch = draft.run.epoch
        if fate is not Fate.STORED:
            self.nudge()
            return
        del self.outcomes[:applied]
        self.run = draft.run
        for call in calls:
            self._spawn_call(call)

    def deliver(self, name: str) -> None:
        """Let a task come to its end; a call that waited too long is not sent."""
        task = self.tasks.pop(name)
        self.restless = True
        if task.call is not None and self._is_late(task):
            self.outcomes.append(_abandoned(task.call.id))
        else:
            self.outcomes.append(task.perform())

    def cut_off(self, name: str) -> None:
        """End a task where it stands; of a call nobody knows whether it was received."""
        task = self.tasks.pop(name)
        self.restless = True
        if task.call is not None:
            if self._simulation.tape.next() % 2 and not self._is_late(task):
                task.perform()
            self.outcomes.append(self._answer(task.call, CallOutcomeUnknown(message="it was cut off")))

    def _is_late(self, task: Task) -> bool:
        return self._simulation.now - task.asked > DISPATCH_WINDOW * 1_000

    def fail(self) -> None:
        """An effect ends in an exception nobody foresaw."""
        self.outcomes.append(_engine_failed)
        self.restless = True

    def _catch_up(self) -> None:
        self._stale = False
        self.run = self._simulation.journal.run
        if self.run.cancel is not None:
            reads = [n for n, t in self.tasks.items() if t.call and t.call.effect is ToolEffect.READ]
            for name in reads:
                self.cut_off(name)

    def _decide(self, draft: Draft) -> list[Call]:
        if self._epoch == 0:
            draft.add(Claimed(epoch=draft.run.epoch + 1))
        for outcome in self.outcomes:
            if not draft.run.ended:
                outcome(draft)
        if not draft.run.ended:
            self._abandon_unsent(draft)
            draft.add(*commands.expire(draft.run, draft.now))
            self._keep_grace(draft)
        calls: list[Call] = []
        performed = 0
        while effects := [e for e in next_effects(draft.run, draft.now) if self._is_new(e, calls)]:
            for effect in effects:
                self._perform(effect, draft, calls)
            performed += len(effects)
            assert performed < _MOST_EFFECTS, f"it never settles: {effects}"
        draft.announce()
        return calls

    def _abandon_unsent(self, draft: Draft) -> None:
        for call_id, progress in draft.run.calls.items():
            if progress.state is CallState.SENT and call_id not in self.tasks:
                draft.add(CallAbandoned(call_id=call_id, reason="the store did not answer in time"))

    def _keep_grace(self, draft: Draft) -> None:
        cancel = draft.run.cancel
        if cancel is not None and cancel.until <= draft.now:
            for name in list(self.tasks):
                self.cut_off(name)

    def _is_new(self, effect: Effect, calls: list[Call]) -> bool:
        match effect:
            case MakePlan() | Conclude():
                return type(effect).__name__ not in self.tasks
            case SendCall():
                return len(self.tasks) + len(calls) < MAX_CALLS
            case _:
                return True

    def _perform(self, effect: Effect, draft: Draft, calls: list[Call]) -> None:
        match effect:
            case Think(step_id=step_id):
                self._think(draft, step_id)
            case SkipStep():
                self._turns.skip(draft, effect)
            case GiveUp():
                self._turns.give_up(draft, effect)
            case AskApproval(kind=ApprovalKind.PLAN):
                now_or_never(self._turns.ask_plan(draft))
            case AskApproval():
                self._turns.ask(draft, effect)
            case SendCall(call_id=call_id):
                if self._is_new(effect, calls):
                    call = now_or_never(self._dispatch.start(draft, call_id))
                    calls += [call] if call else []
            case MakePlan():
                self.tasks["MakePlan"] = Task(perform=self._plan)
            case Conclude():
                self._conclude(draft)

    def _think(self, draft: Draft, step_id: str) -> None:
        needed = {slot.step for call in draft.run.steps[step_id].step.calls for slot in call.slots}
        thought = Draft(draft.run, draft.now)
        now_or_never(self._turns.think(thought, step_id, self._outputs(draft, needed)))
        draft.add(*(self._strayed(record.event) for record in thought.records))

    def _strayed(self, event: AnyEvent) -> AnyEvent:
        """Some calls are not what the plan announced."""
        if not isinstance(event, CallsProposed):
            return event
        strays = self._scenario.strays
        calls = tuple(replace(call, planned=call.tool.name not in strays) for call in event.calls)
        return replace(event, calls=calls)

    def _outputs(self, draft: Draft, step_ids: set[str]) -> dict[str, Any]:
        journal: Any = self._simulation.journal
        return now_or_never(documents.outputs(journal, RUN_ID, draft.run, step_ids, draft))

    def _spawn_call(self, call: Call) -> None:
        def send() -> Outcome:
            return self._answer(call, self._simulation.remote.receive(call, self._simulation.now))

        self.tasks[call.id] = Task(perform=send, call=call, asked=self._simulation.now)

    def _answer(self, call: Call, answer: Any) -> Outcome:
        return lambda draft: outcomes.record(draft, self._turns, self._environment, call.id, answer)

    def _plan(self) -> Outcome:
        plan, plan_id = self._scenario.plan, self.run.plan_id
        event = (
            PlanRefused(plan_id=plan_id, reason=plan.reason, message=plan.message)
            if isinstance(plan, Refusal)
            else PlanMade(plan=plan, plan_id=plan_id, hash=plan_hash(plan))
        )
        return lambda draft: draft.add(event) if MakePlan() in next_effects(draft.run, draft.now) else None

    def _conclude(self, draft: Draft) -> None:
        if not commands.needs_result(draft.run):
            draft.add(*commands.conclude(draft.run, None))
        elif self._scenario.shape is Shape.FREE:
            self._finish(draft)
        else:
            self.tasks["Conclude"] = Task(perform=lambda: self._concluded)

    def _concluded(self, draft: Draft) -> None:
        if Conclude() in next_effects(draft.run, draft.now):
            self._finish(draft)

    def _finish(self, draft: Draft) -> None:
        if self._scenario.shape is Shape.MISFIT:
            draft.add(*commands.conclude(draft.run, None, MISMATCH))
            return
        found = results.findings(draft.run, self._outputs(draft, set(draft.run.steps)))
        result = documents.keep(draft, results.encode(results.standard(found, draft.run)))
        draft.add(*commands.conclude(draft.run, result))


def _abandoned(call_id: str) -> Outcome:
    def add(draft: Draft) -> None:
        if draft.run.calls[call_id].state is CallState.SENT:
            draft.add(CallAbandoned(call_id=call_id, reason="the dispatch window had passed"))

    return add


def _engine_failed(draft: Draft) -> None:
    if not draft.run.ended:
        draft.add(*commands.fail(Reason.ENGINE_FAILED, "The engine could not go on."))
