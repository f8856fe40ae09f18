"""A run as its log tells it: the state, the table of moves, and the status that follows from both."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from . import events as e
from .errors import Reason
from .events import Document, Outcome, RunStatus, Strategy
from .plan import Plan, Step
from .question import Input

RULES_VERSION: Final = 1

_WAITING = frozenset({RunStatus.RUNNING, RunStatus.AUTH_REQUIRED, RunStatus.PAUSED})
FINAL: Final = frozenset(
    {
        RunStatus.SUCCESS,
        RunStatus.PARTIAL_SUCCESS,
        RunStatus.NO_SUCCESS,
        RunStatus.FAILED,
        RunStatus.CANCELED,
    }
)
MOVES: Final[Mapping[RunStatus, frozenset[RunStatus]]] = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.CANCELED, RunStatus.FAILED}),
    RunStatus.RUNNING: _WAITING | FINAL,
    RunStatus.AUTH_REQUIRED: _WAITING | {RunStatus.CANCELED, RunStatus.FAILED},
    RunStatus.PAUSED: _WAITING | {RunStatus.CANCELED, RunStatus.FAILED},
    **{status: frozenset() for status in FINAL},
}


class CallState(StrEnum):
    PROPOSED = "proposed"  # needs an approval before anything else
    READY = "ready"  # may be sent, not before `not_before`
    SENT = "sent"  # on its way, under the run's epoch
    LOST = "lost"  # sent, and nobody knows what it did
    DOUBTED = "doubted"  # lost, and a person was asked
    UNAUTHORIZED = "unauthorized"  # waits for the user's authorization
    ASKED = "asked"  # the service wants to know something first, and a person was asked
    DONE = "done"
    FAILED = "failed"
    DENIED = "denied"
    UNKNOWN = "unknown"  # ended without anybody knowing what it did


ENDED: Final = frozenset({CallState.DONE, CallState.FAILED, CallState.DENIED, CallState.UNKNOWN})


class CallProgress(Struct, frozen=True):
    """How far one call is."""

    call: e.Call
    state: CallState
    attempts: int = 0
    sent_at: int = 0  # when the first attempt was stored; its key's life begins here
    not_before: int = 0
    doubt: bool = False  # an earlier attempt may have had its effect
    output: Document | None = None
    reason: Reason | None = None  # why it ended, or is not sent again
    message: str = ""
    pages: tuple[str, ...] = ()  # the service's, at which the user has done what this call needs
    inputs: tuple[Input, ...] = ()  # what people answered to what the service asked, in order
    resume: str = ""  # what the service wants back with the last of both; only the toolbox reads it


class StepProgress(Struct, frozen=True):
    """How far one step is. `calls` are the ids of its calls, in order."""

    step: Step
    started: bool = False
    calls: tuple[str, ...] = ()
    outcome: Outcome | None = None
    finished_at: int = 0
    text: str = ""
    reason: Reason | None = None


class ApprovalProgress(Struct, frozen=True):
    """An approval and, once there is one, its decision. `open` until decided, expired or closed."""

    request: e.ApprovalRequested
    sequence: int
    requested_at: int
    open: bool = True
    resolution: e.ApprovalResolved | None = None
    resolved_at: int = 0


class Run(Struct, frozen=True):
    """Everything the log says of a run. `sequence` 0 is the run before its first event."""

    sequence: int = 0
    status: RunStatus = RunStatus.QUEUED
    announced: RunStatus | None = None
    created_at: int = 0
    updated_at: int = 0
    user_id: str = ""
    strategy: Strategy = Strategy.NONE
    plan_id: str = ""
    repeat_of: str = ""
    traceparent: str = ""
    passed: tuple[str, ...] = ()  # integrations for which credentials came with the run
    rules_version: int = RULES_VERSION
    epoch: int = 0
    plan: Plan | None = None
    plan_hash: str = ""
    refusal: e.PlanRefused | None = None
    steps: Mapping[str, StepProgress] = {}
    finished: tuple[str, ...] = ()  # step ids in the order they ended
    calls: Mapping[str, CallProgress] = {}
    approvals: Mapping[str, ApprovalProgress] = {}
    authorizations: Mapping[str, e.AuthRequested] = {}  # the open ones
    cancel: e.CancelRequested | None = None
    result: Document | None = None
    error: e.ErrorRaised | None = None

    @property
    def ended(self) -> bool:
        return self.status in FINAL

    def steps_calls(self, step_id: str) -> list[CallProgress]:
        return [self.calls[call_id] for call_id in self.steps[step_id].calls]

    def open_approvals(self) -> list[ApprovalProgress]:
        return [approval for approval in self.approvals.values() if approval.open]


def standing(run: Run) -> RunStatus:
    """The status an unfinished run has: RUNNING while anything is being done or can be."""
    if run.epoch == 0:
        return RunStatus.QUEUED
    if run.cancel is not None or _can_move(run):
        return RunStatus.RUNNING
    if run.authorizations:
        return RunStatus.AUTH_REQUIRED
    if any(approval.open for approval in run.approvals.values()):
        return RunStatus.PAUSED
    return RunStatus.RUNNING


_AWAITED: Final = frozenset({CallState.DOUBTED, CallState.UNAUTHORIZED, CallState.ASKED})


def _can_move(run: Run) -> bool:
    if run.plan is None:
        return True
    asked = {call.id for a in run.approvals.values() if a.open for call in a.request.calls}
    plan_asked = any(a.open and a.request.kind is e.ApprovalKind.PLAN for a in run.approvals.values())
    if plan_asked:
        return False
    return any(_step_can_move(run, progress, asked) for progress in run.steps.values())


def _step_can_move(run: Run, progress: StepProgress, asked: set[str]) -> bool:
    if progress.outcome is not None:
        return False
    if not progress.started:
        outcomes = [run.steps[d].outcome for d in progress.step.depends_on]
        failed = any(outcome not in {None, Outcome.DONE} for outcome in outcomes)
        return failed or all(outcome is Outcome.DONE for outcome in outcomes)
    waiting = [
        c.state in _AWAITED or (c.state is CallState.PROPOSED and c.call.id in asked)
        for c in (run.calls[call_id] for call_id in progress.calls)
        if c.state not in ENDED
    ]
    return not waiting or not all(waiting)
