"""The events of a run's log. A run is the fold of its events; its course is stored nowhere else.

Times (`at`, `until`, `expires_at`) are milliseconds since 1970, UTC. Ids and keys are read from the
first event that holds them and never computed again.
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
    """Where a run is between its creation and its end. `run.MOVES` lists which may follow which."""

    QUEUED = "QUEUED"  # stored; no process has executed it yet
    RUNNING = "RUNNING"  # something is being done, or can be
    AUTH_REQUIRED = "AUTH_REQUIRED"  # waits for the user's authorization
    PAUSED = "PAUSED"  # waits for an approval
    SUCCESS = "SUCCESS"  # final: every step was done
    PARTIAL_SUCCESS = "PARTIAL_SUCCESS"  # final: some steps were done
    NO_SUCCESS = "NO_SUCCESS"  # final: no step was done, or no tool fits the intent
    FAILED = "FAILED"  # final: the engine, the planner or the output schema failed
    CANCELED = "CANCELED"  # final: cancelled, or its plan was denied


class Strategy(StrEnum):
    """Which calls need an approval."""

    NONE = "NONE"  # none
    ON_START = "ON_START"  # the plan as a whole, and each call that it does not cover
    ON_TOOL_CALL = "ON_TOOL_CALL"  # every call


class Outcome(StrEnum):
    """How a call or a step ended."""

    DONE = "done"
    DENIED = "denied"  # by a person
    FAILED = "failed"
    SKIPPED = "skipped"  # steps only: what it depends on was not done, or its output is not known
    UNKNOWN = "unknown"  # calls only: it was sent, and whether it had its effect is not known


class ApprovalKind(StrEnum):
    """What a person is asked about."""

    PLAN = "PLAN"  # the plan, before its first step
    CALLS = "CALLS"  # calls of one step, before they are sent
    IN_DOUBT = "IN_DOUBT"  # one call that was sent and whose outcome is unknown
    INPUT = "INPUT"  # a question of the service that one call is sent to


class Decision(StrEnum):
    """What a person decides. `commands.CHOICES` lists the decisions that fit each kind of approval."""

    APPROVE = "APPROVE"  # PLAN, CALLS: go on; INPUT: go on with the answer
    DENY = "DENY"  # PLAN, CALLS, INPUT: do not go on
    RETRY = "RETRY"  # IN_DOUBT: send the call again
    DONE = "DONE"  # IN_DOUBT: the call had its effect
    FAIL = "FAIL"  # IN_DOUBT: count the call as failed


class Document(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A JSON document: its text, or the id of the artifact that holds it. One of the two is set."""

    text: str = ""  # JSON
    artifact: str = ""  # id of the artifact
    size: int = 0  # bytes of the artifact; 0 where `text` is set


