"""Fan-out of a run's events: the readers of one view share one upstream, and one encoding per dialect.

A reader has no queue. It has a cursor into the last frames of its dialect; a reader that falls
behind them reads the log again, with its own credential.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Any, Final

import structlog
from grpc import StatusCode, aio
from msgspec import Struct

from errands.v1.event_pb2 import RunEvent
from errands.v1.run_pb2 import ListRunEventsRequest, StreamRunEventsRequest

from ..http.caller import Caller
from ..settings import Settings
from .frames import EventDocument, Frame, frames, pack

MAX_FRAMES: Final = 512  # kept of one dialect
MAX_BYTES: Final = 1 << 20  # of them
TENANT: Final = "errands-tenant"  # initial metadata of a stream that was accepted
_PAUSE: Final = 0.5  # seconds between attempts
_REFUSED: Final = frozenset({StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED, StatusCode.NOT_FOUND})
# A server answers the same again to a request that it refused with another code.
_AWAY: Final = frozenset(
    {StatusCode.UNAVAILABLE, StatusCode.CANCELLED, StatusCode.UNKNOWN, StatusCode.RESOURCE_EXHAUSTED}
)

_log = structlog.get_logger("errands.feeds")


class View(Struct, frozen=True):
    """The events that a reader may see: readers of equal views see the same events."""

    tenant: str
    run_id: str
    tool_calls: bool  # with tool calls, their results and reasoning
    links: bool  # with the links that decide approvals
    connect_links: bool  # with the links at which users connect


class FrameWindow:
    """The last events of a fan-out, encoded once as the frames of one dialect, for all of its readers."""

    __slots__ = ("_asked", "_document", "_frames", "_piece", "_size", "floor", "head")

    def __init__(self, document: EventDocument, floor: int) -> None:
        self._document = document
        self._frames: deque[Frame] = deque()
        self._size = 0
        self.floor = floor  # every event behind it that the dialect knows is among the frames
        self.head = floor  # sequence of the last frame
        # The last cursor and what is behind it: most readers are at the same one.
        self._asked = -1
        self._piece: Frame = (0, b"")

    def put(self, events: Iterable[RunEvent]) -> None:
        """Encode the next events, and drop the oldest frames beyond MAX_FRAMES and MAX_BYTES."""
        for sequence, frame in frames(events, self._document):
            self._frames.append((sequence, frame))
            self._size += len(frame)
            self.head = sequence
        while len(self._frames) > MAX_FRAMES or (self._size > MAX_BYTES and len(self._frames) > 1):
            self.floor, dropped = self._frames.popleft()
            self._size -= len(dropped)

    def behind(self, cursor: int) -> Frame:
        """The first piece behind a cursor that is below the head."""
        if self._asked != cursor:
            found = list(takewhile(lambda frame: frame[0] > cursor, reversed(self._frames)))
            self._asked, self._piece = cursor, next(pack(reversed(found)))
        return self._piece


class Subscriber:
    """One reader of a fan-out. `cursor` is the sequence up to which it has read."""

    __slots__ = ("_fanout", "_waiter", "_window", "caller", "cursor", "refused")

    def __init__(self, fanout: Fanout, window: FrameWindow, caller: Caller, cursor: int) -> None:
        self._fanout = fanout
        self._window = window
        self._waiter: asyncio.Future[None] | None = None
        self.caller = caller
        self.cursor = cursor
        self.refused = False

    @property
    def has_lagged(self) -> bool:
        """Whether frames behind the cursor are dropped already."""
        return self.cursor < self._window.floor

    async def next(self, silence: float) -> bytes | None:
        """Frames behind the cursor; none after `silence` seconds without an event.

        None: it has lagged, it was refused, or the fan-out is over.
        """
        if not self._must_wait():
            return self._take()
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        # A timer instead of asyncio.timeout, which costs more than all the rest of a delivery.
        timer = loop.call_later(silence, self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
        return b"" if self._must_wait() else self._take()

    def wake(self) -> None:
        """End the wait of `next`."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def refuse(self) -> None:
        """End it, because its caller may not see the run any more."""
        self.refused = True
        self.wake()

    def _must_wait(self) -> bool:
        return self.cursor >= self._window.head and not (self._fanout.over or self.refused)

    def _take(self) -> bytes | None:
        if self.refused or self.has_lagged or self.cursor >= self._window.head:
            return None
        self.cursor, piece = self._window.behind(self.cursor)
        return piece


def _has_link(event: RunEvent) -> bool:
    """Whether an event has a link that decides, or at which users connect."""
    match event.WhichOneof("event"):
        case "approval_required":
            return bool(event.approval_required.actions)
        case "auth_required":
            return bool(event.auth_required.url)
    return False


