"""The state of one call after a takeover, an attempt without effect, a decision or an answer."""

from __future__ import annotations

from msgspec.structs import replace

from . import events as e
from .errors import Reason
from .events import Decision
from .question import Input
from .run import CallProgress, CallState
from .tool import Effect


def orphan(progress: CallProgress) -> CallProgress:
    """Return the call after another process took its run over."""
    if progress.state is not CallState.SENT:
        return progress
    # A crash says nothing about the service, so attempts count from zero again.
    message = "the process that sent the call ended before its answer was stored"
    return replace(progress, state=CallState.LOST, doubt=True, attempts=0, message=message)


def sendable_state(progress: CallProgress) -> CallState:
    """Return the state of a call whose last attempt had no effect: LOST if an earlier one may have had it."""
    return CallState.LOST if progress.doubt else CallState.READY


def apply_decision(progress: CallProgress, event: e.ApprovalResolved) -> CallProgress:
    """Return the call after a decision about it."""
    match event.decision:
        case Decision.APPROVE:
            return replace(progress, state=CallState.READY)
        case Decision.DENY:
            return replace(progress, state=CallState.DENIED, reason=Reason.APPROVAL_DENIED)
        case Decision.RETRY:
            # The person accepts a possible second effect; attempts count from one again.
            return replace(
                progress, state=CallState.READY, attempts=0, not_before=0, doubt=False, reason=None
            )
        case Decision.DONE:
            return replace(progress, state=CallState.DONE, output=event.output, reason=None)
        case Decision.FAIL:
            return replace(progress, state=CallState.FAILED, reason=Reason.OUTCOME_UNKNOWN)


def apply_answer(
    progress: CallProgress, request: e.ApprovalRequested, event: e.ApprovalResolved
) -> CallProgress:
    """Return the call after a person answered its service's question, or refused to."""
    if event.decision is not Decision.APPROVE:
        return give_up(progress, Reason.APPROVAL_DENIED, CallState.DENIED)
    assert request.question is not None  # noqa: S101 (an INPUT has one)
    given = Input(asked=request.question.digest, values=event.input or {})
    # The service did answer, so the next attempt counts as a first one.
    return replace(
        progress,
        state=sendable_state(progress),
        attempts=0,
        sent_at=progress.sent_at if progress.doubt else 0,
        inputs=(*progress.inputs, given),
        resume=request.resume,
    )


def give_up(progress: CallProgress, reason: Reason, otherwise: CallState) -> CallProgress:
    """Return a call that is not sent again: LOST if an earlier attempt may have written, else `otherwise`."""
    lost = progress.doubt and progress.call.effect is Effect.WRITE
    return replace(progress, state=CallState.LOST if lost else otherwise, reason=reason)
