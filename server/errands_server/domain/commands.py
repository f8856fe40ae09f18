"""Commands on a run: each function returns the events that follow from the run's state and the command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .effects import is_denied, plan_approval
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
_REFUSED: Final = frozenset({Reason.NO_FITTING_TOOL, Reason.ARGUMENT_MISSING, Reason.INTENT_NOT_UNDERSTOOD})


def cancel(run: Run, *, actor: str, now: int) -> list[AnyEvent]:
    """Cancel the run. It ends at once if no call is in flight; a second cancel changes nothing.

    RUN_FINISHED: it has ended.
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
    """Return the last events of a cancelled run, with the calls that were done and those in doubt."""
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
    """Decide an approval. The same decision again changes nothing.

    `reason` are the person's words; `output` is the call's, for DONE; `values` answer an INPUT.

    Invalid: the decision does not fit the kind of approval. ALREADY_DECIDED: there is another decision.
    APPROVAL_EXPIRED: its time ran out. APPROVAL_CLOSED: the run was cancelled or has ended.
    """
    approval = run.approvals[approval_id]
    if decision not in CHOICES[approval.request.kind]:
        choices = ", ".join(CHOICES[approval.request.kind])
        message = f"{decision} does not fit a {approval.request.kind} approval; choose one of {choices}"
        raise InvalidRequest([Violation("decision", message)])
    if _is_repeated(approval, decision, values):
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


def _is_repeated(approval: ApprovalProgress, decision: Decision, values: Mapping[str, Any] | None) -> bool:
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
    """End every wait whose time ran out: approvals count as denied, authorizations as refused."""
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
    """Return the last events of a run that cannot go on."""
    return [ErrorRaised(reason=reason, message=message), StatusChanged(status=RunStatus.FAILED)]


def close_refused(run: Run) -> list[AnyEvent]:
    """Return the last events of a run without a plan, or whose plan was denied."""
    if run.refusal is not None:
        status = RunStatus.NO_SUCCESS if run.refusal.reason in _REFUSED else RunStatus.FAILED
        error = ErrorRaised(reason=run.refusal.reason, message=run.refusal.message)
    else:
        status = RunStatus.CANCELED
        error = ErrorRaised(reason=Reason.APPROVAL_DENIED, message="The plan was not approved.")
    return [error, StatusChanged(status=status)]


def needs_result(run: Run) -> bool:
    """Whether `conclude` needs a result for this run."""
    return run.cancel is None and any(step.outcome is Outcome.DONE for step in run.steps.values())


def conclude(run: Run, result: Document | None, mismatch: str = "") -> list[AnyEvent]:
    """Return the last events of a run with nothing left to do.

    `result` is the result where `needs_result`. None: the result does not fit the output schema, and
    `mismatch` says why.
    """
    if run.cancel is not None:
        return close_canceled(run)
    gate = plan_approval(run)
    if run.refusal is not None or (gate is not None and is_denied(gate)):
        return close_refused(run)
    outcomes = [step.outcome for step in run.steps.values()]
    if Outcome.DONE not in outcomes:
        return _close_nothing_done(run)
    if all(outcome is Outcome.DONE for outcome in outcomes):
        if result is None:
            return fail(Reason.OUTPUT_SCHEMA_MISMATCH, mismatch)
        return [ResultMade(result=result), StatusChanged(status=RunStatus.SUCCESS)]
    return _close_partly_done(run, result, mismatch)


def _close_partly_done(run: Run, result: Document | None, mismatch: str) -> list[AnyEvent]:
    last = StatusChanged(status=RunStatus.PARTIAL_SUCCESS)
    if result is None:
        return [ErrorRaised(reason=Reason.OUTPUT_INCOMPLETE, message=mismatch), last]
    error = ErrorRaised(reason=Reason.PARTLY_DONE, message=_describe_undone(run))
    return [ResultMade(result=result), error, last]


def _close_nothing_done(run: Run) -> list[AnyEvent]:
    reasons = {s.reason for s in run.steps.values() if s.outcome is not Outcome.SKIPPED}
    only = reasons.pop() if len(reasons) == 1 else None
    error = ErrorRaised(reason=only or Reason.NOTHING_DONE, message=_describe_undone(run))
    return [error, StatusChanged(status=RunStatus.NO_SUCCESS)]


def _describe_undone(run: Run) -> str:
    undone = [s for s in run.steps.values() if s.outcome is not Outcome.DONE]
    return " ".join(f"Step {s.step.id} {s.outcome}: {s.text}" for s in undone)[:2_000]
