"""The state of a run, the table of status moves, and the status that follows from the state."""

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

RULES_VERSION: Final = 1  # of the fold and of `next_effects`; stored with each run

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
    """What is known of a call, and what it waits for."""

    PROPOSED = "proposed"  # waits for an approval before anything else
    READY = "ready"  # may be sent, not before `not_before`
    SENT = "sent"  # in flight, under the run's epoch
    LOST = "lost"  # an attempt was sent and its outcome is unknown; not sent again before `not_before`
    DOUBTED = "doubted"  # lost, and a person is asked (IN_DOUBT)
    UNAUTHORIZED = "unauthorized"  # waits for the user's authorization
    ASKED = "asked"  # waits for a person's answer to a question of the service (INPUT)
    DONE = "done"  # ended: it had its effect
    FAILED = "failed"  # ended: it had no effect, or a person counted it as failed
    DENIED = "denied"  # ended: a person denied it
    UNKNOWN = "unknown"  # ended, and its effect is not known


ENDED: Final = frozenset({CallState.DONE, CallState.FAILED, CallState.DENIED, CallState.UNKNOWN})


class CallProgress(Struct, frozen=True):
    """One call, and how far it is."""

    call: e.Call
    state: CallState
    attempts: int = 0  # sent since the count last began (`CallStarted.attempt`)
    sent_at: int = 0  # when the first attempt was stored, which starts the key's life; 0: never sent
    not_before: int = 0  # when the next attempt may be made; 0: at once
    doubt: bool = False  # an earlier attempt may have had its effect
    output: Document | None = None  # where it is DONE
    reason: Reason | None = None  # why it ended, or is not sent again
    message: str = ""  # why it ended, or why its outcome is unknown
    pages: tuple[str, ...] = ()  # of the service's, where the user has done what this call needs
    inputs: tuple[Input, ...] = ()  # people's answers to the service's questions, in order
    resume: str = ""  # sent back to the service with the last page or answer; only the toolbox reads it


class StepProgress(Struct, frozen=True):
    """One step, and how far it is."""

    step: Step
    started: bool = False
    calls: tuple[str, ...] = ()  # ids of its calls, in the plan's order; none until they are proposed
    outcome: Outcome | None = None  # None until it ends
    finished_at: int = 0  # 0 until it ends
    text: str = ""  # of its StepFinished
    reason: Reason | None = None  # why it is not DONE


class ApprovalProgress(Struct, frozen=True):
    """An approval and, once there is one, its decision."""

    request: e.ApprovalRequested
    sequence: int  # of the request in the log
    requested_at: int
    open: bool = True  # until it is decided or expires, or its run is cancelled or ends
    resolution: e.ApprovalResolved | None = None  # None: neither decided nor expired
    resolved_at: int = 0  # 0: neither decided nor expired


class Run(Struct, frozen=True):
    """The state of a run: the fold of its events. Times are milliseconds since 1970, UTC."""

    sequence: int = 0  # of its last event; 0: the run before its first event
    status: RunStatus = RunStatus.QUEUED
    announced: RunStatus | None = None  # the status that its log announced last
    created_at: int = 0
    updated_at: int = 0  # time of its last event
    user_id: str = ""  # from here to `rules_version` as in RunCreated
    strategy: Strategy = Strategy.NONE
    plan_id: str = ""  # PlanMade's, once it has a plan
    repeat_of: str = ""
    traceparent: str = ""
    passed: tuple[str, ...] = ()
    rules_version: int = RULES_VERSION
    epoch: int = 0  # of the last claim; 0: never claimed
    plan: Plan | None = None
    plan_hash: str = ""
    refusal: e.PlanRefused | None = None  # why it has no plan
    steps: Mapping[str, StepProgress] = {}  # by id, in the plan's order
    finished: tuple[str, ...] = ()  # ids of the steps that ended, in that order
    calls: Mapping[str, CallProgress] = {}  # by id, in the order in which they were proposed
    approvals: Mapping[str, ApprovalProgress] = {}  # by id, in the order in which they were requested
    authorizations: Mapping[str, e.AuthRequested] = {}  # by id; the open ones
    cancel: e.CancelRequested | None = None  # set from the moment it is cancelled
    result: Document | None = None
    error: e.ErrorRaised | None = None

    @property
    def ended(self) -> bool:
        """Whether its status is final; then its log never changes again."""
        return self.status in FINAL

    def steps_calls(self, step_id: str) -> list[CallProgress]:
        """The calls of a step, in the plan's order; none until they are proposed."""
        return [self.calls[call_id] for call_id in self.steps[step_id].calls]

    def open_approvals(self) -> list[ApprovalProgress]:
        return [approval for approval in self.approvals.values() if approval.open]


def derive_status(run: Run) -> RunStatus:
    """The status of a run that has not ended: RUNNING while anything is being done or can be."""
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
