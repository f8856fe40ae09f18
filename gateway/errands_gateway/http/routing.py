"""Routes of the table: one endpoint for each path, which reads, asks and answers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import structlog
from grpc import aio
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import metrics
from ..backend import Backend
from .caller import caller, request_id
from .operation import Call, Operation
from .problems import Problem, of_call, problem, response
from .request import read_request

_log = structlog.get_logger("errands.http")
_REQUEST_ID: Final = b"x-request-id"
_READING: Final = ("GET", "HEAD")

Answers = Callable[[Request], Awaitable[Response]]


def routes(operations: Iterable[Operation], gateway: Backend) -> list[Route]:
    """Longer paths first: `/v1/runs/approval` is not a run."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    paths = sorted(by_path, key=lambda path: (path.count("{"), -len(path)))
    return [Route(path, Endpoint(by_path[path], gateway)) for path in paths]


class Endpoint:
    """All methods of one path, as bare ASGI."""

    def __init__(self, operations: Mapping[str, Operation], gateway: Backend) -> None:
        self._operations = dict(operations)
        if "GET" in operations:
            self._operations["HEAD"] = operations["GET"]
        self._path = next(iter(operations.values())).path
        self._refuse = next((one.refuse for one in operations.values() if one.refuse), _refuse)
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request = Request(scope, receive)
        number = request_id(request.headers)
        sending = _Sending(send, number, request.method, self._path)
        try:
            answer = await self._answer(request, number)
        except Problem as found:
            answer = self._refuse(request, found, number)
        except aio.AioRpcError as failure:
            answer = self._refuse(request, of_call(failure), number)
        except Exception:
            # The last resort of a request; a bug of one must not take the others along.
            _log.exception("fault", method=request.method, path=scope["path"], request_id=number)
            detail = f"a fault of the gateway; its log has more under request id {number}"
            answer = self._refuse(request, problem("INTERNAL", "INTERNAL", detail), number)
        await answer(scope, receive, sending)
        _line(self._path, request, sending.status, began, number)

    async def _answer(self, request: Request, number: str) -> ASGIApp:
        operation = self._operations.get(request.method)
        if operation is None:
            raise _not_allowed(self._operations)
        who = caller(request.headers, number)
        if operation.keyed and not who.keyed:
            raise _no_key()  # the server would say so too, but behind everything else
        read = await read_request(operation, request, self._gateway.settings.limit)
        return await operation.handle(
            Call(
                request=request,
                gateway=self._gateway,
                caller=who,
                path=request.path_params,
                query=read.query,
                headers=read.headers,
                body=read.body,
            )
        )


def _refuse(_: Request, found: Problem, number: str) -> ASGIApp:
    return response(found, number)


class _Sending:
    """Adds the request's id to the answer, counts it, and remembers its status."""

    __slots__ = ("_method", "_number", "_route", "_send", "status")

    def __init__(self, send: Send, number: str, method: str, route: str) -> None:
        self._send = send
        self._number = number.encode()
        self._method = method
        self._route = route
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            metrics.requests(self._method, self._route, self.status).inc()
            message["headers"] = [*message.get("headers", ()), (_REQUEST_ID, self._number)]
        await self._send(message)


def _line(path: str, request: Request, status: int, began: float, number: str) -> None:
    """One line for the log: the path as the table has it, because a query may hold a token."""
    _log.debug(
        "request",
        method=request.method,
        path=path,
        status=status,
        ms=round((time.perf_counter() - began) * 1_000, 2),
        client=request.client.host if request.client else "",
        request_id=number,
    )


def _no_key() -> Problem:
    detail = "send an API key as x-api-key or as Authorization: Bearer"
    return problem("CREDENTIALS_MISSING", "UNAUTHENTICATED", detail)


def _not_allowed(methods: Iterable[str]) -> Problem:
    allowed = ", ".join(sorted(methods))
    detail = f"this path takes {allowed}"
    return problem("METHOD_NOT_ALLOWED", "UNIMPLEMENTED", detail, headers={"Allow": allowed})


class ReadOnly:
    """A path beside the table that is only read, by anybody."""

    def __init__(self, path: str, answers: Answers) -> None:
        self._path = path
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        number = request_id(request.headers)
        if request.method in _READING:
            answer = await self._answers(request)
        else:
            answer = response(_not_allowed(_READING), number)
        await answer(scope, receive, _Sending(send, number, request.method, self._path))


def read_only(path: str, answers: Answers) -> Route:
    """A route to what is only read."""
    return Route(path, ReadOnly(path, answers))


async def unknown_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers what no route matches."""
    number = request_id(Headers(scope=scope))
    detail = "there is nothing at this path; /openapi.json lists what there is"
    answer = response(problem("ROUTE_NOT_FOUND", "NOT_FOUND", detail), number)
    await answer(scope, receive, _Sending(send, number, scope["method"], "unknown"))