class Call(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call of a tool, exactly as it will be sent. Secrets are added at dispatch and never stored."""

    id: str  # empty in the preview of a plan
    step_id: str
    tool: ToolRef
    integration_name: str = ""
    title: str = ""  # of the tool
    effect: Effect
    repeat: Repeat
    method: str = ""  # HTTP method in upper case; empty where the protocol has none
    origin: str  # scheme://host[:port]
    path: str = ""  # path template; empty where the protocol has none
    arguments: Mapping[str, Any]  # JSON
    key: str  # idempotency key, the same for every attempt
    hash: str  # `approval.call_hash`: everything that an approval of this call covers
    shared: bool = False  # sent with the integration's shared account, not with the user's
    planned: bool = False  # the plan covers it, so that approving the plan approves it


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Something that happened. Each subclass is a kind of entry of the log."""


class RunCreated(Event, frozen=True, kw_only=True, tag="run.created"):
    """The first event of every log."""

    user_id: str  # on whose behalf the run acts
    actor: str  # `key:` and the id of the key that created it
    strategy: Strategy
    plan_id: str  # the repeated run's where the intent is the same; else a new one
    repeat_of: str = ""  # id of the run that it repeats
    traceparent: str = ""  # of the creating request (W3C Trace Context); sent on to tools
    passed: tuple[str, ...] = ()  # ids of integrations for which credentials came with the run
    rules_version: int  # `run.RULES_VERSION` of the release that created it


class Claimed(Event, frozen=True, kw_only=True, tag="claimed"):
    """A process took the run over. Calls sent under an older epoch have unknown outcomes."""

    epoch: int  # the previous one + 1; the first is 1


class StatusChanged(Event, frozen=True, kw_only=True, tag="status"):
    """Announces the status. A final one is the last event of the log."""

    status: RunStatus
    completed: tuple[str, ...] = ()  # CANCELED by a caller: ids of calls that were done
    unknown: tuple[str, ...] = ()  # CANCELED by a caller: ids of calls with unknown outcomes


class PlanMade(Event, frozen=True, kw_only=True, tag="plan"):
    """The run has its plan."""

    plan: Plan
    plan_id: str  # another than RunCreated's where that plan could not be reused
    hash: str  # `approval.plan_hash`


class PlanRefused(Event, frozen=True, kw_only=True, tag="plan.refused"):
    """There is no plan; the run ends."""

    plan_id: str
    reason: Reason
    message: str


class StepStarted(Event, frozen=True, kw_only=True, tag="step.started"):
    """The steps it depends on are done."""

    step_id: str
    text: str  # its description


class CallsProposed(Event, frozen=True, kw_only=True, tag="calls.proposed"):
    """The step's calls, with their arguments filled in; nothing is sent."""

    step_id: str
    calls: tuple[Call, ...]


class CallStarted(Event, frozen=True, kw_only=True, tag="call.started"):
    """The call is about to be sent. Stored before its first byte leaves the process."""

    call: Call
    epoch: int  # of the process that sends it
    attempt: int  # from 1; counts again from 1 after a takeover, a RETRY and an answered question


class CallAbandoned(Event, frozen=True, kw_only=True, tag="call.abandoned"):
    """The call was not sent; the fold takes its start back."""

    call_id: str
    reason: str  # a sentence for people


class CallDelayed(Event, frozen=True, kw_only=True, tag="call.delayed"):
    """The call waits: an attempt certainly had no effect, or a rate limit holds it back."""

    call_id: str
    step_id: str
    until: int  # it is sent at this time or later
    text: str  # a sentence for people


class CallLost(Event, frozen=True, kw_only=True, tag="call.lost"):
    """An attempt may have had its effect, and its answer is not known."""

    call_id: str
    step_id: str
    until: int  # the next attempt, where one is safe, is made at this time or later
    message: str  # why the answer is not known


class CallFinished(Event, frozen=True, kw_only=True, tag="call.finished"):
    """The call ended."""

    call_id: str
    step_id: str
    outcome: Outcome
    output: Document | None = None  # set where it is DONE
    reason: Reason | None = None  # set unless it is DONE
    message: str = ""  # why it is not DONE


class StepFinished(Event, frozen=True, kw_only=True, tag="step.completed"):
    """The step ended."""

    step_id: str
    outcome: Outcome
    text: str  # its description where it is DONE, else why it is not
    reason: Reason | None = None  # set unless it is DONE


class ApprovalRequested(Event, frozen=True, kw_only=True, tag="approval.required"):
    """A person is asked."""

    approval_id: str
    user_id: str = ""  # on whose behalf the calls would be made
    kind: ApprovalKind
    step_id: str = ""  # empty for a PLAN
    text: str  # the question, as a sentence
    calls: tuple[Call, ...] = ()  # the calls it covers; none for a PLAN
    preview: tuple[Call, ...] = ()  # PLAN only: its calls, without ids; a slot shows where it is read from
    question: Question | None = None  # INPUT only
    resume: str = ""  # INPUT only: sent back to the service with the answer; only the toolbox reads it
    hash: str  # PLAN: the plan's; INPUT: `approval.question_hash`; else `approval.calls_hash`
    expires_at: int


class ApprovalResolved(Event, frozen=True, kw_only=True, tag="approval.resolved"):
    """The approval is decided or has expired."""

    approval_id: str
    decision: Decision
    actor: str  # `key:` and a key's id, "link", or "expiry" where `expired`
    reason: str = ""  # the words of the person who decided
    expired: bool = False  # its time ran out: DENY, or FAIL for IN_DOUBT
    output: Document | None = None  # DONE only: the call's output, where the person gave it
    input: Mapping[str, Any] | None = None  # INPUT only: by field, the person's answer


class AuthRequested(Event, frozen=True, kw_only=True, tag="auth.required"):
    """Calls wait until the user grants access or does what the service asks for."""

    authorization_id: str
    integration_id: str
    integration_name: str
    user_id: str
    scopes: tuple[str, ...] = ()  # to grant, where the service names them
    call_ids: tuple[str, ...]  # the calls that wait
    expires_at: int
    lasting: bool = False  # the store shows whether access is missing, so that a look there can end the wait
    url: str = ""  # a page of the service, where the user does what it asks for; empty: access is missing
    resume: str = ""  # sent back to the service after the wait; only the toolbox reads it


class AuthResolved(Event, frozen=True, kw_only=True, tag="auth.resolved"):
    """The wait for the user's authorization has ended."""

    authorization_id: str
    granted: bool  # False: refused or expired
    expired: bool = False


class CancelRequested(Event, frozen=True, kw_only=True, tag="cancel.requested"):
    """The fence: nothing starts behind it."""

    actor: str  # `key:` and the id of the key that cancelled
    until: int  # calls in flight have until this time to end


class Noted(Event, frozen=True, kw_only=True, tag="note"):
    """A sentence for people; it changes nothing."""

    text: str
    step_id: str = ""


class ResultMade(Event, frozen=True, kw_only=True, tag="result"):
    """The result; it fits the output schema where the run has one."""

    result: Document


class ErrorRaised(Event, frozen=True, kw_only=True, tag="error"):
    """Why the run does not end with SUCCESS."""

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
    """One entry of a log: an event with its place and time."""

    sequence: int  # from 1, without gaps
    at: int  # when it was decided
    status: RunStatus  # of the run after this event
    event: AnyEvent


class UnknownEvent(Exception):
    """A log holds an event that this release does not know; the run is not executed."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)

encode = _encoder.encode


def decode(body: bytes | str) -> AnyEvent:
    """Return the event that `body` (JSON) holds. UnknownEvent: a newer release wrote it."""
    try:
        event: AnyEvent = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise UnknownEvent(str(error)) from error
    return event
