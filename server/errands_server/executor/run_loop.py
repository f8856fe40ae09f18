"""One run, executed by one task: fold, ask what is next, store it, do it, and again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import structlog
from msgspec import Struct, field

from ..domain import commands
from ..domain.draft import Draft
from ..domain.effects import (
    AskApproval,
    Conclude,
    Effect,
    GiveUp,
    MakePlan,
    SendCall,
    SkipStep,
    Think,
    next_effects,
    wake_at,
)
from ..domain.errors import CommitUnknown, Reason, RunChanged, Unavailable
from ..domain.events import AnyEvent, ApprovalKind, AuthResolved, Call, CallAbandoned, Claimed
from ..domain.run import CallState, Run
from ..domain.tool import Effect as ToolEffect
from ..environment import Environment
from ..ports import CallOutcomeUnknown, Planner, Toolbox
from ..store.journal import Journal
from ..store.journal_reads import Inputs
from ..store.write_requests import Append
from ..tools.catalog import ToolCatalog
from . import documents, outcomes, plan_effects, results
from .dispatch import Dispatch, open_gate
from .rate_limits import IntegrationLimiter, RunLimiter
from .step import StepRunner

DISPATCH_WINDOW: Final = 2.0  # seconds from asking for the commit to sending the call
MAX_CALLS: Final = 16  # of one run at the same time
LINGER: Final = 60.0  # seconds a run waits for a timer in memory before it is left to the store
STAY: Final = 10.0  # the same, while other runs wait for a place in memory
STORE_RETRY: Final = 0.5  # seconds between tries while the store cannot be written

_log = structlog.get_logger("errands.executor")

Outcome = Callable[[Draft], None]
"""Adds what came of an effect to a draft. Adds nothing where the run has moved past it."""


class RunDependencies(Struct, frozen=True, kw_only=True):
    """What every owner works with."""

    journal: Journal
    catalog: ToolCatalog
    planner: Planner
    toolbox: Toolbox
    environment: Environment
    gate: Callable[[Call], Awaitable[None]] = open_gate
    limits: IntegrationLimiter = field(default_factory=IntegrationLimiter)


class Superseded(Exception):
    """Another process has claimed the run."""


class RunLoop:
    """Executes one run until it ends, waits for people, or is told to stop."""

    def __init__(self, parts: RunDependencies, tenant: str, run_id: str) -> None:
        self._parts = parts
        self._tenant = tenant
        self._run_id = run_id
        self._turns = StepRunner(
            tenant=tenant,
            run_id=run_id,
            catalog=parts.catalog,
            toolbox=parts.toolbox,
            environment=parts.environment,
        )
        self._dispatch = Dispatch(
            turns=self._turns,
            catalog=parts.catalog,
            toolbox=parts.toolbox,
            environment=parts.environment,
            gate=parts.gate,
            limits=parts.limits,
        )
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._outcomes: list[Outcome] = []
        self._looked_up: set[str] = set()  # authorizations
        self._changed = asyncio.Event()
        self._holding = RunLimiter(
            parts.limits,
            parts.catalog,
            parts.environment,
            tenant=tenant,
            run_id=run_id,
            wake=self._changed.set,
        )
        self.stale = False
        self._stopping = False
        self._linger = LINGER
        self._epoch = 0
        self._looked_at = 0
        self.run = Run()
        self._inputs: Inputs | None = None

    def nudge(self) -> None:
        """Something was appended to the run's log by somebody else."""
        self.stale = True
        self._changed.set()

    def make_room(self) -> None:
        """Other runs wait for this one's place: keep it only while there is something to do."""
        self._linger = STAY
        self._holding.make_room()

    def stop(self) -> None:
        """Start no more calls, and return when those in flight are recorded."""
        self._stopping = True
        self._changed.set()

    def abort(self) -> None:
        """Give up the calls in flight: their outcomes are unknown."""
        for task in self._tasks.values():
            task.cancel()

    async def execute(self, run: Run | None = None, inputs: Inputs | None = None) -> None:
        """Execute until the run ends, waits without a task, or `stop` was called.

        `run` is one that this process has just stored.
        """
        try:
            self.run = await self._parts.journal.fold(self._run_id) if run is None else run
            self._epoch = 0 if run is None else run.epoch  # that one was claimed when it was stored
            self._inputs = inputs
            while not self.run.ended:
                await self._advance()
                self._look_up()
                if self.run.ended or self._may_leave():
                    return
                await self._wait()
        except Superseded:
            _log.info("run taken over by another process", run_id=self._run_id)
        finally:
            self._holding.forget()
            await self._end_tasks()

    async def _end_tasks(self) -> None:
        self.abort()
        for task in list(self._tasks.values()):
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _may_leave(self) -> bool:
        if self._tasks or self._outcomes or self.stale or self._changed.is_set():
            return False
        return self._stopping or self._seconds_to_wake() > self._linger

    def _seconds_to_wake(self) -> float:
        # What was due when the run was last looked at waits for something else by now.
        due = (wake_at(self.run, self._looked_at), self._holding.ends(self._looked_at))
        ahead = [at for at in due if at is not None]
        if not ahead:
            return float("inf")
        return max(0.0, (min(ahead) - self._parts.environment.now()) / 1_000)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._seconds_to_wake(), LINGER)):
                await self._changed.wait()
        self._changed.clear()

    async def _advance(self) -> None:
        """Store everything that can be decided now, then do what that allows."""
        while True:
            if self.stale:
                await self._catch_up()
            if self.run.ended:
                return
            draft = Draft(self.run, self._parts.environment.now())
            self._looked_at = draft.now
            calls: list[Call] = []
            try:
                applied = await self._decide(draft, calls)
                asked = self._parts.environment.monotonic()
                if not draft.records:
                    del self._outcomes[:applied]  # they came too late to mean anything
                    return
                await self._commit(draft)
            except (RunChanged, CommitUnknown):
                self._give_back(calls)
                self.stale = True
                continue
            except Unavailable:
                self._give_back(calls)
                if self._stopping:
                    raise
                await asyncio.sleep(STORE_RETRY)
                self.stale = True
                continue
            del self._outcomes[:applied]
            self.run = draft.run
            self._send(calls, asked)
            return

    async def _catch_up(self) -> None:
        self.stale = False
        self.run = await self._parts.journal.fold(self._run_id, self.run)
        if self._epoch and self.run.epoch != self._epoch:
            raise Superseded
        if self.run.cancel is not None:
            self._abort_reads()

    def _abort_reads(self) -> None:
        for call_id, task in self._tasks.items():
            progress = self.run.calls.get(call_id)
            if progress is not None and progress.call.effect is ToolEffect.READ:
                task.cancel()

    async def _commit(self, draft: Draft) -> None:
        await self._parts.journal.append(
            Append(
                tenant=self._tenant,
                run_id=self._run_id,
                after=draft.base.sequence,
                epoch=draft.base.epoch,
                records=draft.records,
                run=draft.run,
                artifacts=draft.artifacts,
            )
        )
        self._epoch = draft.run.epoch

    def _give_back(self, calls: list[Call]) -> None:
        for call in calls:
            self._holding.left(call)

    async def _decide(self, draft: Draft, calls: list[Call]) -> int:
        """Fill the draft with all that can be decided, and `calls` with those to send once it is stored.

        Gives how many outcomes it holds.
        """
        if self._epoch == 0:
            draft.add(Claimed(epoch=draft.run.epoch + 1))
        applied = -1
        while applied < len(self._outcomes):
            for outcome in self._outcomes[max(applied, 0) :]:
                if not draft.run.ended:
                    outcome(draft)
            applied = len(self._outcomes)
            await self._take_effects(draft, calls)
            # What needs no waiting, such as planning without a model, shares the commit.
            await asyncio.sleep(0)
        draft.announce()
        return applied

    async def _take_effects(self, draft: Draft, calls: list[Call]) -> None:
        if draft.run.ended:
            return
        self._abandon_unsent(draft, calls)
        self._expire(draft)
        while effects := [e for e in next_effects(draft.run, draft.now) if self._is_new(e, calls)]:
            for effect in effects:
                await self._perform(effect, draft, calls)

    def _abandon_unsent(self, draft: Draft, calls: list[Call]) -> None:
        """A call stored by a commit whose answer was lost was never sent."""
        known = self._tasks.keys() | {call.id for call in calls}
        for call_id, progress in draft.run.calls.items():
            if progress.state is CallState.SENT and call_id not in known:
                draft.add(CallAbandoned(call_id=call_id, reason="the store did not answer in time"))

    def _expire(self, draft: Draft) -> None:
        draft.add(*commands.expire(draft.run, draft.now))
        cancel = draft.run.cancel
        if cancel is not None and cancel.until <= draft.now:
            self.abort()

    def _is_new(self, effect: Effect, calls: list[Call]) -> bool:
        match effect:
            case MakePlan() | Conclude():
                # Both may take long; what a stop leaves undone is done after the next start.
                return not self._stopping and type(effect).__name__ not in self._tasks
            case SendCall(call_id=call_id):
                waits = self._stopping or self._holding.holds(call_id, self._looked_at)
                return not waits and len(self._tasks) + len(calls) < MAX_CALLS
            case _:
                return True

    async def _perform(self, effect: Effect, draft: Draft, calls: list[Call]) -> None:
        match effect:
            case Think(step_id=step_id):
                await self._turns.think(draft, step_id, await self._read_outputs(draft, step_id))
            case SkipStep():
                self._turns.skip(draft, effect)
            case GiveUp():
                self._turns.give_up(draft, effect)
            case AskApproval(kind=ApprovalKind.PLAN):
                await self._turns.ask_plan(draft)
            case AskApproval():
                self._turns.ask(draft, effect)
            case SendCall(call_id=call_id):
                if self._is_new(effect, calls):
                    await self._start(draft, call_id, calls)
            case MakePlan():
                self._spawn("MakePlan", partial(self._make_plan, draft.run))
            case Conclude():
                await self._conclude(draft)

    async def _start(self, draft: Draft, call_id: str, calls: list[Call]) -> None:
        if await self._holding.must_wait(draft, call_id):
            return
        if call := await self._dispatch.start(draft, call_id):
            calls.append(call)
        else:
            self._holding.left(draft.run.calls[call_id].call)

    async def _read_outputs(self, draft: Draft, step_id: str) -> dict[str, Any]:
        step = draft.run.steps[step_id].step
        needed = {slot.step for call in step.calls for slot in call.slots}
        return await documents.outputs(self._parts.journal, self._run_id, draft.run, needed, draft)

    def _spawn(self, name: str, work: Callable[[], Awaitable[Outcome]]) -> asyncio.Task[None]:
        async def perform() -> None:
            try:
                self._outcomes.append(await work())
            except Exception:
                _log.exception("effect failed", run_id=self._run_id, effect=name)
                self._outcomes.append(_engine_failed)
            finally:
                # Cut off before it came to anything, it leaves no outcome and is decided anew.
                self._tasks.pop(name, None)
                self._changed.set()

        task = self._tasks[name] = asyncio.create_task(perform(), name=f"{self._run_id} {name}")
        return task

    def _send(self, calls: list[Call], asked: float) -> None:
        for call in calls:
            task = self._spawn(call.id, partial(self._send_one, call, self.run, asked))
            # Also where it is cancelled before its first step.
            task.add_done_callback(lambda _, call=call: self._holding.left(call))  # type: ignore[misc] # mypy cannot infer defaults

    async def _send_one(self, call: Call, run: Run, asked: float) -> Outcome:
        await self._parts.gate(call)
        # Whoever paused us may have handed the run to somebody else in the meantime.
        if self._parts.environment.monotonic() - asked > DISPATCH_WINDOW:
            return _abandoned(call.id)
        try:
            answer = await self._dispatch.send(call, run)
        except asyncio.CancelledError:
            answer = CallOutcomeUnknown(message="it was cut off when the run was stopped")
        return lambda draft: outcomes.record(draft, self._turns, self._parts.environment, call.id, answer)

    def _look_up(self) -> None:
        """Ask once more for what the run waits for: it may have come before the wait was stored."""
        for key, asked in self.run.authorizations.items():
            if asked.lasting and key not in self._looked_up and not self._stopping:
                self._looked_up.add(key)
                self._spawn(key, partial(self._looked, key, self.run.calls[asked.call_ids[0]].call, self.run))

    async def _looked(self, key: str, call: Call, run: Run) -> Outcome:
        missing = await self._dispatch.missing(call, run)
        return lambda draft: _granted(draft, key) if missing is None else None

    async def _make_plan(self, run: Run) -> Outcome:
        inputs = await self._load_inputs()
        candidates = await self._parts.catalog.candidates(self._tenant, inputs.integrations)
        events = await plan_effects.make_plan(
            self._parts.planner,
            self._parts.journal,
            self._parts.environment,
            run=run,
            inputs=inputs,
            candidates=candidates,
        )
        return lambda draft: _planned(draft, events)

    async def _load_inputs(self) -> Inputs:
        if self._inputs is None:
            self._inputs = await self._parts.journal.inputs(self._run_id)
        return self._inputs

    async def _conclude(self, draft: Draft) -> None:
        if not commands.needs_result(draft.run):
            draft.add(*commands.conclude(draft.run, None))
            return
        inputs = await self._load_inputs()
        outputs = await documents.outputs(
            self._parts.journal, self._run_id, draft.run, set(draft.run.steps), draft
        )
        found = results.findings(draft.run, outputs)
        if not inputs.output_schema:
            _finish(draft, results.standard(found, draft.run))
            return
        self._spawn("Conclude", partial(self._make_result, inputs, found))

    async def _make_result(self, inputs: Inputs, found: list[Any]) -> Outcome:
        try:
            result = await results.fitting(self._parts.planner, inputs.intent, inputs.output_schema, found)
        except results.Mismatch as mismatch:
            text = str(mismatch)
            return lambda draft: _concluded(draft, None, text)
        return lambda draft: _concluded(draft, result, "")


