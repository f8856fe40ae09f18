"""What may be done next for a run. Empty means that it waits, or has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from msgspec import Struct

from .events import ApprovalKind, Decision, Outcome, Strategy
from .policy import is_harmless, may_repeat
from .run import ENDED, ApprovalProgress, CallProgress, CallState, Run, StepProgress


class MakePlan(Struct, frozen=True):
    """Ask the planner."""


class AskApproval(Struct, frozen=True):
    """Ask a person: over the plan, over calls of a step, or over one call in doubt."""

    kind: ApprovalKind
    step_id: str = ""
    call_ids: tuple[str, ...] = ()


class Think(Struct, frozen=True):
    """Start the step, or take its next turn: propose calls, or finish it."""

    step_id: str


class SkipStep(Struct, frozen=True):
    """A step it depends on was not done."""

    step_id: str


class SendCall(Struct, frozen=True):
    """Send a call: the first time, or again where that is safe."""

    call_id: str


class GiveUp(Struct, frozen=True):
    """A harmless call was tried often enough."""

    call_id: str


class Conclude(Struct, frozen=True):
    """Nothing is left to do: make the result and end the run."""


Effect: TypeAlias = MakePlan | AskApproval | Think | SkipStep | SendCall | GiveUp | Conclude


def next_effects(run: Run, now: int) -> list[Effect]:
    """What may be done at `now`. Never gives work for calls sent under the current epoch."""
    if run.ended or run.sequence == 0:
        return []
    if run.cancel is not None:
        return [] if _sent(run) else [Conclude()]
    if run.refusal is not None:
        return [Conclude()]
    if run.plan is None:
        return [MakePlan()]
    if run.strategy is Strategy.ON_START:
        gate = plan_approval(run)
        if gate is None:
            return [AskApproval(ApprovalKind.PLAN)]
        if gate.open:
            return []
        if denied(gate):
            return [Conclude()]
    return list(_steps(run, now))


def wake_at(run: Run, after: int = -1) -> int | None:
    """When something is next due, behind `after`, without anybody acting, or None."""
    if run.ended:
        return None
    if run.cancel is not None:
        return run.cancel.until if run.cancel.until > after else None
    due = [a.request.expires_at for a in run.open_approvals()]
    due += [request.expires_at for request in run.authorizations.values()]
    due += [c.not_before for c in run.calls.values() if c.state in _SENDABLE and c.not_before]
    return min((at for at in due if at > after), default=None)


_SENDABLE = frozenset({CallState.READY, CallState.LOST})


def plan_approval(run: Run) -> ApprovalProgress | None:
    """The approval of the run's present plan, where it was asked for."""
    for approval in run.approvals.values():
        if approval.request.kind is ApprovalKind.PLAN and approval.request.hash == run.plan_hash:
            return approval
    return None


def denied(approval: ApprovalProgress) -> bool:
    return approval.resolution is not None and approval.resolution.decision is Decision.DENY


def _sent(run: Run) -> bool:
    return any(progress.state is CallState.SENT for progress in run.calls.values())


def _steps(run: Run, now: int) -> Iterator[Effect]:
    unfinished = [step for step in run.steps.values() if step.outcome is None]
    if not unfinished:
        yield Conclude()
    for step in unfinished:
        if step.started:
            yield from _started(run, step, now)
        else:
            yield from _unstarted(run, step)


def _unstarted(run: Run, step: StepProgress) -> Iterator[Effect]:
    outcomes = [run.steps[dependency].outcome for dependency in step.step.depends_on]
    if any(outcome is not None and outcome is not Outcome.DONE for outcome in outcomes):
        yield SkipStep(step.step.id)
    elif all(outcome is Outcome.DONE for outcome in outcomes):
        yield Think(step.step.id)


def _started(run: Run, step: StepProgress, now: int) -> Iterator[Effect]:
    calls = run.steps_calls(step.step.id)
    if all(progress.state in ENDED for progress in calls):
        yield Think(step.step.id)
        return
    asked = {call.id for a in run.open_approvals() for call in a.request.calls}
    unasked = tuple(c.call.id for c in calls if c.state is CallState.PROPOSED and c.call.id not in asked)
    if unasked:
        yield AskApproval(ApprovalKind.CALLS, step.step.id, unasked)
    for progress in calls:
        yield from _call(progress, now)


def _call(progress: CallProgress, now: int) -> Iterator[Effect]:
    if progress.state not in _SENDABLE or progress.not_before > now:
        return
    if progress.state is CallState.READY or may_repeat(progress, now):
        yield SendCall(progress.call.id)
    elif is_harmless(progress):
        yield GiveUp(progress.call.id)
    else:
        yield AskApproval(ApprovalKind.IN_DOUBT, progress.call.step_id, (progress.call.id,))
