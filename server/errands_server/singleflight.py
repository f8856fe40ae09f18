"""Single-flight: concurrent callers of one key share one task; cancelling a caller does not cancel it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """The tasks under way, by key. What a task raises is raised to every caller that waits for it."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[T]] = {}

    async def join(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The outcome of the task of this key, which is started with `work` unless it is under way."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(work(), name="errands flight")
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Wait for the tasks under way: tokens that a server has issued must not be lost."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