def _granted(draft: Draft, key: str) -> None:
    if key in draft.run.authorizations:
        draft.add(AuthResolved(authorization_id=key, granted=True))


def _planned(draft: Draft, events: list[AnyEvent]) -> None:
    if MakePlan() in next_effects(draft.run, draft.now):
        draft.add(*events)


def _concluded(draft: Draft, result: dict[str, Any] | None, mismatch: str) -> None:
    if Conclude() not in next_effects(draft.run, draft.now):
        return
    if result is None:
        draft.add(*commands.conclude(draft.run, None, mismatch))
    else:
        _finish(draft, result)


def _finish(draft: Draft, result: dict[str, Any]) -> None:
    try:
        document = documents.keep(draft, results.encode(result))
    except results.Mismatch as too_large:
        draft.add(*commands.conclude(draft.run, None, str(too_large)))
    else:
        draft.add(*commands.conclude(draft.run, document))


def _abandoned(call_id: str) -> Outcome:
    def add(draft: Draft) -> None:
        if draft.run.calls[call_id].state is CallState.SENT:
            draft.add(CallAbandoned(call_id=call_id, reason="the dispatch window had passed"))

    return add


def _engine_failed(draft: Draft) -> None:
    if not draft.run.ended:
        message = "The engine could not go on; the server's log says why."
        draft.add(*commands.fail(Reason.ENGINE_FAILED, message))
