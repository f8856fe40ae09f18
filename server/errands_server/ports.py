"""The seams of the service: what a planner and a toolbox promise the executor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from .domain.draft import Draft
from .domain.errors import Reason
from .domain.explanation import ClauseRead
from .domain.inputs import Inputs
from .domain.plan import Plan, Step
from .domain.question import Input, Question
from .domain.run import Run
from .domain.tool import Tool, ToolRef


class Candidate(Struct, frozen=True):
    """A tool a run may call, with the integration it belongs to."""

    ref: ToolRef
    integration_name: str
    tool: Tool


class PlannerLimits(Struct, frozen=True, kw_only=True):
    """What one call of a planner may take. The executor enforces it, whatever the planner does."""

    deadline_s: float = 60.0  # seconds from the call to its answer


class Brief(Struct, frozen=True, kw_only=True):
    """Everything a planner may know when it makes a plan."""

    tenant: str = ""
    run_id: str = ""  # empty where nothing is stored: `validate_only`
    intent: str
    context: str
    candidates: Sequence[Candidate]
    now: datetime  # aware; "tomorrow" is relative to it
    explain: bool = False  # whether the account is wanted
    limits: PlannerLimits = PlannerLimits()


class Refusal(Struct, frozen=True):
    """No plan."""

    reason: Reason  # for a program
    message: str  # for a person


class Planned(Struct, frozen=True):
    """A planner's answer to a brief, with its account."""

    outcome: Plan | Refusal
    clauses: tuple[ClauseRead, ...] = ()  # how the intent was read; empty where no account is wanted or kept


class Finding(Struct, frozen=True, kw_only=True):
    """What one step came to, for the conclusion of a run. `output` is decoded JSON."""

    step: Step
    outcome: str
    output: Any


class ResultBrief(Struct, frozen=True, kw_only=True):
    """Everything a planner may know when it makes the result of a run."""

    tenant: str = ""
    run_id: str = ""
    intent: str
    schema: Mapping[str, Any]  # the JSON schema that the result is to fit
    findings: Sequence[Finding]  # in the plan's order
    limits: PlannerLimits = PlannerLimits()


class Planner(Protocol):
    """Turns an intent into a plan, and what was found into a result.

    A call that exceeds `limits` of its brief is cancelled, and its answer dropped. A planner that
    raises fails the run.
    """

    instant: bool
    """Whether it plans within milliseconds and asks no service: then a run is stored with its plan."""

    async def plan(self, brief: Brief) -> Planned:
        """Return a sound plan over the candidates, or why there is none; with the account, if wanted.

        PlanInvalid: the plan that was made is not sound.
        """
        ...

    async def conclude(self, brief: ResultBrief) -> Any:
        """Return a result (decoded JSON) meant to fit the schema. The caller validates it, and asks again."""
        ...


class CallRequest(Struct, frozen=True, kw_only=True):
    """One tool call, ready to be sent."""

    ref: ToolRef
    arguments: Mapping[str, Any]
    idempotency_key: str
    user_id: str
    tenant: str = ""
    run_id: str = ""
    traceparent: str = ""  # W3C Trace Context of whoever asked for the run
    passed: tuple[str, ...] = ()  # integrations for which credentials came with the run
    pages: tuple[str, ...] = ()  # of the service's, at which the user has done what this call needs
    inputs: tuple[Input, ...] = ()  # what people answered to what the service asked, in order
    resume: str = ""  # what the toolbox gave with the last question or page
    challenged: bool = False  # the run waits for the user's access, whatever the description says


class CallSucceeded(Struct, frozen=True, kw_only=True):
    """The service answered that the call succeeded. `output` is JSON text."""

    output: bytes
    status: int = 0


class CallFailed(Struct, frozen=True, kw_only=True):
    """The call certainly had no (further) effect: refused, or never sent.

    `transient` failures may be tried again, not sooner than `retry_after` seconds.
    """

    reason: Reason
    message: str
    status: int = 0
    transient: bool = False
    retry_after: float | None = None
    challenge: str = ""  # how a service that refused the credential wants another (WWW-Authenticate)


class CallOutcomeUnknown(Struct, frozen=True, kw_only=True):
    """The request may have left and its answer is not known."""

    message: str
    retry_after: float | None = None


