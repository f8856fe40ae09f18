"""Maps domain errors to the wire: one table of codes, and one google.rpc.Status for each error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from ..domain.errors import Conflict, Exhausted, Invalid, NotFound, Reason, Refused, Unavailable, Violation

DOMAIN: Final = "errands"
# Clients take 8 KiB of trailing metadata, which has a status twice, encoded.
MAX_MESSAGE: Final = 500  # bytes
MAX_VIOLATIONS: Final = 3_000  # bytes

# The comments of error_reason.proto hold the same table; a test compares them.
CODES: Final[Mapping[Reason, StatusCode]] = {
    Reason.FIELD_INVALID: StatusCode.INVALID_ARGUMENT,
    Reason.CREDENTIALS_MISSING: StatusCode.UNAUTHENTICATED,
    Reason.CREDENTIALS_INVALID: StatusCode.UNAUTHENTICATED,
    Reason.SCOPE_MISSING: StatusCode.PERMISSION_DENIED,
    Reason.RUN_NOT_FOUND: StatusCode.NOT_FOUND,
    Reason.PLAN_NOT_FOUND: StatusCode.NOT_FOUND,
    Reason.APPROVAL_NOT_FOUND: StatusCode.NOT_FOUND,
    Reason.INTEGRATION_NOT_FOUND: StatusCode.NOT_FOUND,
    Reason.KEY_NOT_FOUND: StatusCode.NOT_FOUND,
    Reason.RUN_FINISHED: StatusCode.FAILED_PRECONDITION,
    Reason.RUN_BUSY: StatusCode.ABORTED,
    Reason.RUN_QUEUE_FULL: StatusCode.RESOURCE_EXHAUSTED,
    Reason.TOO_MANY_STREAMS: StatusCode.RESOURCE_EXHAUSTED,
    Reason.RATE_LIMITED: StatusCode.RESOURCE_EXHAUSTED,
    Reason.QUOTA_EXCEEDED: StatusCode.RESOURCE_EXHAUSTED,
    Reason.IDEMPOTENCY_KEY_REUSED: StatusCode.FAILED_PRECONDITION,
    Reason.REQUEST_IN_FLIGHT: StatusCode.ABORTED,
    Reason.CURSOR_AHEAD: StatusCode.OUT_OF_RANGE,
    Reason.TICKET_INVALID: StatusCode.UNAUTHENTICATED,
    Reason.TOKEN_INVALID: StatusCode.INVALID_ARGUMENT,
    Reason.ALREADY_DECIDED: StatusCode.FAILED_PRECONDITION,
    Reason.APPROVAL_CLOSED: StatusCode.FAILED_PRECONDITION,
    Reason.APPROVAL_EXPIRED: StatusCode.FAILED_PRECONDITION,
    Reason.INTEGRATION_NAME_TAKEN: StatusCode.ALREADY_EXISTS,
    Reason.DOCUMENT_INVALID: StatusCode.INVALID_ARGUMENT,
    Reason.DOCUMENT_UNREACHABLE: StatusCode.FAILED_PRECONDITION,
    Reason.CONNECTION_NOT_FOUND: StatusCode.NOT_FOUND,
    Reason.LINK_INVALID: StatusCode.INVALID_ARGUMENT,
    Reason.LINK_EXPIRED: StatusCode.FAILED_PRECONDITION,
    Reason.LINK_USED: StatusCode.FAILED_PRECONDITION,
    Reason.CONNECT_FAILED: StatusCode.FAILED_PRECONDITION,
    Reason.CANNOT_CONNECT: StatusCode.FAILED_PRECONDITION,
    Reason.USER_MISMATCH: StatusCode.PERMISSION_DENIED,
    Reason.SERVER_DRAINING: StatusCode.UNAVAILABLE,
    Reason.STORE_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Reason.COMMIT_UNKNOWN: StatusCode.UNAVAILABLE,
    Reason.DEADLINE_EXCEEDED: StatusCode.DEADLINE_EXCEEDED,
    Reason.INTERNAL: StatusCode.INTERNAL,
    Reason.NO_FITTING_TOOL: StatusCode.NOT_FOUND,
    Reason.ARGUMENT_MISSING: StatusCode.INVALID_ARGUMENT,
    Reason.INTENT_NOT_UNDERSTOOD: StatusCode.INVALID_ARGUMENT,
    Reason.PLAN_INVALID: StatusCode.INTERNAL,
    Reason.PLANNER_FAILED: StatusCode.INTERNAL,
    Reason.ENGINE_FAILED: StatusCode.INTERNAL,
    Reason.APPROVAL_DENIED: StatusCode.ABORTED,
    Reason.CANCELED: StatusCode.CANCELLED,
    Reason.NOTHING_DONE: StatusCode.ABORTED,
    Reason.PARTLY_DONE: StatusCode.ABORTED,
    Reason.AUTHORIZATION_REFUSED: StatusCode.PERMISSION_DENIED,
    Reason.AUTHORIZATION_EXPIRED: StatusCode.DEADLINE_EXCEEDED,
    Reason.OUTCOME_UNKNOWN: StatusCode.UNKNOWN,
    Reason.OUTPUT_MISSING: StatusCode.DATA_LOSS,
    Reason.OUTPUT_TOO_LARGE: StatusCode.RESOURCE_EXHAUSTED,
    Reason.OUTPUT_SCHEMA_MISMATCH: StatusCode.FAILED_PRECONDITION,
    Reason.OUTPUT_INCOMPLETE: StatusCode.FAILED_PRECONDITION,
    Reason.ARGUMENTS_INVALID: StatusCode.INVALID_ARGUMENT,
    Reason.ARGUMENTS_CHANGED: StatusCode.FAILED_PRECONDITION,
    Reason.SECRET_IN_ARGUMENT: StatusCode.INVALID_ARGUMENT,
    Reason.INTEGRATION_INACTIVE: StatusCode.FAILED_PRECONDITION,
    Reason.ADDRESS_FORBIDDEN: StatusCode.PERMISSION_DENIED,
    Reason.SERVICE_UNREACHABLE: StatusCode.UNAVAILABLE,
    Reason.SERVICE_REFUSED: StatusCode.FAILED_PRECONDITION,
    Reason.SERVICE_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Reason.SERVICE_RATE_LIMITED: StatusCode.RESOURCE_EXHAUSTED,
    Reason.DEPENDENCY_FAILED: StatusCode.FAILED_PRECONDITION,
}


def status(error: Refused) -> Status:
    """The error as google.rpc.Status: one ErrorInfo, and the details of its kind (AIP-193)."""
    packed = []
    for message in (_error_info(error), *_details(error)):
        any_message = AnyMessage()
        any_message.Pack(message)
        packed.append(any_message)
    return Status(code=CODES[error.reason].value[0], message=_truncate(error.message), details=packed)


def _error_info(error: Refused) -> details.ErrorInfo:
    metadata = {"scope": error.subject} if error.reason is Reason.SCOPE_MISSING else {}
    return details.ErrorInfo(reason=error.reason.value, domain=DOMAIN, metadata=metadata)


def _details(error: Refused) -> Iterator[Message]:
    message, subject = _truncate(error.message), _truncate(error.subject)
    match error:
        case Invalid(violations=violations):
            yield _bad_request(violations)
        case NotFound():
            kind = error.reason.value.removesuffix("_NOT_FOUND").lower()
            yield details.ResourceInfo(resource_type=kind, resource_name=subject, description=message)
        case Conflict():
            violation = details.PreconditionFailure.Violation(
                type=error.reason.value, subject=subject, description=message
            )
            yield details.PreconditionFailure(violations=[violation])
        case Exhausted():
            quota = details.QuotaFailure.Violation(subject=subject, description=message)
            yield details.QuotaFailure(violations=[quota])
    if isinstance(error, Exhausted | Unavailable) or error.retry_after is not None:
        yield _retry_info(error.retry_after or 1.0)


def _bad_request(violations: Sequence[Violation]) -> details.BadRequest:
    """The violations up to the size limit; the last one says how many more there are."""
    answer = details.BadRequest()
    for index, violation in enumerate(violations):
        description = _truncate(violation.message)
        if index and answer.ByteSize() + len(violation.field) + len(description.encode()) > MAX_VIOLATIONS:
            description = f"is wrong, and so are {len(violations) - index - 1} more"
            answer.field_violations.add(field=violation.field, description=description)
            break
        answer.field_violations.add(field=violation.field, description=description)
    return answer


def _truncate(text: str) -> str:
    """The text, up to the size limit: callers may have put megabytes into it."""
    body = text.encode()
    return text if len(body) <= MAX_MESSAGE else body[:MAX_MESSAGE].decode(errors="ignore") + "…"


def _retry_info(seconds: float) -> details.RetryInfo:
    delay: Any = Duration()
    delay.FromMilliseconds(int(seconds * 1_000))
    return details.RetryInfo(retry_delay=delay)