class Fanout:
    """One upstream of a view, and a window of its last events for each dialect in which it is read.

    The upstream has the credential of one subscriber; when that one leaves, of another.
    """

    def __init__(self, runs: Any, settings: Settings, view: View, after: int) -> None:
        self._runs = runs
        self._settings = settings
        self._view = view
        self.over = False
        self.subscribers: dict[Subscriber, None] = {}  # in the order in which they came
        self._head = after  # sequence of the last event
        self._windows: dict[EventDocument, FrameWindow] = {}
        self._owner: Subscriber | None = None
        self._pump: asyncio.Task[None] | None = None
        self._guard: asyncio.Task[None] | None = None

    def window(self, document: EventDocument) -> FrameWindow:
        """The window of a dialect, from now to the end of the fan-out.

        A first reader whose cursor is below the head has lagged, and reads the log once more. That is
        cheaper than to keep every event for a dialect that may never be read.
        """
        if document not in self._windows:
            self._windows[document] = FrameWindow(document, self._head)
        return self._windows[document]

    def join(self, subscriber: Subscriber) -> None:
        self.subscribers[subscriber] = None
        if self._guard is None:
            self._guard = asyncio.create_task(self._check_credentials())
            self._open()

    def leave(self, subscriber: Subscriber) -> None:
        """Go on without a subscriber. It may have left already."""
        self.subscribers.pop(subscriber, None)
        if subscriber is self._owner:
            self._open()
        if not self.subscribers and self._guard is not None:
            self._guard.cancel()
            self._guard = None

    def _open(self) -> None:
        """Replace the upstream: from the last event on, on the credential of a present subscriber."""
        if self._pump is not None:
            self._pump.cancel()
        self._owner = self._pump = None
        if self.subscribers and not self.over:
            self._pump = asyncio.create_task(self._run(), name=f"errands feed {self._view.run_id}")

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(self._settings.patience) as patience:
                while self.subscribers and not self.over:
                    self._owner = next(iter(self.subscribers))
                    self.over = await self._read(self._owner, patience)
        except TimeoutError:
            _log.warning("the server did not come back", run_id=self._view.run_id)
        except Exception:
            _log.exception("a feed failed", run_id=self._view.run_id)
        self.over = True
        self._wake()

    async def _read(self, owner: Subscriber, patience: asyncio.Timeout) -> bool:
        """Read the upstream with one subscriber's credential; whether the fan-out is over now."""
        request = StreamRunEventsRequest(
            run_id=self._view.run_id, after_sequence=self._head, include_tool_calls=self._view.tool_calls
        )
        call = self._runs.StreamRunEvents(request, metadata=owner.caller.metadata, wait_for_ready=True)
        try:
            if TENANT in await call.initial_metadata():
                patience.reschedule(None)
            async for message in call:
                if any(map(_has_link, message.events)):
                    await self._drop_refused()
                self._put(message.events)
            return True
        except aio.AioRpcError as failure:
            if failure.code() in _REFUSED:
                # This caller may not read any more; the others still may.
                self.subscribers.pop(owner, None)
                owner.refuse()
                return False
            _log.warning("a feed was cut", run_id=self._view.run_id, code=failure.code().name)
            if failure.code() not in _AWAY:
                return True  # readers come back, and get the server's answer themselves
        finally:
            # Also where it never began: a call that waits for its server would open it without a reader.
            call.cancel()
        if patience.when() is None:
            patience.reschedule(asyncio.get_running_loop().time() + self._settings.patience)
        await asyncio.sleep(_PAUSE)
        return False

    def _put(self, events: Sequence[RunEvent]) -> None:
        if events:
            self._head = events[-1].sequence
        for window in self._windows.values():
            window.put(events)
        self._wake()

    def _wake(self) -> None:
        for subscriber in self.subscribers:
            subscriber.wake()

    async def _check_credentials(self) -> None:
        """Check every credential every `recheck` seconds, as also before a link goes out; drop subscribers
        who may not read any more.
        """
        while True:
            await asyncio.sleep(self._settings.recheck)
            await self._drop_refused()

    async def _drop_refused(self) -> None:
        by_credential: dict[object, list[Subscriber]] = {}
        for subscriber in self.subscribers:
            by_credential.setdefault(subscriber.caller.credential, []).append(subscriber)
        for same in by_credential.values():
            if await self._is_refused(same[0].caller):
                for subscriber in same:
                    subscriber.refuse()
                    self.leave(subscriber)

    async def _is_refused(self, caller: Caller) -> bool:
        request = ListRunEventsRequest(run_id=self._view.run_id, after_sequence=self._head, limit=1)
        try:
            await self._runs.ListRunEvents(request, metadata=caller.metadata, timeout=self._settings.limit)
        except aio.AioRpcError as failure:
            return failure.code() in _REFUSED  # a server that is away may come back
        except Exception:
            _log.exception("a credential was not checked", run_id=self._view.run_id)
        return False


class FanoutRegistry:
    """The fan-outs of a gateway, by view."""

    def __init__(self, runs: Any, settings: Settings) -> None:
        self._runs = runs
        self._settings = settings
        self._fanouts: dict[View, Fanout] = {}

    def __len__(self) -> int:
        return len(self._fanouts)

    @contextmanager
    def subscribe(
        self, view: View, caller: Caller, cursor: int, document: EventDocument
    ) -> Iterator[Subscriber]:
        """Read a view live, in a dialect, from a cursor near the head of the run."""
        fanout = self._fanouts.get(view)
        if fanout is None or fanout.over:
            fanout = self._fanouts[view] = Fanout(self._runs, self._settings, view, cursor)
        subscriber = Subscriber(fanout, fanout.window(document), caller, cursor)
        fanout.join(subscriber)
        try:
            yield subscriber
        finally:
            fanout.leave(subscriber)
            if not fanout.subscribers and self._fanouts.get(view) is fanout:
                del self._fanouts[view]
