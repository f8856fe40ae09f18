"""Streams of a run's events: the past from the log, the present from the hub, without a seam."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Final

from msgspec import Struct

from .domain.errors import Exhausted, Reason, Unavailable
from .domain.events import Record
from .domain.run import FINAL
from .store.journal import Journal

BACKLOG: Final = 256  # entries a slow reader may lag behind before it reads the log instead
MAX_STREAMS: Final = 20_000
PIECE: Final = 1 << 20  # bytes sent together; gRPC clients refuse messages over 4 MiB


class View(Struct, frozen=True):
    """What a reader may see: tool details or not, links that decide or not, links to connect or not."""

    tool_calls: bool = False
    links: bool = False
    connect_links: bool = False


Encode = Callable[[str, str, Record, View], bytes]
"""Encodes a record of (tenant, run) for a view; empty where the view does not show it."""


class Entry:
    """A committed record, encoded at most once per view however many read it."""

    __slots__ = ("_encode", "_encoded", "_run", "record")

    def __init__(self, run: tuple[str, str], record: Record, encode: Encode) -> None:
        self._run = run
        self.record = record
        self._encode = encode
        self._encoded: dict[View, bytes] = {}

    def encoded(self, view: View) -> bytes:
        encoded = self._encoded.get(view)
        if encoded is None:
            encoded = self._encoded[view] = self._encode(*self._run, self.record, view)
        return encoded


class Subscription:
    """What is committed to one run from now on, as long as its reader keeps up."""

    __slots__ = ("_entries", "_lagged", "_waiter", "closed")

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._lagged = False
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False

    def put(self, entry: Entry) -> None:
        if len(self._entries) >= BACKLOG:
            # The log has everything, so a slow reader costs no memory, only another read.
            self.lag()
            return
        if not self._lagged:
            self._entries.append(entry)
        self.wake()

    def lag(self) -> None:
        """There is more in the log than came here."""
        self._entries.clear()
        self._lagged = True
        self.wake()

    def close(self) -> None:
        self.closed = True
        self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self) -> Sequence[Entry] | None:
        """The entries that came; None where some were dropped; empty once it is closed."""
        while not (self._entries or self._lagged or self.closed):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._lagged:
            self._lagged = False
            self._entries.clear()
            return None
        taken = list(self._entries)
        self._entries.clear()
        return taken


class Hub:
    """Hands committed records to whoever follows their run, in this process."""

    def __init__(self, encode: Encode) -> None:
        self.encode = encode
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._told: dict[str, int] = {}
        self._count = 0
        self._closed = False

    def publish(self, tenant: str, run_id: str, records: Sequence[Record]) -> None:
        subscriptions = self._subscriptions.get(run_id)
        if not subscriptions:
            return
        self._told[run_id] = records[-1].sequence
        for record in records:
            entry = Entry((tenant, run_id), record, self.encode)
            for subscription in subscriptions:
                subscription.put(entry)

    def hint(self, run_id: str, sequence: int = 0) -> None:
        """Another process appended to the run, up to `sequence` where that is known."""
        subscriptions = self._subscriptions.get(run_id, ())
        if subscriptions and sequence:
            self._told[run_id] = sequence
        for subscription in subscriptions:
            subscription.lag()

    def followed(self) -> list[str]:
        """The runs that are followed."""
        return list(self._subscriptions)

    def told(self, run_id: str) -> int:
        """The last sequence its readers were told of; 0 where that is none."""
        return self._told.get(run_id, 0)

    @property
    def open(self) -> int:
        """Subscriptions there are."""
        return self._count

    @contextmanager
    def following(self, run_id: str) -> Iterator[Subscription]:
        """A subscription as long as this lasts. TOO_MANY_STREAMS, SERVER_DRAINING.

        For who follows a run; who waits for its plan only stays a moment, and needs no room.
        """
        if self._count >= MAX_STREAMS:
            raise Exhausted(Reason.TOO_MANY_STREAMS, "too many streams are open", retry_after=5)
        subscription = self.subscribe(run_id)
        try:
            yield subscription
        finally:
            self.unsubscribe(run_id, subscription)

    def subscribe(self, run_id: str) -> Subscription:
        """A subscription the caller hands back to `unsubscribe`. SERVER_DRAINING once the hub is closed."""
        if self._closed:
            raise draining()
        self._count += 1
        subscription = Subscription()
        self._subscriptions.setdefault(run_id, set()).add(subscription)
        return subscription

    def unsubscribe(self, run_id: str, subscription: Subscription) -> None:
        self._count -= 1
        subscriptions = self._subscriptions[run_id]
        subscriptions.discard(subscription)
        if not subscriptions:
            del self._subscriptions[run_id]
            self._told.pop(run_id, None)

    def close(self) -> None:
        """End every stream behind what was published."""
        self._closed = True
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.close()


def draining() -> Unavailable:
    return Unavailable(Reason.SERVER_DRAINING, "the server is shutting down", retry_after=1)


async def records(
    subscription: Subscription, hub: Hub, journal: Journal, run: tuple[str, str], after: int
) -> AsyncGenerator[list[Entry], None]:
    """Every record behind `after`, in order and once: first the past, then live, up to the final one.

    `subscription` is to this (tenant, run). SERVER_DRAINING: the server stops; go on elsewhere
    from the last sequence.
    """
    cursor = after
    while True:
        while past := await journal.read(run[1], cursor):
            yield [Entry(run, record, hub.encode) for record in past]
            cursor = past[-1].sequence
            if past[-1].status in FINAL:
                return
        # The log was read to its head, so what comes live continues it or tells of a gap.
        while batch := _continuing(await subscription.take(), cursor):
            yield batch
            cursor = batch[-1].record.sequence
            if batch[-1].record.status in FINAL:
                return
        if subscription.closed:
            raise draining()


def _continuing(entries: Sequence[Entry] | None, cursor: int) -> list[Entry]:
    """The entries behind `cursor`, where they follow it without a gap; else none."""
    fresh = [entry for entry in entries or () if entry.record.sequence > cursor]
    return fresh if fresh and fresh[0].record.sequence == cursor + 1 else []


async def encoded(
    subscription: Subscription, hub: Hub, journal: Journal, run: tuple[str, str], after: int, view: View
) -> AsyncGenerator[bytes, None]:
    """`records`, encoded for a view and joined: one piece for all that waited together."""
    async with aclosing(records(subscription, hub, journal, run, after)) as batches:
        async for batch in batches:
            for piece in _pieces(batch, view):
                yield piece


def _pieces(batch: Sequence[Entry], view: View) -> Iterator[bytes]:
    """What of a batch a view shows, joined as long as it stays small enough for one message."""
    waiting: list[bytes] = []
    size = 0
    for entry in batch:
        shown = entry.encoded(view)
        if waiting and (size + len(shown) > PIECE or len(waiting) == BACKLOG):
            yield b"".join(waiting)
            waiting, size = [], 0
        if shown:
            waiting.append(shown)
            size += len(shown)
    if waiting:
        yield b"".join(waiting)
