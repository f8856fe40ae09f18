"""Routes: one ASGI endpoint for each path, which reads requests, handles them and answers problems."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
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
from ..http.caller import read_caller, request_id_of
from ..http.problems import Problem, ProblemFormat, problem
from .dialect import Call, Dialect, Operation
from .request import read_request

_log = structlog.get_logger("errands.http")
_REQUEST_ID: Final = b"x-request-id"
_READING: Final = ("GET", "HEAD")

Respond = Callable[[Request], Awaitable[Response]]


def routes(operations: Iterable[Operation], dialect: Dialect, backend: Backend) -> list[Route]:
    """Routes of operations, longer paths first: `/v1/runs/approval` is not a run."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    paths = sorted(by_path, key=lambda path: (path.count("{"), -len(path)))
    return [Route(path, Endpoint(by_path[path], dialect, backend)) for path in paths]


class Endpoint:
    """All methods of one path, as bare ASGI."""

    def __init__(self, operations: Mapping[str, Operation], dialect: Dialect, backend: Backend) -> None:
        self._operations = dict(operations)
        if "GET" in operations:
            self._operations["HEAD"] = operations["GET"]
        self._path = next(iter(operations.values())).path
        self._refuse_with_page = next((one.refuse for one in operations.values() if one.refuse), None)
        self._dialect = dialect
        self._backend = backend

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request = Request(scope, receive)
        request_id = request_id_of(request.headers)
        sending = _CountingSend(send, request_id, request.method, self._path)
        try:
            response = await self._respond(request, request_id)
        except Problem as found:
            response = self._refuse(request, found, request_id)
        except aio.AioRpcError as failure:
            response = self._refuse(request, self._dialect.problem.of_rpc_error(failure), request_id)
        except Exception:
            # The last resort of a request: a bug in one does not end the others.
            _log.exception("fault", method=request.method, path=scope["path"], request_id=request_id)
            detail = f"a fault of the gateway; its log has more under request id {request_id}"
            response = self._refuse(request, problem("INTERNAL", "INTERNAL", detail), request_id)
        await response(scope, receive, sending)
        _log.debug(
            "request",
            method=request.method,
            path=self._path,  # as in the operation: the query of the real one may hold a token
            status=sending.status,
            ms=round((time.perf_counter() - began) * 1_000, 2),
            client=request.client.host if request.client else "",
            request_id=request_id,
        )

    async def _respond(self, request: Request, request_id: str) -> ASGIApp:
        operation = self._operations.get(request.method)
        if operation is None:
            raise _method_not_allowed(self._operations)
        sender = read_caller(request.headers, request_id)
        if operation.is_keyed and not sender.has_credential:
            # The server would refuse it, too, but only after the request is read.
            detail = "send an API key as x-api-key or as Authorization: Bearer"
            raise problem("CREDENTIALS_MISSING", "UNAUTHENTICATED", detail)
        read = await read_request(operation, request, self._dialect.validator, self._backend.settings.limit)
        return await operation.handle(
            Call(
                request=request,
                dialect=self._dialect,
                backend=self._backend,
                caller=sender,
                path=request.path_params,
                query=read.query,
                headers=read.headers,
                body=read.body,
            )
        )

    def _refuse(self, request: Request, found: Problem, request_id: str) -> ASGIApp:
        if self._refuse_with_page is not None:
            return self._refuse_with_page(self._dialect, request, found, request_id)
        return self._dialect.problem.response(found, request_id)


class _CountingSend:
    """Adds the request's id to the response, counts it, and keeps its status."""

    __slots__ = ("_method", "_request_id", "_route", "_send", "status")

    def __init__(self, send: Send, request_id: str, method: str, route: str) -> None:
        self._send = send
        self._request_id = request_id.encode()
        self._method = method
        self._route = route
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            metrics.requests(self._method, self._route, self.status).inc()
            message["headers"] = [*message.get("headers", ()), (_REQUEST_ID, self._request_id)]
        await self._send(message)


def _method_not_allowed(methods: Iterable[str]) -> Problem:
    allowed = ", ".join(sorted(methods))
    detail = f"this path takes {allowed}"
    return problem("METHOD_NOT_ALLOWED", "UNIMPLEMENTED", detail, headers={"Allow": allowed})


class ReadOnly:
    """A path that belongs to no operation and takes GET and HEAD, without a key."""

    def __init__(self, path: str, problems: ProblemFormat, respond: Respond) -> None:
        self._path = path
        self._problems = problems
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        request_id = request_id_of(request.headers)
        if request.method in _READING:
            response = await self._respond(request)
        else:
            response = self._problems.response(_method_not_allowed(_READING), request_id)
        await response(scope, receive, _CountingSend(send, request_id, request.method, self._path))


def read_only(path: str, problems: ProblemFormat, respond: Respond) -> Route:
    """A route to a ReadOnly."""
    return Route(path, ReadOnly(path, problems, respond))


class UnknownPath:
    """Responds where no route matches, in the dialect whose prefix the path has, or else in the first."""

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self._dialects = tuple(dialects)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(Headers(scope=scope))
        path = f"{scope['path']}/"
        named = (dialect for dialect in self._dialects if path.startswith(f"{dialect.prefix}/"))
        dialect = next(named, self._dialects[0])
        detail = f"there is nothing at this path; {dialect.docs}/openapi.json lists what there is"
        response = dialect.problem.response(problem("ROUTE_NOT_FOUND", "NOT_FOUND", detail), request_id)
        await response(scope, receive, _CountingSend(send, request_id, scope["method"], "unknown"))
