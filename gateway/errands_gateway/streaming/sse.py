"""Streams of a run's events over HTTP: Server-Sent Events, resumed from any cursor."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Final

import structlog
from grpc import aio
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from errands.v1 import run_pb2 as pb

from .. import metrics
from ..http.caller import Caller
from ..http.problems import Problem, problem
from ..http.protocol import HttpProtocol, connection
from ..settings import Settings
from . import tickets
from .fanout import Fanouts, View
from .frames import COMMENT, frames, joined
from .tickets import Ticketed

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


class Streams:
    """Opens streams, counts them for each tenant, and ends them all when the gateway stops."""

    def __init__(self, runs: Any, settings: Settings) -> None:
        self._runs = runs
        self._settings = settings
        self._tasks: set[asyncio.Task[Any]] = set()
        self.feeds = Fanouts(runs, settings)
        self.open: Counter[str] = Counter()
        self.closing = False

    async def by_key(
        self, caller: Caller, run_id: str, after: int, *, tool_calls: bool
    ) -> EventStream | None:
        """A stream for a key; None where the run has ended and nothing is behind the cursor.

        aio.AioRpcError as of ListRunEvents; Problems TOO_MANY_STREAMS, SERVER_DRAINING.
        """
        watch = _Watch(self._runs, self.feeds, self._settings, caller, run_id, tool_calls=tool_calls)
        page = await watch.page(after)
        if page.end and not page.events:
            return None
        self._check_room(page.tenant)
        pieces = watch.pieces(page, after)
        return EventStream(self, self._settings, page.tenant, "key", pieces, caller.request_id)

    async def by_ticket(
        self, ticket: str, request_id: str, run_id: str, after: int, *, tool_calls: bool
    ) -> EventStream | None:
        """A stream for a ticket, on an upstream of its own: a ticket opens one stream, once.

        None and errors: as `by_key`.
        """
        request = pb.StreamRunEventsRequest(
            run_id=run_id, after_sequence=after, include_tool_calls=tool_calls
        )
        ticketed = Ticketed(self._runs, ticket, request_id, request)
        try:
            async with asyncio.timeout(self._settings.limit):
                tenant = await ticketed.tenant()
                if tenant is None:
                    return None
                self._check_room(tenant)
                with self._placed(tenant):
                    call = await ticketed.redeem()
        except TimeoutError:
            detail = "the stream did not open in time"
            raise problem("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", detail) from None
        if self.closing:
            call.cancel()
            raise _draining()
        pieces = tickets.pieces(call, self._settings.heartbeat)
        return EventStream(self, self._settings, tenant, "ticket", pieces, request_id)

    def _check_room(self, tenant: str) -> None:
        if self.closing:
            raise _draining()
        if self.open[tenant] >= self._settings.max_streams:
            detail = f"the tenant has {self.open[tenant]} streams open, which is as many as it may"
            raise problem("TOO_MANY_STREAMS", "RESOURCE_EXHAUSTED", detail, headers={"Retry-After": "5"})

    @contextmanager
    def counting(self, tenant: str, credential: str) -> Iterator[None]:
        """The present task is a stream of this tenant as long as this lasts."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (an ASGI application runs in a task)
        with self._placed(tenant), metrics.streams(credential).track_inprogress():
            self._tasks.add(task)
            try:
                yield
            finally:
                self._tasks.discard(task)

    @contextmanager
    def _placed(self, tenant: str) -> Iterator[None]:
        self.open[tenant] += 1
        try:
            yield
        finally:
            self.open[tenant] -= 1
            if not self.open[tenant]:
                del self.open[tenant]

    def close(self) -> None:
        """End every stream plainly, in a moment: readers come back to another server, from their cursor."""
        self.closing = True
        asyncio.get_running_loop().call_later(_LAST, self._end)

    def _end(self) -> None:
        for task in self._tasks:
            task.cancel()


def _draining() -> Problem:
    detail = "the gateway is shutting down"
    return problem("SERVER_DRAINING", "UNAVAILABLE", detail, headers={"Retry-After": "1"})


class _Watch:
    """One key watching one run: the past in pages at its own pace, the present from a feed."""

    def __init__(
        self, runs: Any, feeds: Fanouts, settings: Settings, caller: Caller, run_id: str, *, tool_calls: bool
    ) -> None:
        self._runs = runs
        self._feeds = feeds
        self._settings = settings
        self._caller = caller
        self._run_id = run_id
        self._tool_calls = tool_calls

    async def page(self, after: int) -> Any:
        """Events behind a cursor, as this key may see them. aio.AioRpcError."""
        request = pb.ListRunEventsRequest(
            run_id=self._run_id, after_sequence=after, limit=_PAGE, include_tool_calls=self._tool_calls
        )
        return await self._runs.ListRunEvents(
            request, metadata=self._caller.metadata, timeout=self._settings.limit
        )

    async def pieces(self, page: Any, cursor: int) -> AsyncGenerator[bytes, None]:
        """Frames from a first page on, until the run ends or the key may not see it any more."""
        view = View(page.tenant, self._run_id, self._tool_calls, page.links, page.connect_links)
        try:
            while True:
                for _, piece in joined(frames(page.events)):
                    yield piece
                if page.end:
                    return
                is_last = page.next_after_sequence - cursor < _PAGE and page.ByteSize() < _HEAVY
                cursor, page = page.next_after_sequence, None  # a page is large, and a feed lasts for hours
                if is_last:
                    with self._feeds.following(view, self._caller, cursor) as follower:
                        while (live := await follower.next(self._settings.heartbeat)) is not None:
                            yield live or COMMENT
                        if not follower.lagged or follower.refused:
                            return
                        cursor = follower.cursor
                page = await self.page(cursor)
        except aio.AioRpcError as failure:
            _log.info("a stream was cut", run_id=self._run_id, code=failure.code().name)


class EventStream:
    """A stream as an ASGI answer. A reader that goes away ends nothing but its stream."""

    def __init__(
        self,
        streams: Streams,
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
        reader = _Reader(send, connection(scope), self._stall)
        framed = scope["http_version"] != "1.0"
        if not framed:
            reader.connection.unframe()
        with self._streams.counting(self._tenant, self._credential), reader.connection.canceling():
            try:
                async with aclosing(self._pieces):
                    await self._send_all(reader)
            except asyncio.CancelledError:
                if not (self._streams.closing or reader.connection.lost.done()):
                    raise
                reader.stall = _LAST  # whoever reads nothing holds nobody up
            except Exception:
                # The answer has begun, so nobody above could still say that it failed.
                _log.exception("a stream failed", request_id=self._request_id)
        if framed:
            await reader.send({"type": "http.response.body"})

    async def _send_all(self, reader: _Reader) -> None:
        await reader.send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await reader.send({"type": "http.response.body", "body": _RETRY, "more_body": True})
        async for piece in self._pieces:
            await reader.send({"type": "http.response.body", "body": piece, "more_body": True})


class _Reader:
    """Who reads a stream. One that takes nothing for `stall` seconds loses its connection."""

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


async def opening(scope: Scope, receive: Receive, send: Send) -> None:
    """What a stream begins with, for HEAD: its length is not known, so none is told."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body"})


def ended() -> Response:
    """The run has ended and everything was read: an EventSource does not come back."""
    return Response(status_code=204, headers={"Cache-Control": "no-store"})
