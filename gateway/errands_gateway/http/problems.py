"""Errors as callers of HTTP see them: RFC 9457 problems, mapped from gRPC in one table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from grpc import StatusCode, aio
from msgspec import Struct, json
from starlette.responses import Response

from errands import rpc_status

from ..v1 import field_names

MEDIA_TYPE: Final = "application/problem+json"

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
    rpc = rpc_status.decode(failure)
    status, reason = _CODES.get(rpc.code, (500, "INTERNAL"))
    if rpc.reason:
        reason = rpc.reason
        status = STATUSES.get(reason, status)
    errors = [Violation(field_names.rest(v.field), field_names.said(v.message)) for v in rpc.violations]
    detail = "; ".join(f"{error.field}: {error.message}" for error in errors) or _detail(rpc.message, reason)
    problem = Problem(status, rpc.code.name, reason, detail, errors=errors)
    problem.headers.update(_retry_after(rpc.retry_delay, status))
    return problem


def _detail(message: str, reason: str) -> str:
    match reason:
        case "SERVER_UNREACHABLE":
            return "the server behind this gateway does not answer; try again"
        case "DEADLINE_EXCEEDED":
            return "the request took longer than this gateway waits; read before trying again"
        case "IDEMPOTENCY_KEY_REUSED" | "REQUEST_IN_FLIGHT" | "COMMIT_UNKNOWN":
            return field_names.said(message).replace("request id", "Idempotency-Key")
        case _:
            return field_names.said(message)


def _retry_after(delay: float | None, status: int) -> Mapping[str, str]:
    """The Retry-After header, in whole seconds; empty where another try needs no wait."""
    if delay is not None:
        return {"Retry-After": str(max(1, math.ceil(delay)))}
    return {"Retry-After": str(_RETRY_AFTER)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}


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
