"""What an attempt's answer means for its call: done, failed, to be tried again, or in doubt."""

from __future__ import annotations

from ..domain.draft import Draft
from ..domain.effects import AskApproval
from ..domain.errors import Reason
from ..domain.events import ApprovalKind, CallDelayed, CallFinished, CallLost, Outcome
from ..domain.policy import MAX_ATTEMPTS, MAX_PAGES, MAX_QUESTIONS, backoff, is_harmless
from ..domain.run import CallProgress, CallState
from ..domain.tool import Repeat
from ..environment import Environment
from ..ports import (
    AuthorizationRequired,
    CallFailed,
    CallOutcomeUnknown,
    CallResult,
    CallSucceeded,
    InputRequired,
)
from . import documents
from .step import StepRunner

_GONE = frozenset({404, 410})
_CONFLICT = 409


def record(
    draft: Draft, steps: StepRunner, environment: Environment, call_id: str, answer: CallResult
) -> None:
    """Add what the answer means. Nothing, where the call is no longer waiting for it."""
    progress = draft.run.calls[call_id]
    if progress.state is not CallState.SENT:
        return
    match answer:
        case CallSucceeded():
            _done(draft, progress, answer.output)
        case CallOutcomeUnknown():
            _lost(draft, environment, progress, answer)
        case CallFailed():
            _failed(draft, steps, environment, progress, answer)
        case AuthorizationRequired():
            _unauthorized(draft, steps, environment, progress, answer)
        case InputRequired():
            _asked(draft, steps, environment, progress, answer)


def _done(draft: Draft, progress: CallProgress, output: bytes) -> None:
    draft.add(
        CallFinished(
            call_id=progress.call.id,
            step_id=progress.call.step_id,
            outcome=Outcome.DONE,
            output=documents.keep(draft, output),
        )
    )


def _lost(draft: Draft, environment: Environment, progress: CallProgress, answer: CallOutcomeUnknown) -> None:
    wait = backoff(progress.attempts, jitter=environment.jitter(), retry_after=answer.retry_after)
    draft.add(
        CallLost(
            call_id=progress.call.id,
            step_id=progress.call.step_id,
            until=draft.now + wait,
            message=answer.message,
        )
    )


def _failed(
    draft: Draft, steps: StepRunner, environment: Environment, progress: CallProgress, answer: CallFailed
) -> None:
    if progress.doubt and progress.call.method == "DELETE" and answer.status in _GONE:
        _done(draft, progress, b"null")  # an earlier attempt deleted it
    elif _may_try_again(progress, answer):
        _delay(draft, environment, progress, answer)
    elif progress.doubt and not _speaks_for_all(progress, answer):
        _doubt(draft, steps, progress, answer)
    else:
        draft.add(
            CallFinished(
                call_id=progress.call.id,
                step_id=progress.call.step_id,
                outcome=Outcome.FAILED,
                reason=answer.reason,
                message=answer.message,
            )
        )


def _unauthorized(
    draft: Draft,
    steps: StepRunner,
    environment: Environment,
    progress: CallProgress,
    answer: AuthorizationRequired,
) -> None:
    if answer.url and len(progress.pages) >= MAX_PAGES:
        message = f"the service asks without end: {MAX_PAGES} pages were done, and then {answer.message}"
        _failed(
            draft, steps, environment, progress, CallFailed(reason=Reason.SERVICE_REFUSED, message=message)
        )
    elif draft.run.cancel is None:
        draft.add(steps.authorization(draft, progress.call, answer))
    else:  # nobody is asked behind a cancellation
        refused = CallFailed(reason=Reason.AUTHORIZATION_REFUSED, message=answer.message)
        _failed(draft, steps, environment, progress, refused)


def _asked(
    draft: Draft, steps: StepRunner, environment: Environment, progress: CallProgress, answer: InputRequired
) -> None:
    asked = answer.question.message
    if len(progress.inputs) >= MAX_QUESTIONS:
        message = f"the service asks without end: {MAX_QUESTIONS} questions were answered, and then: {asked}"
        _failed(
            draft, steps, environment, progress, CallFailed(reason=Reason.SERVICE_REFUSED, message=message)
        )
    elif draft.run.cancel is None:
        steps.ask_input(draft, progress.call, answer)
    else:  # nobody is asked behind a cancellation
        refused = CallFailed(reason=Reason.SERVICE_REFUSED, message=f"the service asked: {asked}")
        _failed(draft, steps, environment, progress, refused)


def _may_try_again(progress: CallProgress, answer: CallFailed) -> bool:
    if progress.attempts >= MAX_ATTEMPTS:
        return False
    in_progress = answer.status == _CONFLICT and progress.doubt and progress.call.repeat is Repeat.KEYED
    return answer.transient or in_progress


def _speaks_for_all(progress: CallProgress, answer: CallFailed) -> bool:
    """Whether this refusal also settles the earlier attempt whose answer was lost."""
    if is_harmless(progress):
        return True
    # A service that honours keys answers a repeated key for the first attempt; but one that is still
    # at it says so with a conflict, and that is no answer.
    final = answer.status > 0 and answer.status != _CONFLICT and not answer.transient
    return progress.call.repeat is Repeat.KEYED and final


def _delay(draft: Draft, environment: Environment, progress: CallProgress, answer: CallFailed) -> None:
    wait = backoff(progress.attempts, jitter=environment.jitter(), retry_after=answer.retry_after)
    title = progress.call.title or progress.call.tool.name
    limited = answer.reason is Reason.SERVICE_RATE_LIMITED
    why = "the service's rate limit was reached" if limited else answer.message.rstrip(".")
    draft.add(
        CallDelayed(
            call_id=progress.call.id,
            step_id=progress.call.step_id,
            until=draft.now + wait,
            text=f"{title} waits {wait / 1_000:.1f} s: {why}.",
        )
    )


def _doubt(draft: Draft, steps: StepRunner, progress: CallProgress, answer: CallFailed) -> None:
    call = progress.call
    message = f"an attempt was lost, and the next one failed: {answer.message}"
    draft.add(CallLost(call_id=call.id, step_id=call.step_id, until=draft.now, message=message))
    if draft.run.cancel is not None:
        return  # nobody is asked behind a cancellation; its report says what is uncertain
    steps.ask(draft, AskApproval(ApprovalKind.IN_DOUBT, call.step_id, (call.id,)))
