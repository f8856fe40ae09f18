"""What the result of an attempt means for its call: done, failed, to be tried again, or in doubt."""

from __future__ import annotations

from msgspec import Struct

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
    draft: Draft, *, steps: StepRunner, environment: Environment, call_id: str, result: CallResult
) -> None:
    """Add what the result means. Adds nothing if the call no longer waits for it."""
    progress = draft.run.calls[call_id]
    if progress.state is CallState.SENT:
        _Recorder(draft, steps, environment, progress).record(result)


class _Recorder(Struct, frozen=True):
    """Adds the result of one attempt to a draft. `progress` is the call as it was sent."""

    draft: Draft
    steps: StepRunner
    environment: Environment
    progress: CallProgress

    def record(self, result: CallResult) -> None:
        match result:
            case CallSucceeded():
                self._succeed(result.output)
            case CallOutcomeUnknown():
                self._lose(result.message, self.draft.now + self._backoff(result.retry_after))
            case CallFailed():
                self._fail(result)
            case AuthorizationRequired():
                self._ask_authorization(result)
            case InputRequired():
                self._ask_input(result)

    def _succeed(self, output: bytes) -> None:
        call = self.progress.call
        self.draft.add(
            CallFinished(
                call_id=call.id,
                step_id=call.step_id,
                outcome=Outcome.DONE,
                output=documents.keep(self.draft, output),
            )
        )

    def _lose(self, message: str, until: int) -> None:
        call = self.progress.call
        self.draft.add(CallLost(call_id=call.id, step_id=call.step_id, until=until, message=message))

    def _fail(self, result: CallFailed) -> None:
        progress = self.progress
        if progress.doubt and progress.call.method == "DELETE" and result.status in _GONE:
            self._succeed(b"null")  # an earlier attempt deleted it
        elif self._may_try_again(result):
            self._delay(result)
        elif progress.doubt and not self._settles_earlier_attempts(result):
            self._doubt(result)
        else:
            self.draft.add(
                CallFinished(
                    call_id=progress.call.id,
                    step_id=progress.call.step_id,
                    outcome=Outcome.FAILED,
                    reason=result.reason,
                    message=result.message,
                )
            )

    def _ask_authorization(self, result: AuthorizationRequired) -> None:
        if result.url and len(self.progress.pages) >= MAX_PAGES:
            message = f"the service asks without end: {MAX_PAGES} pages were done, and then {result.message}"
            self._fail(CallFailed(reason=Reason.SERVICE_REFUSED, message=message))
        elif self.draft.run.cancel is None:
            self.draft.add(self.steps.authorization(self.draft, self.progress.call, result))
        else:  # behind a cancellation no person is asked
            self._fail(CallFailed(reason=Reason.AUTHORIZATION_REFUSED, message=result.message))

    def _ask_input(self, result: InputRequired) -> None:
        asked = result.question.message
        if len(self.progress.inputs) >= MAX_QUESTIONS:
            message = (
                f"the service asks without end: {MAX_QUESTIONS} questions were answered, and then: {asked}"
            )
            self._fail(CallFailed(reason=Reason.SERVICE_REFUSED, message=message))
        elif self.draft.run.cancel is None:
            self.steps.ask_input(self.draft, self.progress.call, result)
        else:  # behind a cancellation no person is asked
            self._fail(CallFailed(reason=Reason.SERVICE_REFUSED, message=f"the service asked: {asked}"))

    def _may_try_again(self, result: CallFailed) -> bool:
        progress = self.progress
        if progress.attempts >= MAX_ATTEMPTS:
            return False
        in_progress = result.status == _CONFLICT and progress.doubt and progress.call.repeat is Repeat.KEYED
        return result.transient or in_progress

    def _settles_earlier_attempts(self, result: CallFailed) -> bool:
        """Whether this refusal also settles the earlier attempt whose result was lost."""
        if is_harmless(self.progress):
            return True
        # A service that honours keys answers a repeated key for the first attempt; but one that is still
        # at it says so with a conflict, and that is no answer.
        final = result.status > 0 and result.status != _CONFLICT and not result.transient
        return self.progress.call.repeat is Repeat.KEYED and final

    def _delay(self, result: CallFailed) -> None:
        call = self.progress.call
        wait = self._backoff(result.retry_after)
        limited = result.reason is Reason.SERVICE_RATE_LIMITED
        why = "the service's rate limit was reached" if limited else result.message.rstrip(".")
        self.draft.add(
            CallDelayed(
                call_id=call.id,
                step_id=call.step_id,
                until=self.draft.now + wait,
                text=f"{call.title or call.tool.name} waits {wait / 1_000:.1f} s: {why}.",
            )
        )

    def _doubt(self, result: CallFailed) -> None:
        call = self.progress.call
        self._lose(f"an attempt was lost, and the next one failed: {result.message}", self.draft.now)
        # Behind a cancellation no person is asked: its report says what is uncertain.
        if self.draft.run.cancel is None:
            self.steps.ask(self.draft, AskApproval(ApprovalKind.IN_DOUBT, call.step_id, (call.id,)))

    def _backoff(self, retry_after: float | None) -> int:
        """Milliseconds until the next attempt."""
        return backoff(self.progress.attempts, jitter=self.environment.jitter(), retry_after=retry_after)
