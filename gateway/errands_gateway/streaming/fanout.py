"""Feeds: one upstream for each run and view, shared by everybody who watches it live.

Who watches holds no queue: it has a cursor into its feed's last frames, and reads the log
again, with its own credential, where it fell behind them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any, Final

import structlog
from grpc import StatusCode, aio
from msgspec import Struct

from errands.v1 import run_pb2 as pb

from ..http.caller import Caller
from ..settings import Settings
from .frames import Frame, frames, joined

MAX_FRAMES: Final = 512  # kept for followers
MAX_BYTES: Final = 1 << 20  # of frames
TENANT: Final = "errands-tenant"  # initial metadata of a stream that was accepted
_PAUSE: Final = 0.5  # seconds between tries
_REFUSED: Final = frozenset({StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED, StatusCode.NOT_FOUND})
# Whatever else a server says, it would say again.
_AWAY: Final = frozenset(
    {StatusCode.UNAVAILABLE, StatusCode.CANCELLED, StatusCode.UNKNOWN, StatusCode.RESOURCE_EXHAUSTED}
)

_log = structlog.get_logger("errands.feeds")


class View(Struct, frozen=True):
    """What is watched: everybody who watches the same sees the same frames."""

    tenant: str
    run_id: str
    tool_calls: bool
    links: bool
    connect_links: bool


class Follower:
    """One reader of a feed. `cursor` is the sequence it has read up to."""

    __slots__ = ("_feed", "_waiter", "caller", "cursor", "refused")

    def __init__(self, feed: Fanout, caller: Caller, cursor: int) -> None:
        self._feed = feed
        self._waiter: asyncio.Future[None] | None = None
        self.caller = caller
        self.cursor = cursor
        self.refused = False

    @property
    def lagged(self) -> bool:
        """Whether the feed no longer has what comes behind the cursor."""
        return self.cursor < self._feed.floor

    async def next(self, silence: float) -> bytes | None:
        """Frames behind the cursor; none after so many seconds of silence.

        None: it lagged, it was refused, or the feed is over.
        """
        if not self._waits():
            return self._take()
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        # A timer instead of asyncio.timeout, which costs more than all the rest of a delivery.
        timer = loop.call_later(silence, self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
        return b"" if self._waits() else self._take()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def refuse(self) -> None:
        """End it: its caller may not see the run any more."""
        self.refused = True
        self.wake()

    def _waits(self) -> bool:
        feed = self._feed
        return self.cursor >= feed.head and not (feed.over or self.refused)

    def _take(self) -> bytes | None:
        if self.refused or self.lagged or self.cursor >= self._feed.head:
            return None
        self.cursor, piece = self._feed.behind(self.cursor)
        return piece


class Fanout:
    """One upstream, from a cursor on, and the last frames it brought.

    It runs on the credential of a follower who is there; when that one leaves, on another's.
    """

    def __init__(self, runs: Any, settings: Settings, view: View, after: int) -> None:
        self._runs = runs
        self._settings = settings
        self._view = view
        self.floor = after  # every visible event behind this one is among the frames
        self.head = after
        self.over = False
        self.followers: dict[Follower, None] = {}  # in the order they came
        self._frames: deque[Frame] = deque()
        self._size = 0
        # Of the last question: most followers ask the same, and the answer stays right.
        self._asked = -1
        self._answer: Frame = (0, b"")
        self._owner: Follower | None = None
        self._pump: asyncio.Task[None] | None = None
        self._guard: asyncio.Task[None] | None = None

    def behind(self, cursor: int) -> Frame:
        """What comes first behind a cursor that has something behind it."""
        if self._asked != cursor:
            found = list(takewhile(lambda frame: frame[0] > cursor, reversed(self._frames)))
            self._asked, self._answer = cursor, next(joined(reversed(found)))
        return self._answer

    def join(self, follower: Follower) -> None:
        self.followers[follower] = None
        if self._guard is None:
            self._guard = asyncio.create_task(self._check())
            self._open()

    def leave(self, follower: Follower) -> None:
        """Go on without one of the followers. It may have left already."""
        self.followers.pop(follower, None)
        if follower is self._owner:
            self._open()
        if not self.followers and self._guard is not None:
            self._guard.cancel()
            self._guard = None

    def _open(self) -> None:
        """Read on, from the frame that came last, on the credential of somebody who is there."""
        if self._pump is not None:
            self._pump.cancel()
        self._owner = self._pump = None
        if self.followers and not self.over:
            self._pump = asyncio.create_task(self._run(), name=f"errands feed {self._view.run_id}")

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(self._settings.patience) as patience:
                while self.followers and not self.over:
                    self._owner = next(iter(self.followers))
                    self.over = await self._read(self._owner, patience)
        except TimeoutError:
            _log.warning("the server did not come back", run_id=self._view.run_id)
        except Exception:
            _log.exception("a feed failed", run_id=self._view.run_id)
        self.over = True
        self._wake()

    async def _read(self, owner: Follower, patience: asyncio.Timeout) -> bool:
        """Read on with one follower's credential; whether the feed is over now."""
        request = pb.StreamRunEventsRequest(
            run_id=self._view.run_id, after_sequence=self.head, include_tool_calls=self._view.tool_calls
        )
        call = self._runs.StreamRunEvents(request, metadata=owner.caller.metadata, wait_for_ready=True)
        try:
            if TENANT in await call.initial_metadata():
                patience.reschedule(None)
            async for message in call:
                self._put(frames(message.events))
            return True
        except aio.AioRpcError as failure:
            return await self._failed(owner, failure, patience)
        finally:
            # Also where it never began: a call that waits for its server would open it for nobody.
            call.cancel()

    async def _failed(self, owner: Follower, failure: aio.AioRpcError, patience: asyncio.Timeout) -> bool:
        if failure.code() in _REFUSED:
            # This one may not watch any more; the others still may.
            self.followers.pop(owner, None)
            owner.refuse()
            return False
        _log.warning("a feed was cut", run_id=self._view.run_id, code=failure.code().name)
        if failure.code() not in _AWAY:
            return True  # readers come back, and hear themselves what is wrong
        if patience.when() is None:
            patience.reschedule(asyncio.get_running_loop().time() + self._settings.patience)
        await asyncio.sleep(_PAUSE)
        return False

    def _put(self, found: Iterable[Frame]) -> None:
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

    async def _check(self) -> None:
        """Check every credential again, from time to time; who may not watch any more is dropped."""
        while True:
            await asyncio.sleep(self._settings.recheck)
            alike: dict[object, list[Follower]] = {}
            for follower in self.followers:
                alike.setdefault(follower.caller.credential, []).append(follower)
            for same in alike.values():
                if await self._is_refused(same[0].caller):
                    for follower in same:
                        follower.refuse()
                        self.leave(follower)

    async def _is_refused(self, caller: Caller) -> bool:
        request = pb.ListRunEventsRequest(run_id=self._view.run_id, after_sequence=self.head, limit=1)
        try:
            await self._runs.ListRunEvents(request, metadata=caller.metadata, timeout=self._settings.limit)
        except aio.AioRpcError as failure:
            return failure.code() in _REFUSED  # a server that is away may come back
        except Exception:
            _log.exception("a credential was not checked", run_id=self._view.run_id)
        return False


class Fanouts:
    """The feeds of a gateway."""

    def __init__(self, runs: Any, settings: Settings) -> None:
        self._runs = runs
        self._settings = settings
        self._feeds: dict[View, Fanout] = {}

    def __len__(self) -> int:
        return len(self._feeds)

    @contextmanager
    def following(self, view: View, caller: Caller, cursor: int) -> Iterator[Follower]:
        """Follow a run live from a cursor near its head."""
        feed = self._feeds.get(view)
        if feed is None or feed.over:
            feed = self._feeds[view] = Fanout(self._runs, self._settings, view, cursor)
        follower = Follower(feed, caller, cursor)
        feed.join(follower)
        try:
            yield follower
        finally:
            feed.leave(follower)
            if not feed.followers and self._feeds.get(view) is feed:
                del self._feeds[view]
