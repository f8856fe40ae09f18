"""Places for sessions: how many there may be, and each from the wish for it to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from .target import Connection, Owner, Target


class Room:
    """How many sessions of one kind there may be, and how many wait to be one of them."""

    def __init__(self, size: int) -> None:
        self._free = asyncio.Semaphore(size)
        self.waiting = 0

    @asynccontextmanager
    async def taken(self) -> AsyncGenerator[None]:
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._free.release()

    @property
    def full(self) -> bool:
        return self._free.locked()


class Slot:
    """One session, from the wish for it to its end."""

    def __init__(self, owner: Owner, target: Target) -> None:
        loop = asyncio.get_running_loop()
        self.owner = owner
        self.target = target
        self.ready: asyncio.Future[Connection] = loop.create_future()
        self.wake = asyncio.Event()
        self.users = 0
        self.used_at = loop.time()
        self.retired = False  # nobody begins to use it any more
        self.closing = False  # nor are those waited for that do
        self.changed = False
        self.listed_at = float("-inf")

    def retire(self) -> None:
        self.retired = True
        self.wake.set()

    def close(self) -> None:
        self.closing = True
        self.retire()

    def on_change(self) -> None:
        self.changed = True
        self.wake.set()

    @property
    def usable(self) -> bool:
        failed = self.ready.done() and (self.ready.cancelled() or self.ready.exception() is not None)
        return not self.retired and not failed

    @property
    def over(self) -> bool:
        return self.closing or (self.retired and not self.users)
