"""Folds the events of a log into a run. Every status move passes `advance`, which checks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from . import events as e
from .call_states import apply_answer, apply_decision, give_up, orphan, sendable_state
from .errors import Reason
from .events import Outcome, Record, RunStatus, Strategy
from .run import FINAL, MOVES, ApprovalProgress, CallProgress, CallState, Run, StepProgress, derive_status

_ENDED_AS: Final = {
    Outcome.DONE: CallState.DONE,
    Outcome.FAILED: CallState.FAILED,
    Outcome.DENIED: CallState.DENIED,
    Outcome.UNKNOWN: CallState.UNKNOWN,
}
_STATES_ASKED: Final = {e.ApprovalKind.IN_DOUBT: CallState.DOUBTED, e.ApprovalKind.INPUT: CallState.ASKED}


class IllegalMove(Exception):
    """An event cannot follow the run's log. A fault of the service, never of a caller."""


def apply(run: Run, record: Record) -> Run:
    """Return the run after one more record. IllegalMove: the record cannot follow this log."""
    if record.sequence != run.sequence + 1:
        raise IllegalMove(f"sequence {record.sequence} cannot follow {run.sequence}")
    return advance(run, record.event, record.at)


def advance(run: Run, event: e.AnyEvent, at: int) -> Run:
    """Return the run after `event` at `at` (milliseconds). IllegalMove: the event cannot follow this log."""
    if run.ended:
        raise IllegalMove(f"{type(event).__name__} after the final status {run.status}")
    changed = _FOLDS[type(event)](run, event, at)
    status = _status_after(changed, event)
    if status != run.status and status not in MOVES[run.status]:
        raise IllegalMove(f"{run.status} does not lead to {status}")
    return replace(changed, sequence=run.sequence + 1, updated_at=at, status=status)


def fold(records: Iterable[Record], run: Run | None = None) -> Run:
    """Return the run after these records, which follow `run`; without one, from the start of the log."""
    state = Run() if run is None else run
    for record in records:
        state = apply(state, record)
    return state


def _status_after(run: Run, event: e.AnyEvent) -> RunStatus:
    if isinstance(event, e.StatusChanged) and event.status in FINAL:
        return event.status
    return derive_status(run)


def _on_run_created(run: Run, event: e.RunCreated, at: int) -> Run:
    return replace(
        run,
        created_at=at,
        user_id=event.user_id,
        strategy=event.strategy,
        plan_id=event.plan_id,
        repeat_of=event.repeat_of,
        traceparent=event.traceparent,
        passed=event.passed,
        rules_version=event.rules_version,
        announced=RunStatus.QUEUED,
    )


def _on_claimed(run: Run, event: e.Claimed, at: int) -> Run:
    if event.epoch <= run.epoch:
        raise IllegalMove(f"epoch {event.epoch} does not follow {run.epoch}")
    calls = {call_id: orphan(progress) for call_id, progress in run.calls.items()}
    return replace(run, epoch=event.epoch, calls=calls)


def _on_status_changed(run: Run, event: e.StatusChanged, at: int) -> Run:
    if event.status not in FINAL and event.status != derive_status(run):
        raise IllegalMove(f"status {event.status} announced while the run is {derive_status(run)}")
    run = replace(run, announced=event.status)
    return _close_approvals(run) if event.status in FINAL else run


def _close_approvals(run: Run) -> Run:
    return replace(run, approvals={key: replace(a, open=False) for key, a in run.approvals.items()})


def _on_plan_made(run: Run, event: e.PlanMade, at: int) -> Run:
    steps = {step.id: StepProgress(step) for step in event.plan.steps}
    return replace(run, plan=event.plan, plan_id=event.plan_id, plan_hash=event.hash, steps=steps)


def _on_plan_refused(run: Run, event: e.PlanRefused, at: int) -> Run:
    return replace(run, refusal=event)


def _on_step_started(run: Run, event: e.StepStarted, at: int) -> Run:
    return _with_step(run, replace(run.steps[event.step_id], started=True))


def _on_calls_proposed(run: Run, event: e.CallsProposed, at: int) -> Run:
    step = run.steps[event.step_id]
    calls = dict(run.calls)
    for call in event.calls:
        state = CallState.PROPOSED if needs_approval(run, call) else CallState.READY
        calls[call.id] = CallProgress(call, state)
    step = replace(step, calls=step.calls + tuple(call.id for call in event.calls))
    return _with_step(replace(run, calls=calls), step)


def needs_approval(run: Run, call: e.Call) -> bool:
    """Whether a person must approve this call before it is sent."""
    if run.strategy is Strategy.ON_TOOL_CALL:
        return True
    return run.strategy is Strategy.ON_START and not call.planned


def _on_call_started(run: Run, event: e.CallStarted, at: int) -> Run:
    progress = run.calls[event.call.id]
    if run.cancel is not None:
        raise IllegalMove(f"call {event.call.id} started behind a cancellation")
    if event.epoch != run.epoch:
        raise IllegalMove(f"call {event.call.id} started under epoch {event.epoch}, not {run.epoch}")
    if progress.state not in {CallState.READY, CallState.LOST}:
        raise IllegalMove(f"call {event.call.id} started while it is {progress.state}")
    return _with_call(
        run,
        replace(
            progress,
            state=CallState.SENT,
            attempts=event.attempt,
            sent_at=progress.sent_at or at,
        ),
    )


