"""Errors over HTTP: the status of each reason, problems, and how a dialect writes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from grpc import StatusCode, aio
from msgspec import Struct
from starlette.responses import Response

from errands import rpc_status

from .encoding import encode_json

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
    "INTENT_NOT_UNDERSTOOD": 400,
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
_OF_THE_GATEWAY: Final[Mapping[str, str]] = {
    "SERVER_UNREACHABLE": "the server behind this gateway does not answer; try again",
    "DEADLINE_EXCEEDED": "the request took longer than this gateway waits; read before trying again",
}
_RETRY_AFTER: Final = 1  # seconds, where a 503 does not say


class Violation(Struct, frozen=True):
    """One wrong field of a request."""

    field: str  # its path in the request
    message: str  # what is wrong with it


class Problem(Exception):
    """Ends a request with an error.

    status: of HTTP
    code: the name of a gRPC status code
    reason: the name of an ErrorReason
    detail: what is wrong and what to do about it
    errors: the wrong fields, where the reason is FIELD_INVALID
    headers: of the response, such as Retry-After
    """

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
    """A problem that the gateway finds itself. `more`: as of Problem."""
    return Problem(STATUSES[reason], code, reason, detail, **more)


def invalid(errors: Sequence[Violation]) -> Problem:
    """FIELD_INVALID with every wrong field."""
    detail = "; ".join(f"{error.field}: {error.message}" for error in errors)
    return problem("FIELD_INVALID", "INVALID_ARGUMENT", detail, errors=errors)


class ProblemFormat(Struct, frozen=True, kw_only=True):
    """How a dialect writes problems."""

    media_type: str  # of the response
    component: str  # the schema of the body, among the components of the dialect
    body: Callable[[Problem, str], Any]  # the JSON value of a problem; the text is the request's id
    field_name: Callable[[str], str]  # path of a field in a gRPC request -> in a request of the dialect
    # A text of the server, and its reason -> the same with the names that the dialect has for things.
    message: Callable[[str, str], str]
    # What the dialect's document says of a status, where that differs from other dialects.
    statuses: Mapping[int, str] = {}

    def response(self, found: Problem, request_id: str) -> Response:
        """The problem as a response of the dialect."""
        headers = {"Cache-Control": "no-store", **found.headers}
        if found.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return Response(encode_json(self.body(found, request_id)), found.status, headers, self.media_type)

    def of_rpc_error(self, failure: aio.AioRpcError) -> Problem:
        """The problem of a failed call: by its reason, or by its code where the server gave none."""
        rpc = rpc_status.decode(failure)
        status, reason = _CODES.get(rpc.code, (500, "INTERNAL"))
        if rpc.reason:
            reason = rpc.reason
            status = STATUSES.get(reason, status)
        errors = [
            Violation(self.field_name(v.field), self.message(v.message, reason)) for v in rpc.violations
        ]
        if errors:
            detail = "; ".join(f"{error.field}: {error.message}" for error in errors)
        else:
            detail = _OF_THE_GATEWAY.get(reason) or self.message(rpc.message, reason)
        headers = _retry_after(rpc.retry_delay, status)
        return Problem(status, rpc.code.name, reason, detail, errors=errors, headers=headers)


def _retry_after(delay: float | None, status: int) -> Mapping[str, str]:
    """The Retry-After header, in whole seconds; empty where another try needs no wait."""
    if delay is not None:
        return {"Retry-After": str(max(1, math.ceil(delay)))}
    return {"Retry-After": str(_RETRY_AFTER)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
