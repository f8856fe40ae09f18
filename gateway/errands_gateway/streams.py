"""Streams of a run's events over HTTP: Server-Sent Events, resumed from any cursor."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

import structlog
from grpc import aio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from errands.v1 import run_pb2 as pb

from .caller import Caller
from .feeds import REFUSED, Feeds, Follower, View, frames
from .problems import Problem, problem
from .settings import Settings

TICKET: Final = "x-stream-ticket"
_PAGE: Final = 1_000  # events of the past read together
_RETRY: Final = b"retry: 2000\n\n"
_COMMENT: Final = b":\n\n"
HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}
_RAW_HEADERS: Final = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

_log = structlog.get_logger("errands.streams")


class Streams:
    """Opens streams, counts them for each tenant, and ends them all when the gateway stops."""

    def __init__(self, runs: Any, settings: Settings) -> None:
        self._runs = runs
        self._settings = settings
        self._feeds = Feeds(runs, settings)
        self._open: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.closing = False

    async def by_key(
        self, caller: Caller, run_id: str, after: int, *, tool_calls: bool
    ) -> EventStream | None:
        """A stream for a key; None where the run has ended and nothing is behind the cursor.

        aio.AioRpcError as of ListRunEvents; Problem TOO_MANY_STREAMS.
        """
        watch = Watch(self._runs, self._feeds, self._settings, caller, run_id, tool_calls=tool_calls)
        page = await watch.page(after, _PAGE)
        if page.end and not page.events:
            return None
        return self._opened(page.tenant, watch.chunks(page, after))

    async def by_ticket(
        self, ticket: str, request_id: str, run_id: str, after: int, *, tool_calls: bool
    ) -> EventStream | None:
        """A stream for a ticket, on an upstream of its own: a ticket opens one stream, once.

        None, aio.AioRpcError, Problem: as `by_key`.
        """
        request = pb.StreamRunEventsRequest(
            run_id=run_id, after_sequence=after, include_tool_calls=tool_calls
        )
        call = self._runs.StreamRunEvents(request, metadata=((TICKET, ticket), ("x-request-id", request_id)))
        try:
            async with asyncio.timeout(self._settings.limit):
                told = dict(await call.initial_metadata())
                if "errands-tenant" not in told:
                    await call.read()  # raises what the call was refused with
            if "errands-end" in told:
                return None
            return self._opened(str(told["errands-tenant"]), self._ticketed(call))
        except TimeoutError:
            call.cancel()
            raise problem(
                "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "the stream did not open in time"
            ) from None
        except Problem:
            call.cancel()
            raise

    async def _ticketed(self, call: Any) -> AsyncGenerator[bytes, None]:
        reading: asyncio.Task[Any] | None = None
        try:
            while True:
                # Cancelling a read would end the call, so silence is told from the outside.
                reading = reading or asyncio.create_task(call.read())
                done, _ = await asyncio.wait({reading}, timeout=self._settings.heartbeat)
                if not done:
                    yield _COMMENT
                    continue
                message, reading = reading.result(), None
                if message is aio.EOF:
                    return
                yield b"".join(frame for _, frame in frames(message.events))
        except aio.AioRpcError as failure:
            _log.info("a stream was cut", code=failure.code().name)
        finally:
            call.cancel()
            if reading is not None:
                reading.cancel()

    def _opened(self, tenant: str, chunks: AsyncGenerator[bytes, None]) -> EventStream:
        if self._open[tenant] >= self._settings.max_streams or self.closing:
            detail = f"the tenant has {self._open[tenant]} streams open, which is as many as it may"
            raise problem("TOO_MANY_STREAMS", "RESOURCE_EXHAUSTED", detail, headers={"Retry-After": "5"})
        return EventStream(self, tenant, chunks, self._settings.stall)

    def enter(self, tenant: str, task: asyncio.Task[Any]) -> None:
        self._open[tenant] += 1
        self._tasks.add(task)

    def leave(self, tenant: str, task: asyncio.Task[Any]) -> None:
        self._open[tenant] -= 1
        if not self._open[tenant]:
            del self._open[tenant]
        self._tasks.discard(task)

    def close(self) -> None:
        """End every stream plainly: readers come back to another server, from their cursor."""
        self.closing = True
        for task in self._tasks:
            task.cancel()


class Watch:
    """One key watching one run: the past in pages at its own pace, the present from a feed."""

    def __init__(
        self, runs: Any, feeds: Feeds, settings: Settings, caller: Caller, run_id: str, *, tool_calls: bool
    ) -> None:
        self._runs = runs
        self._feeds = feeds
        self._settings = settings
        self._caller = caller
        self._run_id = run_id
        self._tool_calls = tool_calls
        self._recheck = asyncio.get_running_loop().time() + settings.recheck

    async def page(self, after: int, limit: int) -> Any:
        """Events behind a cursor, as this key may see them. aio.AioRpcError."""
        request = pb.ListRunEventsRequest(
            run_id=self._run_id, after_sequence=after, limit=limit, include_tool_calls=self._tool_calls
        )
        return await self._runs.ListRunEvents(
            request, metadata=self._caller.metadata, timeout=self._settings.limit
        )

    async def chunks(self, page: Any, cursor: int) -> AsyncGenerator[bytes, None]:
        """Frames from a first page on, until the run ends or the key may not see it any more."""
        view = View(page.tenant, self._run_id, self._tool_calls, page.links)
        try:
            while True:
                while page.next_after_sequence > cursor:
                    if page.events:
                        yield b"".join(frame for _, frame in frames(page.events))
                    cursor = page.next_after_sequence
                    if page.end:
                        return
                    page = await self.page(cursor, _PAGE)
                if page.end:
                    return
                with self._feeds.following(view, self._caller, cursor) as follower:
                    while (chunk := await self._live(follower)) is not None:
                        yield chunk
                    if not follower.lagged:
                        return
                    cursor = follower.cursor
                page = await self.page(cursor, _PAGE)
        except aio.AioRpcError as failure:
            _log.info("a stream was cut", run_id=self._run_id, code=failure.code().name)

    async def _live(self, follower: Follower) -> bytes | None:
        """What comes next: frames, a comment after a silence, or nothing any more."""
        clock = asyncio.get_running_loop().time
        if clock() >= self._recheck:
            await self._check(follower.cursor)
            self._recheck = clock() + self._settings.recheck
        try:
            async with asyncio.timeout(self._settings.heartbeat):
                return await follower.next()
        except TimeoutError:
            return _COMMENT

    async def _check(self, cursor: int) -> None:
        """aio.AioRpcError where the key may not see the run any more; a server that is away may come back."""
        try:
            await self.page(cursor, 1)
        except aio.AioRpcError as failure:
            if failure.code() in REFUSED:
                raise


class EventStream:
    """A stream as an ASGI answer. A reader that goes away ends nothing but its stream."""

    def __init__(
        self, streams: Streams, tenant: str, chunks: AsyncGenerator[bytes, None], stall: float
    ) -> None:
        self._streams = streams
        self._tenant = tenant
        self._chunks = chunks
        self._stall = stall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (an ASGI application runs in a task)
        watching = asyncio.create_task(_gone(receive))
        watching.add_done_callback(lambda done: done.cancelled() or task.cancel())
        self._streams.enter(self._tenant, task)
        try:
            async with aclosing(self._chunks):
                await self._send_all(send)
        except asyncio.CancelledError:
            if watching.done():
                task.uncancel()  # the reader went away, so there is nobody left to tell
                return
            if not self._streams.closing:
                raise
            task.uncancel()
        finally:
            self._streams.leave(self._tenant, task)
            watching.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _RAW_HEADERS})
        await send({"type": "http.response.body", "body": _RETRY, "more_body": True})
        async for chunk in self._chunks:
            try:
                async with asyncio.timeout(self._stall):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except TimeoutError:
                return


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def ended() -> Response:
    """The run has ended and everything was read: an EventSource does not come back."""
    return Response(status_code=204, headers={"Cache-Control": "no-store"})