def _on_call_abandoned(run: Run, event: e.CallAbandoned, at: int) -> Run:
    progress = run.calls[event.call_id]
    return _with_call(
        run,
        replace(
            progress,
            state=sendable_state(progress),
            attempts=progress.attempts - 1,
            sent_at=progress.sent_at if progress.doubt else 0,
        ),
    )


def _on_call_delayed(run: Run, event: e.CallDelayed, at: int) -> Run:
    progress = run.calls[event.call_id]
    return _with_call(run, replace(progress, state=sendable_state(progress), not_before=event.until))


def _on_call_lost(run: Run, event: e.CallLost, at: int) -> Run:
    progress = run.calls[event.call_id]
    return _with_call(
        run,
        replace(progress, state=CallState.LOST, doubt=True, not_before=event.until, message=event.message),
    )


def _on_call_finished(run: Run, event: e.CallFinished, at: int) -> Run:
    return _with_call(
        run,
        replace(
            run.calls[event.call_id],
            state=_ENDED_AS[event.outcome],
            output=event.output,
            reason=event.reason,
            message=event.message,
        ),
    )


def _on_step_finished(run: Run, event: e.StepFinished, at: int) -> Run:
    step = replace(
        run.steps[event.step_id],
        outcome=event.outcome,
        finished_at=at,
        text=event.text,
        reason=event.reason,
    )
    return _with_step(replace(run, finished=(*run.finished, event.step_id)), step)


def _on_approval_requested(run: Run, event: e.ApprovalRequested, at: int) -> Run:
    approval = ApprovalProgress(event, run.sequence + 1, at, open=run.cancel is None)
    run = replace(run, approvals={**run.approvals, event.approval_id: approval})
    if waits := _STATES_ASKED.get(event.kind):
        for call in event.calls:
            run = _with_call(run, replace(run.calls[call.id], state=waits))
    return run


def _on_approval_resolved(run: Run, event: e.ApprovalResolved, at: int) -> Run:
    approval = run.approvals[event.approval_id]
    if not approval.open:
        raise IllegalMove(f"approval {event.approval_id} is closed")
    closed = replace(approval, open=False, resolution=event, resolved_at=at)
    run = replace(run, approvals={**run.approvals, event.approval_id: closed})
    request = approval.request
    for call in request.calls:
        progress = run.calls[call.id]
        if request.question is None:
            after = apply_decision(progress, event)
        else:
            after = apply_answer(progress, request, event)
        run = _with_call(run, after)
    return run


def _on_auth_requested(run: Run, event: e.AuthRequested, at: int) -> Run:
    for call_id in event.call_ids:
        run = _with_call(run, replace(run.calls[call_id], state=CallState.UNAUTHORIZED))
    return replace(run, authorizations={**run.authorizations, event.authorization_id: event})


def _on_auth_resolved(run: Run, event: e.AuthResolved, at: int) -> Run:
    waiting = dict(run.authorizations)
    request = waiting.pop(event.authorization_id)
    run = replace(run, authorizations=waiting)
    reason = Reason.AUTHORIZATION_EXPIRED if event.expired else Reason.AUTHORIZATION_REFUSED
    for call_id in request.call_ids:
        progress = run.calls[call_id]
        if event.granted:
            pages = (*progress.pages, request.url) if request.url else progress.pages
            ready = replace(progress, state=sendable_state(progress), pages=pages, resume=request.resume)
            run = _with_call(run, ready)
        else:
            run = _with_call(run, give_up(progress, reason, CallState.FAILED))
    return run


def _on_cancel_requested(run: Run, event: e.CancelRequested, at: int) -> Run:
    return replace(_close_approvals(run), cancel=event, authorizations={})


def _keep(run: Run, event: e.AnyEvent, at: int) -> Run:
    return run


def _on_result_made(run: Run, event: e.ResultMade, at: int) -> Run:
    return replace(run, result=event.result)


def _on_error_raised(run: Run, event: e.ErrorRaised, at: int) -> Run:
    return replace(run, error=event)


def _with_step(run: Run, step: StepProgress) -> Run:
    return replace(run, steps={**run.steps, step.step.id: step})


def _with_call(run: Run, call: CallProgress) -> Run:
    return replace(run, calls={**run.calls, call.call.id: call})


_FOLDS: Final[Mapping[type, Callable[[Run, Any, int], Run]]] = {
    e.RunCreated: _on_run_created,
    e.Claimed: _on_claimed,
    e.StatusChanged: _on_status_changed,
    e.PlanMade: _on_plan_made,
    e.PlanRefused: _on_plan_refused,
    e.StepStarted: _on_step_started,
    e.CallsProposed: _on_calls_proposed,
    e.CallStarted: _on_call_started,
    e.CallAbandoned: _on_call_abandoned,
    e.CallDelayed: _on_call_delayed,
    e.CallLost: _on_call_lost,
    e.CallFinished: _on_call_finished,
    e.StepFinished: _on_step_finished,
    e.ApprovalRequested: _on_approval_requested,
    e.ApprovalResolved: _on_approval_resolved,
    e.AuthRequested: _on_auth_requested,
    e.AuthResolved: _on_auth_resolved,
    e.CancelRequested: _on_cancel_requested,
    e.Noted: _keep,
    e.ResultMade: _on_result_made,
    e.ErrorRaised: _on_error_raised,
}
