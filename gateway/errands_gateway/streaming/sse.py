"""Server-Sent Events of a run over HTTP, resumed from any cursor."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Final

import structlog
from grpc import aio
from msgspec import Struct
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from errands.v1 import run_pb2 as pb

from .. import metrics
from ..http.caller import Caller
from ..http.problems import Problem, problem
from ..http.protocol import HttpProtocol, connection
from ..settings import Settings
from . import tickets
from .fanout import FanoutRegistry, View
from .frames import COMMENT, EventDocument, frames, pack
from .tickets import TicketedStream

_PAGE: Final = 1_000  # events of the past read together
_HEAVY: Final = 1 << 20  # bytes; a page as large as this may have been cut short
_LAST: Final = 0.25  # seconds for what a server that stops still sends
_RETRY: Final = b"retry: 2000\n\n"
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]

_log = structlog.get_logger("errands.streams")


class StreamRequest(Struct, frozen=True):
    """The stream that a reader asks for."""

    run_id: str
    after: int  # sequence of the last event that it has
    tool_calls: bool  # with tool calls, their results and reasoning
    document: EventDocument  # of its dialect


class EventStreams:
    """Opens streams, limits them for each tenant, and ends them all when the gateway stops."""

    def __init__(self, runs: Any, settings: Settings) -> None:
        self._runs = runs
        self._settings = settings
        self._tasks: set[asyncio.Task[Any]] = set()
        self.fanouts = FanoutRegistry(runs, settings)
        self.counts: Counter[str] = Counter()  # open streams by tenant
        self.closing = False

    async def open_with_key(self, caller: Caller, request: StreamRequest) -> EventStream | None:
        """A stream for a key; None where the run has ended and nothing is behind the cursor.

        aio.AioRpcError as of ListRunEvents; Problems TOO_MANY_STREAMS, SERVER_DRAINING.
        """
        reader = _RunReader(self._runs, self.fanouts, self._settings, caller, request)
        page = await reader.page(request.after)
        if page.end and not page.events:
            return None
        self._check_room(page.tenant)
        pieces = reader.pieces(page)
        return EventStream(self, self._settings, page.tenant, "key", pieces, caller.request_id)

    async def open_with_ticket(
        self, ticket: str, request_id: str, request: StreamRequest
    ) -> EventStream | None:
        """A stream for a ticket, on an upstream of its own.

        None and errors: as of `open_with_key`, and Problem DEADLINE_EXCEEDED.
        """
        asked = pb.StreamRunEventsRequest(
            run_id=request.run_id, after_sequence=request.after, include_tool_calls=request.tool_calls
        )
        stream = TicketedStream(self._runs, ticket, request_id, asked)
        try:
            async with asyncio.timeout(self._settings.limit):
                tenant = await stream.tenant()
                if tenant is None:
                    return None
                self._check_room(tenant)
                with self._count(tenant):
                    call = await stream.redeem()
        except TimeoutError:
            detail = "the stream did not open in time"
            raise problem("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", detail) from None
        if self.closing:
            call.cancel()
            raise _server_draining()
        pieces = tickets.pieces(call, request.document, self._settings.heartbeat)
        return EventStream(self, self._settings, tenant, "ticket", pieces, request_id)

    def _check_room(self, tenant: str) -> None:
        if self.closing:
            raise _server_draining()
        if self.counts[tenant] >= self._settings.max_streams:
            detail = f"the tenant has {self.counts[tenant]} streams open, which is as many as it may"
            raise problem("TOO_MANY_STREAMS", "RESOURCE_EXHAUSTED", detail, headers={"Retry-After": "5"})

    @contextmanager
    def track(self, tenant: str, credential: str) -> Iterator[None]:
        """Count the present task as a stream of this tenant, and end it with the gateway."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (an ASGI application runs in a task)
        with self._count(tenant), metrics.streams(credential).track_inprogress():
            self._tasks.add(task)
            try:
                yield
            finally:
                self._tasks.discard(task)

    @contextmanager
    def _count(self, tenant: str) -> Iterator[None]:
        self.counts[tenant] += 1
        try:
            yield
        finally:
            self.counts[tenant] -= 1
            if not self.counts[tenant]:
                del self.counts[tenant]

    def close(self) -> None:
        """End every stream in 0.25 s, with a proper end: readers go on elsewhere, from their cursor."""
        self.closing = True
        asyncio.get_running_loop().call_later(_LAST, self._end)

    def _end(self) -> None:
        for task in self._tasks:
            task.cancel()