class AuthorizationRequired(Struct, frozen=True, kw_only=True):
    """The call had no effect, because the user has not (or no longer) authorized it.

    Where it is `lasting`, `missing` says the same until the user has done something about it. Where
    there is a `url`, the service wants the user to do something at this page of its own.
    """

    scopes: tuple[str, ...] = ()  # what the user must grant, where the service says
    message: str
    lasting: bool = False
    url: str = ""
    resume: str = ""  # comes back with the request that is made once that is done


class InputRequired(Struct, frozen=True, kw_only=True):
    """The call goes no further until a person has answered a question, and is made again with the answer."""

    question: Question
    message: str = ""  # what the service said when nobody answered at once
    resume: str = ""  # comes back with the request that is made once it is answered


CallResult: TypeAlias = (
    CallSucceeded | CallFailed | CallOutcomeUnknown | AuthorizationRequired | InputRequired
)


class CredentialSource(StrEnum):
    """Whose account a call is made with. A call takes the first of them that there is."""

    RUN = "run"  # credentials that came with the run
    USER = "user"  # the user's own connection
    SHARED = "shared"  # the integration's account, which serves every user
    NONE = "none"  # the call carries no credential


class Resolved(Struct, frozen=True, kw_only=True):
    """Whose account a call would be made with, and what it still needs, as things are now."""

    source: CredentialSource = CredentialSource.NONE
    missing: AuthorizationRequired | None = None  # what the user must authorize first; None: nothing

    @property
    def shared(self) -> bool:
        """Whether it is one account for every user, which a person should know who approves the call."""
        return self.source is CredentialSource.SHARED


class Toolbox(Protocol):
    """Makes the calls of tools, each with the account that it is to be made with."""

    async def resolve(self, request: CallRequest, *, shared_only: bool = False) -> Resolved:
        """Find the account a call would be made with, and what the user must authorize before.

        Nothing is sent, and no token is renewed.

        Arguments:
            request: the call. It may be one that is only planned, without an idempotency key.
            shared_only: the caller reads nothing but `shared` of the result. Where the integration has
                no shared account, the user's connection is then not read: `source` is NONE and
                `missing` None. Plans and proposals ask this for each of their calls.

        Returns: the account and what is missing. A call with something missing is not to be made.

        Raises: LookupError, if the integration's revision has no such tool; Unavailable, if the store
            cannot be read.
        """
        ...

    async def call(self, request: CallRequest) -> CallResult:
        """Send the call, once, with the account that `resolve` finds.

        Arguments:
            request: the call, with its idempotency key.

        Returns: what is certain about it. Whatever the service does is a result.

        Raises: LookupError, if the integration's revision has no such tool.
        """
        ...


class Engine(Protocol):
    """Executes the runs that are stored under its name, from their creation to their end.

    The log is the truth, and the journal fences executors by epoch: whatever an engine holds in
    memory may be lost at any moment, and `start` goes on from the log.
    """

    @property
    def name(self) -> str:
        """Stored with each run that it executes; it takes no other engine's."""
        ...

    @property
    def active(self) -> int:
        """How many runs are being executed."""
        ...

    @property
    def queued(self) -> int:
        """How many runs wait until one more may be executed."""
        ...

    async def start(self) -> None:
        """Resume the unfinished runs of this name, and look after what becomes due. Called once."""
        ...

    def admit(self, tenant: str) -> AbstractContextManager[None]:
        """Hold a place in the queue while a run of the tenant is stored.

        RUN_QUEUE_FULL: the tenant has as many runs waiting as it may. SERVER_DRAINING.
        """
        ...

    async def begin_creation(self, tenant: str, run_id: str, inputs: Inputs, draft: Draft) -> bool:
        """Add to `draft`, which creates the run, all that is decided before anything leaves the process.

        Returns False, with the draft as it was, where the beginning is decided after the run is stored.
        """
        ...

    def submit(self, tenant: str, run_id: str, run: Run, inputs: Inputs) -> None:
        """Execute a run that was just stored. Called for each commit that creates a run, in order."""
        ...

    def nudge(self, tenant: str, run_id: str) -> None:
        """Take notice that a caller appended to the run's log: a decision, a cancellation, an answer."""
        ...

    async def drain(self, seconds: float) -> None:
        """Begin nothing more; wait so long for calls in flight, then record them as unknown."""
        ...

    def hurry(self) -> None:
        """Record calls in flight as unknown now."""
        ...
