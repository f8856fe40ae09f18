"""What callers may ask of a run, decided over its state: each function gives the events that follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .effects import denied, plan_approval
from .errors import Conflict, Reason, Violation
from .errors import Invalid as InvalidRequest
from .events import (
    AnyEvent,
    ApprovalKind,
    ApprovalResolved,
    AuthResolved,
    CancelRequested,
    Decision,
    Document,
    ErrorRaised,
    Outcome,
    ResultMade,
    RunStatus,
    StatusChanged,
)
from .policy import CANCEL_GRACE
from .run import ENDED, ApprovalProgress, CallProgress, CallState, Run

CHOICES: Final = {
    ApprovalKind.PLAN: (Decision.APPROVE, Decision.DENY),
    ApprovalKind.CALLS: (Decision.APPROVE, Decision.DENY),
    ApprovalKind.IN_DOUBT: (Decision.RETRY, Decision.DONE, Decision.FAIL),
    ApprovalKind.INPUT: (Decision.APPROVE, Decision.DENY),
}
_REFUSED: Final = frozenset({Reason.NO_FITTING_TOOL, Reason.ARGUMENT_MISSING})


def cancel(run: Run, *, actor: str, now: int) -> list[AnyEvent]:
    """Stop the run. Where nothing is in flight it ends here and now.

    RUN_FINISHED: it has ended. Asked again, nothing changes.
    """
    if run.ended:
        raise Conflict(Reason.RUN_FINISHED, f"the run has ended with {run.status}")
    if run.cancel is not None:
        return []
    fence = CancelRequested(actor=actor, until=now + CANCEL_GRACE)
    if any(c.state is CallState.SENT for c in run.calls.values()):
        return [fence]
    return [fence, *close_canceled(run)]


def close_canceled(run: Run) -> list[AnyEvent]:
    """The last events of a cancelled run, with what was completed and what is uncertain."""
    completed = tuple(c.call.id for c in run.calls.values() if c.state is CallState.DONE)
    unknown = tuple(c.call.id for c in run.calls.values() if _is_uncertain(c))
    return [
        ErrorRaised(reason=Reason.CANCELED, message="The run was cancelled."),
        StatusChanged(status=RunStatus.CANCELED, completed=completed, unknown=unknown),
    ]


def _is_uncertain(progress: CallProgress) -> bool:
    in_doubt = progress.doubt and progress.state not in ENDED
    return in_doubt or progress.state in {CallState.SENT, CallState.UNKNOWN}


def decide(
    run: Run,
    approval_id: str,
    decision: Decision,
    *,
    actor: str,
    now: int,
    reason: str = "",
    output: Document | None = None,
    values: Mapping[str, Any] | None = None,
) -> list[AnyEvent]:
    """Decide an approval. The same decision again changes nothing. `values` answer an INPUT.

    ALREADY_DECIDED, APPROVAL_EXPIRED, APPROVAL_CLOSED, or a decision that does not fit.
    """
    approval = run.approvals[approval_id]
    if decision not in CHOICES[approval.request.kind]:
        choices = ", ".join(CHOICES[approval.request.kind])
        message = f"{decision} does not fit a {approval.request.kind} approval; choose one of {choices}"
        raise InvalidRequest([Violation("decision", message)])
    if _same_again(approval, decision, values):
        return []
    _check_open(run, approval, now)
    return [
        ApprovalResolved(
            approval_id=approval_id,
            decision=decision,
            actor=actor,
            reason=reason,
            output=output,
            input=values,
        )
    ]


def _same_again(approval: ApprovalProgress, decision: Decision, values: Mapping[str, Any] | None) -> bool:
    done = approval.resolution
    return done is not None and not done.expired and done.decision is decision and done.input == values


def _check_open(run: Run, approval: ApprovalProgress, now: int) -> None:
    if approval.resolution is not None and not approval.resolution.expired:
        raise Conflict(
            Reason.ALREADY_DECIDED,
            f"the approval was decided: {approval.resolution.decision}",
            subject=approval.request.approval_id,
        )
    if approval.resolution is not None or now >= approval.request.expires_at:
        raise Conflict(Reason.APPROVAL_EXPIRED, "the approval has run out; start a new run")
    if run.ended or not approval.open:
        raise Conflict(Reason.APPROVAL_CLOSED, "the run was cancelled or has ended")


def expire(run: Run, now: int) -> list[AnyEvent]:
    """Everything whose time has run out: approvals count as denied, authorizations as refused."""
    events: list[AnyEvent] = []
    for approval in run.open_approvals():
        if approval.request.expires_at <= now:
            doubt = approval.request.kind is ApprovalKind.IN_DOUBT
            events.append(
                ApprovalResolved(
                    approval_id=approval.request.approval_id,
                    decision=Decision.FAIL if doubt else Decision.DENY,
                    actor="expiry",
                    expired=True,
                )
            )
    events += [
        AuthResolved(authorization_id=key, granted=False, expired=True)
        for key, request in run.authorizations.items()
        if request.expires_at <= now
    ]
    return events


def fail(reason: Reason, message: str) -> list[AnyEvent]:
    """The last events of a run that cannot go on."""
    return [ErrorRaised(reason=reason, message=message), StatusChanged(status=RunStatus.FAILED)]


def refused(run: Run) -> list[AnyEvent]:
    """The last events of a run without a plan, or whose plan was denied."""
    if run.refusal is not None:
        status = RunStatus.NO_SUCCESS if run.refusal.reason in _REFUSED else RunStatus.FAILED
        error = ErrorRaised(reason=run.refusal.reason, message=run.refusal.message)
    else:
        status = RunStatus.CANCELED
        error = ErrorRaised(reason=Reason.APPROVAL_DENIED, message="The plan was not approved.")
    return [error, StatusChanged(status=status)]


def needs_result(run: Run) -> bool:
    """Whether concluding this run means to make a result."""
    return run.cancel is None and any(step.outcome is Outcome.DONE for step in run.steps.values())


def conclude(run: Run, result: Document | None, mismatch: str = "") -> list[AnyEvent]:
    """The last events of a run with nothing left to do.

    `result` is the result where `needs_result`; None with the reason in `mismatch` where
    what was made does not fit the output schema.
    """
    if run.cancel is not None:
        return close_canceled(run)
    gate = plan_approval(run)
    if run.refusal is not None or (gate is not None and denied(gate)):
        return refused(run)
    outcomes = [step.outcome for step in run.steps.values()]
    if Outcome.DONE not in outcomes:
        return _nothing_done(run)
    if all(outcome is Outcome.DONE for outcome in outcomes):
        if result is None:
            return fail(Reason.OUTPUT_SCHEMA_MISMATCH, mismatch)
        return [ResultMade(result=result), StatusChanged(status=RunStatus.SUCCESS)]
    return _partly_done(run, result, mismatch)


def _partly_done(run: Run, result: Document | None, mismatch: str) -> list[AnyEvent]:
    last = StatusChanged(status=RunStatus.PARTIAL_SUCCESS)
    if result is None:
        return [ErrorRaised(reason=Reason.OUTPUT_INCOMPLETE, message=mismatch), last]
    error = ErrorRaised(reason=Reason.PARTLY_DONE, message=_undone(run))
    return [ResultMade(result=result), error, last]


def _nothing_done(run: Run) -> list[AnyEvent]:
    reasons = {s.reason for s in run.steps.values() if s.outcome is not Outcome.SKIPPED}
    only = reasons.pop() if len(reasons) == 1 else None
    error = ErrorRaised(reason=only or Reason.NOTHING_DONE, message=_undone(run))
    return [error, StatusChanged(status=RunStatus.NO_SUCCESS)]


def _undone(run: Run) -> str:
    undone = [s for s in run.steps.values() if s.outcome is not Outcome.DONE]
    return " ".join(f"Step {s.step.id} {s.outcome}: {s.text}" for s in undone)[:2_000]
