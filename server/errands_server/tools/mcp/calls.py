"""The calls under way in one session, and whose question it is where the server does not say so.

What a process asks comes without its call. So its first question waits until one call is left that it can
be of, and from then on calls are made one at a time. Only where every call asks at once nobody can tell:
they are all put off, and those that fail for it are made again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from .attempt import Attempt, current

PATIENCE: Final = 10.0  # seconds a question waits for other calls to end


class Calls:
    def __init__(self) -> None:
        self._under_way: set[Attempt] = set()
        self._asking = 0
        self._singly = False
        self._moved = anyio.Event()

    @asynccontextmanager
    async def under_way(self, attempt: Attempt) -> AsyncGenerator[None]:
        """Make a call in this context; it begins when its turn has come."""
        while self._singly and self._under_way:
            await self._moved.wait()
        self._under_way.add(attempt)
        try:
            yield
        finally:
            self._under_way.discard(attempt)
            self._move()

    async def that_asks(self) -> Attempt | None:
        """The call whose question has come. None where nobody can tell."""
        known = current.get()
        if known in self._under_way:
            return known
        self._singly = True
        self._asking += 1
        self._move()
        try:
            with anyio.move_on_after(PATIENCE):
                while self._others_may_end():
                    await self._moved.wait()
        finally:
            self._asking -= 1
        if len(self._under_way) == 1:
            return next(iter(self._under_way))
        for attempt in self._under_way:
            attempt.crowded = True
        self._move()
        return None

    def _others_may_end(self) -> bool:
        crowded = any(attempt.crowded for attempt in self._under_way)
        return len(self._under_way) > max(1, self._asking) and not crowded

    def _move(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()
