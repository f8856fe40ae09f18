"""What every call passes through: who asks, until when, what went wrong, and a line in the log."""

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
CheckRate = Callable[[str], None]
"""Raises where this tenant asks too often."""
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
# W3C Trace Context, level 1; anything else is as good as none.
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_log = structlog.get_logger("errands.access")


class CallContext(Struct):
    """Who makes the present call. `principal` is None on methods that need no key."""

    principal: Principal | None = None
    ticket: str = ""
    request_id: str = ""
    traceparent: str = ""


_caller: ContextVar[CallContext] = ContextVar("caller")


def call_context() -> CallContext:
    """Who makes the present call."""
    return _caller.get()


def current_principal() -> Principal:
    """The key behind the present call. CREDENTIALS_MISSING: there is none."""
    found = _caller.get().principal
    if found is None:
        raise _missing()
    return found


def _missing() -> Unauthenticated:
    message = "send an API key as x-api-key or as Authorization: Bearer"
    return Unauthenticated(Reason.CREDENTIALS_MISSING, message)


class Interceptor:
    """Where services are added whose every call passes here; it takes the place of the server for that.

    Each method is wrapped once, when it is added. gRPC's own interceptors are asked for every call,
    which costs a fifth of a short one.
    """

    def __init__(self, server: aio.Server, recognise: Authenticate, admit: CheckRate) -> None:
        self._server = server
        self._recognise = recognise
        self._admit = admit

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Generated code adds every service twice; the other way is found without a search."""

    def add_registered_method_handlers(self, service_name: str, handlers: Mapping[str, Any]) -> None:
        """Add a service."""
        wrapped = {name: self._wrap(f"/{service_name}/{name}", one) for name, one in handlers.items()}
        self._server.add_registered_method_handlers(service_name, wrapped)

    def _wrap(self, method: str, handler: Any) -> Any:
        # Requests are parsed behind the key, where what does not parse can be answered properly.
        parse = handler.request_deserializer
        if handler.response_streaming:
            behavior = self._streaming(method, handler.unary_stream, parse)
            make = grpc.unary_stream_rpc_method_handler
        else:
            behavior = self._unary(method, handler.unary_unary, parse)
            make = grpc.unary_unary_rpc_method_handler
        return make(behavior, request_deserializer=None, response_serializer=_serializer)

    def _unary(self, method: str, behavior: Any, parse: Parse) -> Any:
        seconds = metrics.seconds(method[1:])

        async def call(body: bytes, context: Any) -> Any:
            started = time.perf_counter()
            who = CallContext()
            _caller.set(who)
            try:
                await self._identify(method, who, context.invocation_metadata())
                answer = await behavior(_parsed(parse, body), context)
            except Refused as error:
                _line(method, who, started, error.reason)
                await context.abort_with_status(rpc_status.to_status(status(error)))
            except (asyncio.CancelledError, aio.AbortError):
                _line(method, who, started, "CANCELLED")
                raise
            except Exception:
                await _fault(method, who, started, context)
            else:
                _line(method, who, started, "OK")
                return answer
            finally:
                seconds.observe(time.perf_counter() - started)

        return call

    def _streaming(self, method: str, behavior: Any, parse: Parse) -> Any:
        async def call(body: bytes, context: Any) -> Any:
            started = time.perf_counter()
            who = CallContext()
            _caller.set(who)
            try:
                await self._identify(method, who, context.invocation_metadata())
                async with aclosing(behavior(_parsed(parse, body), context)) as answers:
                    async for answer in answers:
                        yield answer
            except Refused as error:
                _line(method, who, started, error.reason)
                await context.abort_with_status(rpc_status.to_status(status(error)))
            except (asyncio.CancelledError, aio.AbortError, GeneratorExit):
                _line(method, who, started, "CANCELLED")
                raise
            except Exception:
                await _fault(method, who, started, context)
            else:
                _line(method, who, started, "OK")

        return call

    async def _identify(
        self, method: str, who: CallContext, metadata: Iterable[tuple[str, str | bytes]]
    ) -> None:
        secrets = set()
        for name, value in metadata:
            text = value if isinstance(value, str) else value.decode("ascii", "replace")
            if name == "x-api-key":
                secrets.add(text)
            elif name == "authorization" and text[:7].lower() == "bearer ":
                secrets.add(text[7:].strip())
            elif name == TICKET:
                who.ticket = text
            elif name == "x-request-id":
                who.request_id = text[:128]
            elif name == "traceparent" and _TRACEPARENT.fullmatch(text):
                who.traceparent = text
        if len(secrets) > 1:
            message = "x-api-key and Authorization hold different keys; send one"
            raise Unauthenticated(Reason.CREDENTIALS_INVALID, message)
        if secrets:
            who.principal = await self._recognise(secrets.pop())
            self._admit(who.principal.tenant)
        elif method not in _PUBLIC_METHODS and not (method == _TICKETED and who.ticket):
            raise _missing()


def _parsed(parse: Parse, body: bytes) -> Message:
    try:
        return parse(body)
    except DecodeError as error:
        raise Invalid([Violation("request", f"is no message of this method: {error}")]) from error


def _serializer(message: Any) -> bytes:
    """Streams hand over what is encoded already."""
    if isinstance(message, bytes):
        return message
    encoded: bytes = message.SerializeToString()
    return encoded


def _line(method: str, who: CallContext, started: float, outcome: str) -> None:
    code = CODES[outcome].name if isinstance(outcome, Reason) else outcome
    metrics.answered(method[1:], code)
    access_log.info(
        {
            "method": method,
            "outcome": str(outcome),
            "ms": round((time.perf_counter() - started) * 1_000, 2),
            "tenant": who.principal.tenant if who.principal else "",
            "key": who.principal.key_id if who.principal else "",
            "request_id": who.request_id,
            "trace_id": who.traceparent[3:35],
            "event": "call",
        }
    )


async def _fault(method: str, who: CallContext, started: float, context: Any) -> None:
    """A bug: the log gets everything, the caller an id to ask about."""
    request_id = who.request_id or uuid4().hex
    _log.exception("fault", method=method, request_id=request_id)
    _line(method, who, started, Reason.INTERNAL)
    message = f"a fault of the service; its log has more under request id {request_id}"
    await context.abort_with_status(rpc_status.to_status(status(Refused(Reason.INTERNAL, message))))
