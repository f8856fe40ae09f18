"""Wraps every call: authenticates it, maps errors to google.rpc.Status, writes metrics and the access log."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Final
from uuid import uuid4

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from grpc import aio
from grpc_status import rpc_status
from msgspec import Struct

from errands.server_process import access_log

from .. import metrics
from ..domain.errors import Invalid, Reason, Refused, Unauthenticated, Violation
from ..services.principal import Principal
from .status import CODES, status

Authenticate = Callable[[str], Awaitable[Principal]]
"""The principal of a key. CREDENTIALS_INVALID."""
CheckRate = Callable[[str], None]
"""Counts a request of a tenant. RATE_LIMITED."""
Parse = Callable[[bytes], Message]

_PUBLIC_METHODS: Final = frozenset(
    {
        "/errands.v1.ApprovalService/GetApprovalByToken",
        "/errands.v1.ApprovalService/DecideByToken",
        "/errands.v1.ConnectionService/GetConnectLink",
        "/errands.v1.ConnectionService/BeginConnect",
        "/errands.v1.ConnectionService/FinishConnect",
    }
)
_TICKETED: Final = "/errands.v1.RunService/StreamRunEvents"
TICKET: Final = "x-stream-ticket"
# W3C Trace Context, level 1; anything else is ignored.
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_log = structlog.get_logger("errands.access")


class CallContext(Struct):
    """The metadata of a call."""

    principal: Principal | None = None  # of its key; None where no key was sent
    ticket: str = ""  # of a stream
    request_id: str = ""  # x-request-id, for the logs
    traceparent: str = ""


_call_context: ContextVar[CallContext] = ContextVar("caller")


def call_context() -> CallContext:
    """The metadata of the present call."""
    return _call_context.get()


def current_principal() -> Principal:
    """The principal of the present call. CREDENTIALS_MISSING: no key was sent."""
    found = _call_context.get().principal
    if found is None:
        raise _credentials_missing()
    return found


def _credentials_missing() -> Unauthenticated:
    message = "send an API key as x-api-key or as Authorization: Bearer"
    return Unauthenticated(Reason.CREDENTIALS_MISSING, message)


class Interceptor:
    """Takes the server's place when services are added, and wraps each of their methods once.

    gRPC's own interceptors are called for every call, which costs a fifth of a short one.
    """

    def __init__(self, server: aio.Server, authenticate: Authenticate, check_rate: CheckRate) -> None:
        self._server = server
        self._authenticate = authenticate
        self._check_rate = check_rate

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Ignore the handlers: generated code adds every service twice, and the other way is faster."""

    def add_registered_method_handlers(self, service_name: str, handlers: Mapping[str, Any]) -> None:
        """Add a service to the server, with each method wrapped."""
        wrapped = {name: self._wrap(f"/{service_name}/{name}", one) for name, one in handlers.items()}
        self._server.add_registered_method_handlers(service_name, wrapped)

    def _wrap(self, method: str, handler: Any) -> Any:
        # Requests are parsed after authentication, where a parse error can be mapped to a status.
        parse = handler.request_deserializer
        if handler.response_streaming:
            behavior = self._wrap_stream(method, handler.unary_stream, parse)
            make = grpc.unary_stream_rpc_method_handler
        else:
            behavior = self._wrap_unary(method, handler.unary_unary, parse)
            make = grpc.unary_unary_rpc_method_handler
        return make(behavior, request_deserializer=None, response_serializer=_serialize)

    def _wrap_unary(self, method: str, behavior: Any, parse: Parse) -> Any:
        seconds = metrics.seconds(method[1:])

        async def call(body: bytes, context: Any) -> Any:
            started = time.perf_counter()
            caller = CallContext()
            _call_context.set(caller)
            try:
                await self._identify(method, caller, context.invocation_metadata())
                answer = await behavior(_parse_request(parse, body), context)
            except Refused as error:
                _log_call(method, caller, started, error.reason)
                await context.abort_with_status(rpc_status.to_status(status(error)))
            except (asyncio.CancelledError, aio.AbortError):
                _log_call(method, caller, started, "CANCELLED")
                raise
            except Exception:
                await _abort_with_fault(method, caller, started, context)
            else:
                _log_call(method, caller, started, "OK")
                return answer
            finally:
                seconds.observe(time.perf_counter() - started)

        return call

    def _wrap_stream(self, method: str, behavior: Any, parse: Parse) -> Any:
        async def call(body: bytes, context: Any) -> Any:
            started = time.perf_counter()
            caller = CallContext()
            _call_context.set(caller)
            try:
                await self._identify(method, caller, context.invocation_metadata())
                async with aclosing(behavior(_parse_request(parse, body), context)) as answers:
                    async for answer in answers:
                        yield answer
            except Refused as error:
                _log_call(method, caller, started, error.reason)
                await context.abort_with_status(rpc_status.to_status(status(error)))
            except (asyncio.CancelledError, aio.AbortError, GeneratorExit):
                _log_call(method, caller, started, "CANCELLED")
                raise
            except Exception:
                await _abort_with_fault(method, caller, started, context)
            else:
                _log_call(method, caller, started, "OK")

        return call

    async def _identify(
        self, method: str, caller: CallContext, metadata: Iterable[tuple[str, str | bytes]]
    ) -> None:
        secrets = set()
        for name, value in metadata:
            text = value if isinstance(value, str) else value.decode("ascii", "replace")
            if name == "x-api-key":
                secrets.add(text)
            elif name == "authorization" and text[:7].lower() == "bearer ":
                secrets.add(text[7:].strip())
            elif name == TICKET:
                caller.ticket = text
            elif name == "x-request-id":
                caller.request_id = text[:128]
            elif name == "traceparent" and _TRACEPARENT.fullmatch(text):
                caller.traceparent = text
        if len(secrets) > 1:
            message = "x-api-key and Authorization hold different keys; send one"
            raise Unauthenticated(Reason.CREDENTIALS_INVALID, message)
        if secrets:
            caller.principal = await self._authenticate(secrets.pop())
            self._check_rate(caller.principal.tenant)
        elif method not in _PUBLIC_METHODS and not (method == _TICKETED and caller.ticket):
            raise _credentials_missing()