def _server_draining() -> Problem:
    detail = "the gateway is shutting down"
    return problem("SERVER_DRAINING", "UNAVAILABLE", detail, headers={"Retry-After": "1"})


class _RunReader:
    """One key that reads one run: the past in pages at its own pace, the present from a fan-out."""

    def __init__(
        self, runs: Any, fanouts: FanoutRegistry, settings: Settings, caller: Caller, request: StreamRequest
    ) -> None:
        self._runs = runs
        self._fanouts = fanouts
        self._settings = settings
        self._caller = caller
        self._request = request

    async def page(self, after: int) -> Any:
        """Events behind a cursor, as this key may see them. aio.AioRpcError."""
        request = pb.ListRunEventsRequest(
            run_id=self._request.run_id,
            after_sequence=after,
            limit=_PAGE,
            include_tool_calls=self._request.tool_calls,
        )
        return await self._runs.ListRunEvents(
            request, metadata=self._caller.metadata, timeout=self._settings.limit
        )

    async def pieces(self, page: Any) -> AsyncGenerator[bytes, None]:
        """Frames from a first page on, until the run ends or the key may not see it any more."""
        run_id, document = self._request.run_id, self._request.document
        view = View(page.tenant, run_id, self._request.tool_calls, page.links, page.connect_links)
        cursor = self._request.after
        try:
            while True:
                for _, piece in pack(frames(page.events, document)):
                    yield piece
                if page.end:
                    return
                is_last = page.next_after_sequence - cursor < _PAGE and page.ByteSize() < _HEAVY
                # A page is large, and the stream goes on for hours.
                cursor, page = page.next_after_sequence, None
                if is_last:
                    with self._fanouts.subscribe(view, self._caller, cursor, document) as subscriber:
                        while (live := await subscriber.next(self._settings.heartbeat)) is not None:
                            yield live or COMMENT
                        if not subscriber.has_lagged or subscriber.refused:
                            return
                        cursor = subscriber.cursor
                page = await self.page(cursor)
        except aio.AioRpcError as failure:
            _log.info("a stream was cut", run_id=run_id, code=failure.code().name)


class EventStream:
    """A stream as an ASGI response. A reader that goes away ends only its own stream."""

    def __init__(
        self,
        streams: EventStreams,
        settings: Settings,
        tenant: str,
        credential: str,
        pieces: AsyncGenerator[bytes, None],
        request_id: str,
    ) -> None:
        self._streams = streams
        self._stall = settings.stall
        self._tenant = tenant
        self._credential = credential
        self._pieces = pieces
        self._request_id = request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sender = _Sender(send, connection(scope), self._stall)
        framed = scope["http_version"] != "1.0"
        if not framed:
            sender.connection.disable_chunks()
        with self._streams.track(self._tenant, self._credential), sender.connection.cancel_when_lost():
            try:
                async with aclosing(self._pieces):
                    await sender.send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
                    await sender.send({"type": "http.response.body", "body": _RETRY, "more_body": True})
                    async for piece in self._pieces:
                        await sender.send({"type": "http.response.body", "body": piece, "more_body": True})
            except asyncio.CancelledError:
                if not (self._streams.closing or sender.connection.lost.done()):
                    raise
                sender.stall = _LAST  # a reader that reads nothing does not delay the end
            except Exception:
                # The response has begun, so it is too late for another status.
                _log.exception("a stream failed", request_id=self._request_id)
        if framed:
            await sender.send({"type": "http.response.body"})


class _Sender:
    """Sends to one reader. A reader that takes nothing for `stall` seconds loses its connection."""

    __slots__ = ("_send", "connection", "stall")

    def __init__(self, send: Send, connection: HttpProtocol, stall: float) -> None:
        self._send = send
        self.stall = stall
        self.connection = connection

    async def send(self, message: Message) -> None:
        if self.connection.transport.is_closing():
            return  # `lost` will be done in a moment
        if not self.connection.flow.write_paused:
            await self._send(message)  # which waits for nothing then
            return
        # A timer instead of asyncio.timeout: cheaper, and a closed connection ends the wait anyway.
        timer = asyncio.get_running_loop().call_later(self.stall, self.connection.drop)
        try:
            await self._send(message)
        finally:
            timer.cancel()


async def stream_head(scope: Scope, receive: Receive, send: Send) -> None:
    """The response to HEAD of a stream. It has no length, because a stream's is not known."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body"})


def end_of_stream() -> Response:
    """204: the run has ended and everything was read, so an EventSource does not come back."""
    return Response(status_code=204, headers={"Cache-Control": "no-store"})
