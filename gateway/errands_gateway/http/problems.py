"""Errors as callers of HTTP see them: RFC 9457 problems, mapped from gRPC in one table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status
from grpc import StatusCode, aio
from msgspec import Struct, json
from starlette.responses import Response

from ..v1 import field_names

DOMAIN: Final = "errands"
MEDIA_TYPE: Final = "application/problem+json"
_STATUS_DETAILS: Final = "grpc-status-details-bin"

# The comments of error_reason.proto hold the same table; a test compares them.
STATUSES: Final[Mapping[str, int]] = {
    "FIELD_INVALID": 400,
    "CREDENTIALS_MISSING": 401,
    "CREDENTIALS_INVALID": 401,
    "SCOPE_MISSING": 403,
    "RUN_NOT_FOUND": 404,
    "PLAN_NOT_FOUND": 404,
    "APPROVAL_NOT_FOUND": 404,
    "INTEGRATION_NOT_FOUND": 404,
    "KEY_NOT_FOUND": 404,
    "RUN_FINISHED": 409,
    "RUN_BUSY": 409,
    "RUN_QUEUE_FULL": 429,
    "TOO_MANY_STREAMS": 429,
    "RATE_LIMITED": 429,
    "QUOTA_EXCEEDED": 429,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "REQUEST_IN_FLIGHT": 409,
    "CURSOR_AHEAD": 400,
    "TICKET_INVALID": 401,
    "TOKEN_INVALID": 400,
    "ALREADY_DECIDED": 400,
    "APPROVAL_CLOSED": 400,
    "APPROVAL_EXPIRED": 400,
    "INTEGRATION_NAME_TAKEN": 409,
    "DOCUMENT_INVALID": 400,
    "DOCUMENT_UNREACHABLE": 422,
    "SERVER_DRAINING": 503,
    "STORE_UNAVAILABLE": 503,
    "COMMIT_UNKNOWN": 503,
    "DEADLINE_EXCEEDED": 504,
    "INTERNAL": 500,
    "NO_FITTING_TOOL": 404,
    "ARGUMENT_MISSING": 400,
    "PLAN_INVALID": 500,
    "PLANNER_FAILED": 500,
    "ENGINE_FAILED": 500,
    "APPROVAL_DENIED": 409,
    "CANCELED": 409,
    "NOTHING_DONE": 409,
    "PARTLY_DONE": 409,
    "AUTHORIZATION_REFUSED": 403,
    "AUTHORIZATION_EXPIRED": 403,
    "OUTCOME_UNKNOWN": 502,
    "OUTPUT_MISSING": 502,
    "OUTPUT_TOO_LARGE": 502,
    "OUTPUT_SCHEMA_MISMATCH": 422,
    "OUTPUT_INCOMPLETE": 422,
    "ARGUMENTS_INVALID": 400,
    "ARGUMENTS_CHANGED": 409,
    "SECRET_IN_ARGUMENT": 400,
    "INTEGRATION_INACTIVE": 409,
    "ADDRESS_FORBIDDEN": 403,
    "SERVICE_UNREACHABLE": 502,
    "SERVICE_REFUSED": 502,
    "SERVICE_UNAVAILABLE": 502,
    "SERVICE_RATE_LIMITED": 502,
    "DEPENDENCY_FAILED": 409,
    "ROUTE_NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "BODY_TOO_LARGE": 413,
    "BODY_TOO_SLOW": 408,
    "MEDIA_TYPE_UNSUPPORTED": 415,
    "SERVER_UNREACHABLE": 503,
    "FORM_INVALID": 400,
    "CONNECTION_NOT_FOUND": 404,
    "LINK_INVALID": 400,
    "LINK_EXPIRED": 400,
    "LINK_USED": 400,
    "CONNECT_FAILED": 502,
    "CANNOT_CONNECT": 409,
    "USER_MISMATCH": 403,
}
# Errors without a reason come from the channel, not from a server of ours.
_CODES: Final[Mapping[StatusCode, tuple[int, str]]] = {
    StatusCode.UNAVAILABLE: (503, "SERVER_UNREACHABLE"),
    StatusCode.DEADLINE_EXCEEDED: (504, "DEADLINE_EXCEEDED"),
}
_RETRY_AFTER: Final = 1  # seconds, where a 503 does not say


class Violation(Struct, frozen=True):
    """One wrong field of a request: its path in the request, and what to do about it."""

    field: str
    message: str


class Problem(Exception):
    """A request that is answered with a problem. `code` is the name of a gRPC status code."""

    def __init__(
        self,
        status: int,
        code: str,
        reason: str,
        detail: str,
        *,
        errors: Sequence[Violation] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.reason = reason
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def problem(reason: str, code: str, detail: str, **more: Any) -> Problem:
    """A problem the gateway finds by itself."""
    return Problem(STATUSES[reason], code, reason, detail, **more)


def invalid(errors: Sequence[Violation]) -> Problem:
    """Fields are wrong; `errors` holds all of them."""
    detail = "; ".join(f"{error.field}: {error.message}" for error in errors)
    return problem("FIELD_INVALID", "INVALID_ARGUMENT", detail, errors=errors)


def of_call(failure: aio.AioRpcError) -> Problem:
    """What a failed call means to a caller of HTTP: by its reason, or else by its code."""
    found = {type(detail): detail for detail in _details(failure)}
    info = found.get(details.ErrorInfo)
    status, reason = _CODES.get(failure.code(), (500, "INTERNAL"))
    if info is not None:
        reason = info.reason
        status = STATUSES.get(reason, status)
    bad = found.get(details.BadRequest, details.BadRequest())
    errors = [
        Violation(field_names.rest(v.field), field_names.said(v.description)) for v in bad.field_violations
    ]
    detail = "; ".join(f"{error.field}: {error.message}" for error in errors) or _detail(failure, reason)
    problem = Problem(status, failure.code().name, reason, detail, errors=errors)
    problem.headers.update(_retry_after(found.get(details.RetryInfo), status))
    return problem


def _detail(failure: aio.AioRpcError, reason: str) -> str:
    match reason:
        case "SERVER_UNREACHABLE":
            return "the server behind this gateway does not answer; try again"
        case "DEADLINE_EXCEEDED":
            return "the request took longer than this gateway waits; read before trying again"
        case "IDEMPOTENCY_KEY_REUSED" | "REQUEST_IN_FLIGHT" | "COMMIT_UNKNOWN":
            return field_names.said(failure.details() or "").replace("request id", "Idempotency-Key")
        case _:
            return field_names.said(failure.details() or "")


def _retry_after(info: details.RetryInfo | None, status: int) -> Mapping[str, str]:
    if info is not None:
        seconds = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
        return {"Retry-After": str(max(1, math.ceil(seconds)))}
    return {"Retry-After": str(_RETRY_AFTER)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}


def _details(failure: aio.AioRpcError) -> Iterator[Any]:
    metadata = failure.trailing_metadata()
    packed = dict(metadata or ()).get(_STATUS_DETAILS, b"")
    if not isinstance(packed, bytes):
        return
    for wrapped in Status.FromString(packed).details:
        for kind in (details.ErrorInfo, details.BadRequest, details.RetryInfo):
            if wrapped.Is(kind.DESCRIPTOR):
                message = kind()
                wrapped.Unpack(message)
                yield message


def response(found: Problem, request_id: str) -> Response:
    """The problem as an answer."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(found.status).phrase,
        "status": found.status,
        "detail": found.detail,
        "code": found.code,
        "reason": found.reason,
        "errors": [{"field": error.field, "message": error.message} for error in found.errors],
        "requestId": request_id,
    }
    headers = {"Cache-Control": "no-store", **found.headers}
    if found.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(json.encode(body), found.status, headers, MEDIA_TYPE)
