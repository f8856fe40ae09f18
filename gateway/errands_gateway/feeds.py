"""Feeds: one upstream for each run and view, shared by everybody who watches it live.

Who watches holds no queue: it has a cursor into its feed's last frames, and reads the log
again, with its own credential, where it fell behind them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import structlog
from grpc import StatusCode, aio
from msgspec import Struct

from errands.v1 import event_pb2, run_pb2

from . import events, values
from .caller import Caller
from .settings import Settings

MAX_FRAMES: Final = 1_024  # kept for followers
MAX_BYTES: Final = 4 << 20  # of frames
_PATIENCE: Final = 60.0  # seconds a feed waits for a server that went away
_PAUSE: Final = 0.5  # seconds between tries
REFUSED: Final = frozenset({StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED, StatusCode.NOT_FOUND})

_log = structlog.get_logger("errands.feeds")


class View(Struct, frozen=True):
    """What is watched: everybody who watches the same sees the same frames."""

    tenant: str
    run_id: str
    tool_calls: bool
    links: bool


def frames(found: Sequence[event_pb2.RunEvent]) -> Iterator[tuple[int, bytes]]:
    """Events as frames of an event stream, each with its sequence."""
    for one in found:
        made = events.event(one)
        if made is None:
            continue
        kind, document = made
        data = values.encoded(document)
        if b"\n" in data or b"\r" in data:
            # A line break in JSON stands between tokens, never in a string.
            data = data.replace(b"\n", b" ").replace(b"\r", b" ")
        yield one.sequence, b"id: %d\nevent: %s\ndata: %s\n\n" % (one.sequence, kind.encode(), data)


class Follower:
    """One reader of a feed. `cursor` is the sequence it has read up to."""

    __slots__ = ("_feed", "_waiter", "caller", "cursor")

    def __init__(self, feed: Feed, caller: Caller, cursor: int) -> None:
        self._feed = feed
        self.caller = caller
        self.cursor = cursor
        self._waiter: asyncio.Future[None] | None = None

    @property
    def lagged(self) -> bool:
        """Whether the feed no longer has what comes behind the cursor."""
        return self.cursor < self._feed.floor

    async def next(self) -> bytes | None:
        """The frames behind the cursor, once there are some; None where it lagged, or the feed is over."""
        feed = self._feed
        while not self.lagged:
            if feed.head > self.cursor:
                joined = feed.behind(self.cursor)
                self.cursor = feed.head
                return joined
            if feed.over or self not in feed.followers:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Feed:
    """One upstream, from a cursor on, and the last frames it brought.

    It runs on the credential of a follower who is there; when that one leaves, on another's.
    """

    def __init__(self, runs: Any, view: View, after: int) -> None:
        self._runs = runs
        self._view = view
        self.floor = after  # every visible event behind this one is among the frames
        self.head = after
        self.over = False
        self.followers: dict[Follower, None] = {}  # in the order they came
        self._frames: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._owner: Follower | None = None
        self._pump: asyncio.Task[None] | None = None

    def behind(self, cursor: int) -> bytes:
        """The frames behind a cursor, joined."""
        found = []
        for sequence, frame in reversed(self._frames):
            if sequence <= cursor:
                break
            found.append(frame)
        return found[0] if len(found) == 1 else b"".join(reversed(found))

    def join(self, follower: Follower) -> None:
        self.followers[follower] = None
        if self._pump is None:
            self._start()

    def leave(self, follower: Follower) -> None:
        self.followers.pop(follower, None)
        if follower is self._owner and not self.over:
            self._stop()
            if self.followers:
                self._start()

    def _start(self) -> None:
        self._pump = asyncio.create_task(self._run(), name=f"errands feed {self._view.run_id}")

    def _stop(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE) as patience:
                while self.followers:
                    self._owner = next(iter(self.followers))
                    if await self._read(self._owner, patience):
                        break
        except TimeoutError:
            _log.warning("the server did not come back", run_id=self._view.run_id)
        except Exception:
            _log.exception("a feed failed", run_id=self._view.run_id)
        self.over = True
        self._wake()

    async def _read(self, owner: Follower, patience: asyncio.Timeout) -> bool:
        """Read on with one follower's credential; True once the run has ended."""
        request = run_pb2.StreamRunEventsRequest(
            run_id=self._view.run_id, after_sequence=self.head, include_tool_calls=self._view.tool_calls
        )
        call = self._runs.StreamRunEvents(request, metadata=owner.caller.metadata, wait_for_ready=True)
        try:
            await call.initial_metadata()
            if not call.done():
                patience.reschedule(None)
            async for message in call:
                self._put(frames(message.events))
        except aio.AioRpcError as failure:
            patience.reschedule(patience.when() or asyncio.get_running_loop().time() + _PATIENCE)
            await self._failed(owner, failure)
            return False
        return True

    async def _failed(self, owner: Follower, failure: aio.AioRpcError) -> None:
        if failure.code() in REFUSED:
            # This one may not watch any more; the others still may.
            self.followers.pop(owner, None)
            owner.wake()
            return
        _log.info("a feed was cut", run_id=self._view.run_id, code=failure.code().name)
        await asyncio.sleep(_PAUSE)

    def _put(self, found: Iterator[tuple[int, bytes]]) -> None:
        for sequence, frame in found:
            self._frames.append((sequence, frame))
            self._size += len(frame)
            self.head = sequence
        while len(self._frames) > MAX_FRAMES or (self._size > MAX_BYTES and len(self._frames) > 1):
            self.floor, dropped = self._frames.popleft()
            self._size -= len(dropped)
        self._wake()

    def _wake(self) -> None:
        for follower in self.followers:
            follower.wake()


class Feeds:
    """The feeds of a gateway."""

    def __init__(self, runs: Any, settings: Settings) -> None:
        self._runs = runs
        self._settings = settings
        self._feeds: dict[View, Feed] = {}

    @contextmanager
    def following(self, view: View, caller: Caller, cursor: int) -> Iterator[Follower]:
        """Follow a run live from a cursor that is at its head, or was a moment ago."""
        feed = self._feeds.get(view)
        if feed is None or feed.over:
            feed = self._feeds[view] = Feed(self._runs, view, cursor)
        follower = Follower(feed, caller, cursor)
        feed.join(follower)
        try:
            yield follower
        finally:
            feed.leave(follower)
            if not feed.followers and self._feeds.get(view) is feed:
                del self._feeds[view]
