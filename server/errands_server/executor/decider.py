"""Decides what one process does next about one run, stores it, and begins the work that it allows.

It has no task and no clock of its own, so that the crash proofs of `tests/domain` walk this very code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from msgspec import Struct, field

from ..domain import commands
from ..domain.draft import Draft
from ..domain.effects import (
    AskApproval,
    Conclude,
    GiveUp,
    MakePlan,
    RunEffect,
    SendCall,
    SkipStep,
    Think,
    next_effects,
    wake_at,
)
from ..domain.errors import CommitUnknown, RunChanged, Unavailable
from ..domain.events import ApprovalKind, Call, CallAbandoned, CallLost, Claimed
from ..domain.inputs import Inputs
from ..domain.run import CallState, Run
from ..domain.tool import Effect
from ..store.write_requests import Append
from . import documents, results
from .dispatch import Dispatch
from .rate_limits import RunLimiter
from .step import StepRunner
from .work import PLAN, RESULT, Outcome, RunDependencies, RunWork, Work, finish

MAX_CALLS: Final = 16  # of one run at the same time


class Round(Struct, kw_only=True):
    """What is decided at one moment. Nothing of it holds before its draft is stored."""

    draft: Draft
    calls: list[Call] = field(default_factory=list)  # to send once the draft is stored
    outcomes: int = 0  # how many the draft holds


class Tasks(Protocol):
    """Performs the work of one run, side by side. Each work ends in one call of `Decider.finish`."""

    def begin(self, work: Work) -> None: ...

    def cut_off(self, name: str) -> None:
        """End the work of this name where it is; of a call that was sent the outcome is unknown."""
        ...

    async def settle(self) -> None:
        """Let work that waits for nothing end."""
        ...

    async def back_off(self) -> None:
        """Wait until the store is worth another try."""
        ...


class Superseded(Exception):
    """Another process has claimed the run."""


class Decider:
    """Decides about one run for one process, and stores what it decided.

    Work goes to `tasks`, which hand in what each came to with `finish`.
    """

    def __init__(
        self,
        dependencies: RunDependencies,
        tenant: str,
        run_id: str,
        tasks: Tasks,
        *,
        run: Run | None = None,
        inputs: Inputs | None = None,
        wake: Callable[[], None] = lambda: None,
        steps: StepRunner | None = None,
    ) -> None:
        """`run` is one that this process has just stored, with its claim. `wake` is called when a wait
        for a rate limit has ended early.
        """
        self._dependencies = dependencies
        self._journal = dependencies.journal
        self._environment = dependencies.environment
        self._tenant = tenant
        self._run_id = run_id
        self._tasks = tasks
        self._steps = steps or StepRunner(
            tenant=tenant,
            run_id=run_id,
            catalog=dependencies.catalog,
            toolbox=dependencies.toolbox,
            environment=dependencies.environment,
        )
        self._dispatch = Dispatch(
            steps=self._steps,
            catalog=dependencies.catalog,
            toolbox=dependencies.toolbox,
            environment=dependencies.environment,
            gate=dependencies.gate,
            limits=dependencies.limits,
        )
        self._work = RunWork(dependencies, self._dispatch, tenant, run_id, inputs)
        self._limiter = RunLimiter(
            dependencies.limits,
            dependencies.catalog,
            dependencies.environment,
            tenant=tenant,
            run_id=run_id,
            wake=wake,
        )
        self.run = Run() if run is None else run
        self.stale = False  # the log may hold more than `run`
        self.stopping = False  # no call, plan or result is begun any more
        self.under_way: dict[str, Work] = {}
        self._epoch = self.run.epoch if run is not None else 0  # 0: not claimed by this process yet
        self._outcomes: list[Outcome] = []
        self._handed_on: set[str] = set()  # calls whose work was begun, and whose outcome is not stored
        self._looked_up: set[str] = set()  # authorizations
        self._decided_at = 0  # milliseconds

    @property
    def idle(self) -> bool:
        """Whether nothing is under way and nothing waits to be decided."""
        return not (self.under_way or self._outcomes or self.stale)

    def wake_at(self) -> int | None:
        """When there is something to decide without anything new (milliseconds); None: never."""
        # What was due at the last decision waits for something else by now.
        due = (wake_at(self.run, self._decided_at), self._limiter.next_attempt(self._decided_at))
        return min((at for at in due if at is not None), default=None)

    def make_room(self) -> None:
        """Other runs wait for memory: wait for rate limits outside of it."""
        self._limiter.make_room()

    def leave(self) -> None:
        """The process executes this run no longer."""
        self._limiter.close()

    async def begin_creation(self, draft: Draft) -> None:
        """Fill the draft that creates the run: claim it, plan it, ask where a person must agree to the plan.

        One commit then holds the beginning. Nothing leaves the process before.
        """
        draft.add(Claimed(epoch=draft.run.epoch + 1))
        if MakePlan() in next_effects(draft.run, draft.now):
            planned = await self._work.make_plan(draft.run)
            planned(draft)
        if any(isinstance(effect, AskApproval) for effect in next_effects(draft.run, draft.now)):
            await self._steps.ask_plan(draft)
        draft.announce()

    def finish(self, work: Work, outcome: Outcome | None) -> None:
        """The work has ended. None: without a word. A call that ends so was perhaps sent, and is lost;
        other work is decided again.
        """
        del self.under_way[work.name]
        if outcome is not None:
            self._outcomes.append(outcome)
        if work.call is not None:
            self._limiter.release(work.call)

    async def advance(self) -> None:
        """Store everything that can be decided now, then begin what that allows.

        Superseded: another process has claimed the run. Unavailable: the store cannot be written, and the
        run is to stop.
        """
        while True:
            if self.stale:
                await self._refresh()
            if self.run.ended:
                return
            decision = self._open()
            try:
                await self._fill(decision)
                asked = self._environment.monotonic()
                if not decision.draft.records:
                    del self._outcomes[: decision.outcomes]  # they came too late to mean anything
                    return
                await self._journal.append(self._request(decision))
            except (RunChanged, CommitUnknown):
                self._reject(decision)
            except Unavailable:
                self._reject(decision)
                if self.stopping:
                    raise
                await self._tasks.back_off()
            else:
                self._accept(decision, asked)
                return

    def look_up(self) -> None:
        """Ask once more for the access the run waits for: it may have come before the wait was stored."""
        for key, asked in self.run.authorizations.items():
            if asked.lasting and key not in self._looked_up and not self.stopping:
                self._looked_up.add(key)
                call = self.run.calls[asked.call_ids[0]].call
                self._begin(self._work.look_up(key, call, self.run))

    async def _refresh(self) -> None:
        self.stale = False
        self.run = await self._journal.fold(self._run_id, self.run)
        if self._epoch and self.run.epoch != self._epoch:
            raise Superseded
        if self.run.cancel is not None:
            for work in list(self.under_way.values()):
                if work.call is not None and work.call.effect is Effect.READ:
                    self._tasks.cut_off(work.name)

    def _open(self) -> Round:
        self._decided_at = self._environment.now()
        decision = Round(draft=Draft(self.run, self._decided_at))
        if self._epoch == 0:
            decision.draft.add(Claimed(epoch=self.run.epoch + 1))
        return decision

    async def _fill(self, decision: Round) -> None:
        """Add to the decision all that can be decided, also from outcomes that come in meanwhile."""
        while True:
            await self._take_outcomes(decision)
            # What waits for nothing, such as planning without a model, shares the commit.
            await self._tasks.settle()
            if len(self._outcomes) == decision.outcomes:
                break
        decision.draft.announce()

    async def _take_outcomes(self, decision: Round) -> None:
        draft = decision.draft
        fresh = self._outcomes[decision.outcomes :]
        decision.outcomes = len(self._outcomes)
        for outcome in fresh:
            if not draft.run.ended:
                outcome(draft)
        if draft.run.ended:
            return
        self._settle_sent(decision)
        draft.add(*commands.expire(draft.run, draft.now))
        cancel = draft.run.cancel
        if cancel is not None and cancel.until <= draft.now:
            for name in list(self.under_way):
                self._tasks.cut_off(name)
        while effects := [e for e in next_effects(draft.run, draft.now) if self._is_new(e, decision)]:
            for effect in effects:
                await self._perform(effect, decision)

    def _request(self, decision: Round) -> Append:
        draft = decision.draft
        return Append(
            tenant=self._tenant,
            run_id=self._run_id,
            after=draft.base.sequence,
            epoch=draft.base.epoch,  # that of the claim under which it was decided
            records=draft.records,
            run=draft.run,
            artifacts=draft.artifacts,
        )

    def _reject(self, decision: Round) -> None:
        """The draft was not stored, or may not have been: nothing of it is sent."""
        for call in decision.calls:
            self._limiter.release(call)
        self.stale = True

    def _accept(self, decision: Round, asked: float) -> None:
        """The draft is stored: send its calls. Its commit was asked for at `asked` (monotonic seconds)."""
        del self._outcomes[: decision.outcomes]
        self.run = decision.draft.run
        self._epoch = self.run.epoch
        self._handed_on = {id_ for id_ in self._handed_on if self.run.calls[id_].state is CallState.SENT}
        for call in decision.calls:
            self._handed_on.add(call.id)
            self._begin(self._work.send(call, self.run, asked))

    def _begin(self, work: Work) -> None:
        self.under_way[work.name] = work
        self._tasks.begin(work)

    def _settle_sent(self, decision: Round) -> None:
        """Settle calls that are stored as sent and of which nobody will say anything any more.

        One whose commit's answer was lost was never handed on, and so never sent. One whose work was
        begun and ended without a word was perhaps sent: it is lost.
        """
        draft = decision.draft
        known = self.under_way.keys() | {call.id for call in decision.calls}
        for call_id, progress in draft.run.calls.items():
            if progress.state is not CallState.SENT or call_id in known:
                continue
            if call_id in self._handed_on:
                message = "its task ended without a word"
                step_id = progress.call.step_id
                draft.add(CallLost(call_id=call_id, step_id=step_id, until=draft.now, message=message))
            else:
                draft.add(CallAbandoned(call_id=call_id, reason="the store did not answer in time"))

    def _is_new(self, effect: RunEffect, decision: Round) -> bool:
        match effect:
            case MakePlan():
                # Planning and concluding may take long; after a stop the next start does them.
                return not self.stopping and PLAN not in self.under_way
            case Conclude():
                return not self.stopping and RESULT not in self.under_way
            case SendCall(call_id=call_id):
                waits = self.stopping or self._limiter.is_waiting(call_id, self._decided_at)
                return not waits and len(self.under_way) + len(decision.calls) < MAX_CALLS
            case _:
                return True

    async def _perform(self, effect: RunEffect, decision: Round) -> None:
        draft = decision.draft
        match effect:
            case Think(step_id=step_id):
                needed = {slot.step for call in draft.run.steps[step_id].step.calls for slot in call.slots}
                await self._steps.think(draft, step_id, await self._outputs(draft, needed))
            case SkipStep():
                self._steps.skip(draft, effect)
            case GiveUp():
                self._steps.give_up(draft, effect)
            case AskApproval(kind=ApprovalKind.PLAN):
                await self._steps.ask_plan(draft)
            case AskApproval():
                self._steps.ask(draft, effect)
            case SendCall(call_id=call_id):
                if self._is_new(effect, decision):
                    await self._start(call_id, decision)
            case MakePlan():
                self._begin(self._work.plan(draft.run))
            case Conclude():
                await self._conclude(draft)

    async def _start(self, call_id: str, decision: Round) -> None:
        draft = decision.draft
        if await self._limiter.must_wait(draft, call_id):
            return
        if call := await self._dispatch.start(draft, call_id):
            decision.calls.append(call)
        else:
            self._limiter.release(draft.run.calls[call_id].call)

    async def _conclude(self, draft: Draft) -> None:
        if not commands.needs_result(draft.run):
            draft.add(*commands.conclude(draft.run, None))
            return
        inputs = await self._work.inputs()
        found = results.findings(draft.run, await self._outputs(draft, set(draft.run.steps)))
        if inputs.output_schema:
            self._begin(self._work.result(inputs, found))
        else:
            finish(draft, results.standard(found, draft.run))

    async def _outputs(self, draft: Draft, step_ids: set[str]) -> dict[str, Any]:
        return await documents.outputs(self._journal, self._run_id, draft.run, step_ids, draft)
