"""The errors of requests, and the reasons of requests and runs, on which a program can branch.

Refused                     the caller's request cannot be carried out
├── Invalid                 fields are wrong; carries every violation
├── Unauthenticated
├── Forbidden
├── NotFound
├── Conflict                the state does not allow it
├── Exhausted               a limit is reached; try again later
└── Unavailable             try again; nothing was changed
RunChanged                  another writer was first; read the run again
CommitUnknown               a commit that may or may not be stored
PlanInvalid                 a planner's plan is not a sound graph
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct


class Reason(StrEnum):
    """Machine-readable reasons. The wire enum `ErrorReason` has the same names and describes each."""

    # Requests.
    FIELD_INVALID = "FIELD_INVALID"
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    SCOPE_MISSING = "SCOPE_MISSING"
    RUN_NOT_FOUND = "RUN_NOT_FOUND"
    PLAN_NOT_FOUND = "PLAN_NOT_FOUND"
    APPROVAL_NOT_FOUND = "APPROVAL_NOT_FOUND"
    INTEGRATION_NOT_FOUND = "INTEGRATION_NOT_FOUND"
    KEY_NOT_FOUND = "KEY_NOT_FOUND"
    RUN_FINISHED = "RUN_FINISHED"
    RUN_QUEUE_FULL = "RUN_QUEUE_FULL"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    REQUEST_IN_FLIGHT = "REQUEST_IN_FLIGHT"
    CURSOR_AHEAD = "CURSOR_AHEAD"
    TICKET_INVALID = "TICKET_INVALID"
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 (a reason, not a secret)
    ALREADY_DECIDED = "ALREADY_DECIDED"
    APPROVAL_CLOSED = "APPROVAL_CLOSED"
    APPROVAL_EXPIRED = "APPROVAL_EXPIRED"
    INTEGRATION_NAME_TAKEN = "INTEGRATION_NAME_TAKEN"
    DOCUMENT_INVALID = "DOCUMENT_INVALID"
    DOCUMENT_UNREACHABLE = "DOCUMENT_UNREACHABLE"
    SERVER_DRAINING = "SERVER_DRAINING"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    COMMIT_UNKNOWN = "COMMIT_UNKNOWN"
    RUN_BUSY = "RUN_BUSY"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    CONNECTION_NOT_FOUND = "CONNECTION_NOT_FOUND"
    LINK_INVALID = "LINK_INVALID"
    LINK_EXPIRED = "LINK_EXPIRED"
    LINK_USED = "LINK_USED"
    CONNECT_FAILED = "CONNECT_FAILED"
    CANNOT_CONNECT = "CANNOT_CONNECT"
    USER_MISMATCH = "USER_MISMATCH"
    RATE_LIMITED = "RATE_LIMITED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    INTERNAL = "INTERNAL"

    # Outcomes of runs, steps and calls.
    NO_FITTING_TOOL = "NO_FITTING_TOOL"
    ARGUMENT_MISSING = "ARGUMENT_MISSING"
    INTENT_NOT_UNDERSTOOD = "INTENT_NOT_UNDERSTOOD"
    PLAN_INVALID = "PLAN_INVALID"
    PLANNER_FAILED = "PLANNER_FAILED"
    ENGINE_FAILED = "ENGINE_FAILED"
    APPROVAL_DENIED = "APPROVAL_DENIED"
    CANCELED = "CANCELED"
    NOTHING_DONE = "NOTHING_DONE"
    PARTLY_DONE = "PARTLY_DONE"
    AUTHORIZATION_REFUSED = "AUTHORIZATION_REFUSED"
    AUTHORIZATION_EXPIRED = "AUTHORIZATION_EXPIRED"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    OUTPUT_MISSING = "OUTPUT_MISSING"
    OUTPUT_TOO_LARGE = "OUTPUT_TOO_LARGE"
    OUTPUT_SCHEMA_MISMATCH = "OUTPUT_SCHEMA_MISMATCH"
    OUTPUT_INCOMPLETE = "OUTPUT_INCOMPLETE"
    ARGUMENTS_INVALID = "ARGUMENTS_INVALID"
    ARGUMENTS_CHANGED = "ARGUMENTS_CHANGED"
    SECRET_IN_ARGUMENT = "SECRET_IN_ARGUMENT"  # noqa: S105 (a reason, not a secret)
    INTEGRATION_INACTIVE = "INTEGRATION_INACTIVE"
    ADDRESS_FORBIDDEN = "ADDRESS_FORBIDDEN"
    SERVICE_UNREACHABLE = "SERVICE_UNREACHABLE"
    SERVICE_REFUSED = "SERVICE_REFUSED"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    SERVICE_RATE_LIMITED = "SERVICE_RATE_LIMITED"
    DEPENDENCY_FAILED = "DEPENDENCY_FAILED"


class Violation(Struct, frozen=True):
    """One wrong field of a request: its path, and what to do about it."""

    field: str
    message: str


class Refused(Exception):
    """A request that is not carried out; nothing was changed.

    `subject` names the resource or limit the reason speaks of, where there is one;
    `retry_after` is in seconds.
    """

    def __init__(
        self, reason: Reason, message: str, *, subject: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.subject = subject
        self.retry_after = retry_after


class Invalid(Refused):
    """Fields are wrong. Carries every violation found, not only the first."""

    def __init__(self, violations: Sequence[Violation], *, reason: Reason = Reason.FIELD_INVALID) -> None:
        text = "; ".join(f"{v.field}: {v.message}" for v in violations)
        super().__init__(reason, text)
        self.violations = tuple(violations)


class Unauthenticated(Refused):
    """No valid credentials."""


class Forbidden(Refused):
    """Valid credentials that do not allow this."""


class NotFound(Refused):
    """No such thing in the caller's tenant."""


class Conflict(Refused):
    """The state of the resource does not allow this request."""


class Exhausted(Refused):
    """A limit is reached; the same request may succeed later."""


class Unavailable(Refused):
    """The service cannot do this now; nothing was changed."""


class RunChanged(Exception):
    """Another writer was first and nothing was written; read the run and decide again."""


class CommitUnknown(Exception):
    """The connection was lost at COMMIT and the log could not be read back: the commit may be stored."""


class PlanInvalid(Exception):
    """A plan that is not a sound graph of steps."""
