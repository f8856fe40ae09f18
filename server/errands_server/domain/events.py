"""What can happen to a run. A run is the fold of these, in order; nothing else is stored of its course.

Times are milliseconds since the epoch, UTC. Ids and keys are read from the first event
that holds them and never computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from .errors import Reason
from .plan import Plan
from .question import Question
from .tool import Effect, Repeat, ToolRef


class RunStatus(StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    AUTH_REQUIRED = "AUTH_REQUIRED"
    PAUSED = "PAUSED"
    SUCCESS = "SUCCESS"
    PARTIAL_SUCCESS = "PARTIAL_SUCCESS"
    NO_SUCCESS = "NO_SUCCESS"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class Strategy(StrEnum):
    NONE = "NONE"
    ON_START = "ON_START"
    ON_TOOL_CALL = "ON_TOOL_CALL"


class Outcome(StrEnum):
    DONE = "done"
    DENIED = "denied"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class ApprovalKind(StrEnum):
    PLAN = "PLAN"
    CALLS = "CALLS"
    IN_DOUBT = "IN_DOUBT"
    INPUT = "INPUT"


class Decision(StrEnum):
    APPROVE = "APPROVE"
    DENY = "DENY"
    RETRY = "RETRY"
    DONE = "DONE"
    FAIL = "FAIL"


class Document(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A JSON document: its text, or the id of the artifact that holds it."""

    text: str = ""
    artifact: str = ""
    size: int = 0  # bytes of the artifact


class Call(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call of a tool, exactly as it will be made; secrets join it only at dispatch."""

    id: str
    step_id: str
    tool: ToolRef
    integration_name: str = ""
    title: str = ""
    effect: Effect
    repeat: Repeat
    method: str = ""
    origin: str
    path: str = ""
    arguments: Mapping[str, Any]
    key: str  # idempotency key, the same for every attempt
    hash: str  # over everything an approval of this call covers
    shared: bool = False  # acts with the integration's shared account
    planned: bool = False  # the plan, as approved, covers it


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Something that happened. Subclasses are the entries of the log."""


class RunCreated(Event, frozen=True, kw_only=True, tag="run.created"):
    user_id: str
    actor: str
    strategy: Strategy
    plan_id: str
    repeat_of: str = ""
    traceparent: str = ""  # the creating request's (W3C Trace Context), passed on to tools
    passed: tuple[str, ...] = ()  # integrations for which credentials came with the run
    rules_version: int


class Claimed(Event, frozen=True, kw_only=True, tag="claimed"):
    """A process took the run over. Calls sent under an older epoch have unknown outcomes."""

    epoch: int


class StatusChanged(Event, frozen=True, kw_only=True, tag="status"):
    """Announces the status; a final one ends the log."""

    status: RunStatus
    completed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class PlanMade(Event, frozen=True, kw_only=True, tag="plan"):
    plan: Plan
    plan_id: str
    hash: str


class PlanRefused(Event, frozen=True, kw_only=True, tag="plan.refused"):
    plan_id: str
    reason: Reason
    message: str


class StepStarted(Event, frozen=True, kw_only=True, tag="step.started"):
    step_id: str
    text: str


class CallsProposed(Event, frozen=True, kw_only=True, tag="calls.proposed"):
    step_id: str
    calls: tuple[Call, ...]


class CallStarted(Event, frozen=True, kw_only=True, tag="call.started"):
    """The call is about to be sent under `epoch`; stored before a byte of it leaves."""

    call: Call
    epoch: int
    attempt: int


class CallAbandoned(Event, frozen=True, kw_only=True, tag="call.abandoned"):
    """The call was not sent after all; it is as if it had not started."""

    call_id: str
    reason: str


class CallDelayed(Event, frozen=True, kw_only=True, tag="call.delayed"):
    """An attempt certainly had no effect and the next is made at `until`."""

    call_id: str
    step_id: str
    until: int
    text: str


class CallLost(Event, frozen=True, kw_only=True, tag="call.lost"):
    """An attempt may have had its effect; another is made at `until`, where that is safe."""

    call_id: str
    step_id: str
    until: int
    message: str


class CallFinished(Event, frozen=True, kw_only=True, tag="call.finished"):
    call_id: str
    step_id: str
    outcome: Outcome
    output: Document | None = None
    reason: Reason | None = None
    message: str = ""


class StepFinished(Event, frozen=True, kw_only=True, tag="step.completed"):
    step_id: str
    outcome: Outcome
    text: str
    reason: Reason | None = None


class ApprovalRequested(Event, frozen=True, kw_only=True, tag="approval.required"):
    approval_id: str
    user_id: str = ""  # on whose behalf the calls would be made
    kind: ApprovalKind
    step_id: str = ""
    text: str
    calls: tuple[Call, ...] = ()
    preview: tuple[Call, ...] = ()  # of a PLAN: what it would call, arguments as far as they are known
    question: Question | None = None  # of an INPUT
    resume: str = ""  # what the service wants back with the answer; only the toolbox reads it
    hash: str
    expires_at: int


class ApprovalResolved(Event, frozen=True, kw_only=True, tag="approval.resolved"):
    approval_id: str
    decision: Decision
    actor: str
    reason: str = ""
    expired: bool = False
    output: Document | None = None
    input: Mapping[str, Any] | None = None  # the answer to an INPUT


class AuthRequested(Event, frozen=True, kw_only=True, tag="auth.required"):
    authorization_id: str
    integration_id: str
    integration_name: str
    user_id: str
    scopes: tuple[str, ...] = ()
    call_ids: tuple[str, ...]
    expires_at: int
    lasting: bool = False  # what is missing can be looked up: nothing but that it was given ends the wait
    url: str = ""  # a page of the service's own: what is asked for is that the user does something there
    resume: str = ""  # what the service wants back then; only the toolbox reads it


class AuthResolved(Event, frozen=True, kw_only=True, tag="auth.resolved"):
    authorization_id: str
    granted: bool
    expired: bool = False


class CancelRequested(Event, frozen=True, kw_only=True, tag="cancel.requested"):
    """The fence: nothing starts behind it. Calls in flight have until `until`."""

    actor: str
    until: int


class Noted(Event, frozen=True, kw_only=True, tag="note"):
    text: str
    step_id: str = ""


class ResultMade(Event, frozen=True, kw_only=True, tag="result"):
    result: Document


class ErrorRaised(Event, frozen=True, kw_only=True, tag="error"):
    reason: Reason
    message: str


AnyEvent: TypeAlias = (
    RunCreated
    | Claimed
    | StatusChanged
    | PlanMade
    | PlanRefused
    | StepStarted
    | CallsProposed
    | CallStarted
    | CallAbandoned
    | CallDelayed
    | CallLost
    | CallFinished
    | StepFinished
    | ApprovalRequested
    | ApprovalResolved
    | AuthRequested
    | AuthResolved
    | CancelRequested
    | Noted
    | ResultMade
    | ErrorRaised
)


class Record(Struct, frozen=True):
    """An event in its place: gapless `sequence` from 1, and the run's status after it."""

    sequence: int
    at: int
    status: RunStatus
    event: AnyEvent


class UnknownEvent(Exception):
    """A log holds an event this release does not know; the run is left alone."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)

encode = _encoder.encode


def decode(body: bytes | str) -> AnyEvent:
    """The event stored as `body`. UnknownEvent: it was written by a newer release."""
    try:
        event: AnyEvent = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise UnknownEvent(str(error)) from error
    return event
