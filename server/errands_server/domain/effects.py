"""The effects that may be performed next for a run. Where there is none, it waits or has ended."""

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
    """Ask a person about the plan, about calls of a step, or about one call in doubt."""

    kind: ApprovalKind
    step_id: str = ""  # empty for a PLAN
    call_ids: tuple[str, ...] = ()  # none for a PLAN


class Think(Struct, frozen=True):
    """Start the step, propose its calls, or finish it."""

    step_id: str


class SkipStep(Struct, frozen=True):
    """End the step as SKIPPED: a step that it depends on was not done."""

    step_id: str


class SendCall(Struct, frozen=True):
    """Send a call: the first time, or again where that is safe."""

    call_id: str


class GiveUp(Struct, frozen=True):
    """End a read as FAILED: it was tried often enough."""

    call_id: str


class Conclude(Struct, frozen=True):
    """Make the result and end the run: nothing else is left to do."""


RunEffect: TypeAlias = MakePlan | AskApproval | Think | SkipStep | SendCall | GiveUp | Conclude


def next_effects(run: Run, now: int) -> list[RunEffect]:
    """Return what may be done at `now` (milliseconds); never work for calls sent under the current epoch."""
    if run.ended or run.sequence == 0:
        return []
    if run.cancel is not None:
        return [] if _has_sent_call(run) else [Conclude()]
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
        if is_denied(gate):
            return [Conclude()]
    return list(_effects_of_steps(run, now))


def wake_at(run: Run, after: int = -1) -> int | None:
    """Return when something is next due by the clock alone, later than `after` (milliseconds), or None."""
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
    """Return the approval of the run's plan, or None if there was no request for one."""
    for approval in run.approvals.values():
        if approval.request.kind is ApprovalKind.PLAN and approval.request.hash == run.plan_hash:
            return approval
    return None


def is_denied(approval: ApprovalProgress) -> bool:
    """Whether a person denied it, or it expired."""
    return approval.resolution is not None and approval.resolution.decision is Decision.DENY


def _has_sent_call(run: Run) -> bool:
    return any(progress.state is CallState.SENT for progress in run.calls.values())


def _effects_of_steps(run: Run, now: int) -> Iterator[RunEffect]:
    unfinished = [step for step in run.steps.values() if step.outcome is None]
    if not unfinished:
        yield Conclude()
    for step in unfinished:
        if step.started:
            yield from _effects_of_started(run, step, now)
        else:
            yield from _effects_of_unstarted(run, step)


def _effects_of_unstarted(run: Run, step: StepProgress) -> Iterator[RunEffect]:
    outcomes = [run.steps[dependency].outcome for dependency in step.step.depends_on]
    if any(outcome is not None and outcome is not Outcome.DONE for outcome in outcomes):
        yield SkipStep(step.step.id)
    elif all(outcome is Outcome.DONE for outcome in outcomes):
        yield Think(step.step.id)


def _effects_of_started(run: Run, step: StepProgress, now: int) -> Iterator[RunEffect]:
    calls = run.steps_calls(step.step.id)
    if all(progress.state in ENDED for progress in calls):
        yield Think(step.step.id)
        return
    asked = {call.id for a in run.open_approvals() for call in a.request.calls}
    unasked = tuple(c.call.id for c in calls if c.state is CallState.PROPOSED and c.call.id not in asked)
    if unasked:
        yield AskApproval(ApprovalKind.CALLS, step.step.id, unasked)
    for progress in calls:
        yield from _effects_of_call(progress, now)


def _effects_of_call(progress: CallProgress, now: int) -> Iterator[RunEffect]:
    if progress.state not in _SENDABLE or progress.not_before > now:
        return
    if progress.state is CallState.READY or may_repeat(progress, now):
        yield SendCall(progress.call.id)
    elif is_harmless(progress):
        yield GiveUp(progress.call.id)
    else:
        yield AskApproval(ApprovalKind.IN_DOUBT, progress.call.step_id, (progress.call.id,))