def _parse_request(parse: Parse, body: bytes) -> Message:
    try:
        return parse(body)
    except DecodeError as error:
        raise Invalid([Violation("request", f"is no message of this method: {error}")]) from error


def _serialize(message: Any) -> bytes:
    """The message encoded; streams and caches pass encoded ones."""
    if isinstance(message, bytes):
        return message
    encoded: bytes = message.SerializeToString()
    return encoded


def _log_call(method: str, caller: CallContext, started: float, outcome: str) -> None:
    code = CODES[outcome].name if isinstance(outcome, Reason) else outcome
    metrics.answered(method[1:], code)
    access_log.info(
        {
            "method": method,
            "outcome": str(outcome),
            "ms": round((time.perf_counter() - started) * 1_000, 2),
            "tenant": caller.principal.tenant if caller.principal else "",
            "key": caller.principal.key_id if caller.principal else "",
            "request_id": caller.request_id,
            "trace_id": caller.traceparent[3:35],
            "event": "call",
        }
    )


async def _abort_with_fault(method: str, caller: CallContext, started: float, context: Any) -> None:
    """Answer a bug with INTERNAL and a request id, under which the log has the traceback."""
    request_id = caller.request_id or uuid4().hex
    _log.exception("fault", method=method, request_id=request_id)
    _log_call(method, caller, started, Reason.INTERNAL)
    message = f"a fault of the service; its log has more under request id {request_id}"
    await context.abort_with_status(rpc_status.to_status(status(Refused(Reason.INTERNAL, message))))
