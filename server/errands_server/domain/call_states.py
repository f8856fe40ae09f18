"""What becomes of one call: by a crash, by an attempt without effect, and by what people say."""

from __future__ import annotations

from msgspec.structs import replace

from . import events as e
from .errors import Reason
from .events import Decision
from .question import Input
from .run import CallProgress, CallState
from .tool import Effect


def orphaned(progress: CallProgress) -> CallProgress:
    """The call after another process took its run over."""
    if progress.state is not CallState.SENT:
        return progress
    # A crash says nothing about the service, so attempts count from zero again.
    message = "the process that sent the call ended before its answer was stored"
    return replace(progress, state=CallState.LOST, doubt=True, attempts=0, message=message)


def unsent(progress: CallProgress) -> CallState:
    """An attempt without effect says nothing about an earlier one whose answer was lost."""
    return CallState.LOST if progress.doubt else CallState.READY


def decided(progress: CallProgress, event: e.ApprovalResolved) -> CallProgress:
    """The call after a person decided about it."""
    match event.decision:
        case Decision.APPROVE:
            return replace(progress, state=CallState.READY)
        case Decision.DENY:
            return replace(progress, state=CallState.DENIED, reason=Reason.APPROVAL_DENIED)
        case Decision.RETRY:
            # A person answers for the second effect; the attempt counts from one again.
            return replace(
                progress, state=CallState.READY, attempts=0, not_before=0, doubt=False, reason=None
            )
        case Decision.DONE:
            return replace(progress, state=CallState.DONE, output=event.output, reason=None)
        case Decision.FAIL:
            return replace(progress, state=CallState.FAILED, reason=Reason.OUTCOME_UNKNOWN)


def answered(progress: CallProgress, request: e.ApprovalRequested, event: e.ApprovalResolved) -> CallProgress:
    """The call after a person answered what its service asked, or would not."""
    if event.decision is not Decision.APPROVE:
        return given_up(progress, Reason.APPROVAL_DENIED, CallState.DENIED)
    assert request.question is not None  # noqa: S101 (an INPUT has one)
    given = Input(asked=request.question.digest, values=event.input or {})
    # The service was asked and answered: what comes now is a first attempt again.
    return replace(
        progress,
        state=unsent(progress),
        attempts=0,
        sent_at=progress.sent_at if progress.doubt else 0,
        inputs=(*progress.inputs, given),
        resume=request.resume,
    )


def given_up(progress: CallProgress, reason: Reason, otherwise: CallState) -> CallProgress:
    """The call, which is not sent again: a person looks at what an earlier attempt may have done."""
    lost = progress.doubt and progress.call.effect is Effect.WRITE
    return replace(progress, state=CallState.LOST if lost else otherwise, reason=reason)
