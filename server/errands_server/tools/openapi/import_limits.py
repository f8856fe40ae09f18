"""Who reads a description when: it takes many times its size, so few are read at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final, TypeAlias, TypeVar
from weakref import WeakValueDictionary

TOGETHER: Final = 2  # descriptions of 32 MiB take up to 850 MB each while they are read

T = TypeVar("T")
Turn: TypeAlias = AbstractAsyncContextManager[None]

# A thread goes on when its task is cancelled, so the threads are few as well as the turns.
_READERS: Final = ThreadPoolExecutor(TOGETHER, thread_name_prefix="description")


async def in_thread(work: Callable[..., T], *args: object) -> T:
    """What `work` returns, once a thread is free for it. The event loop goes on meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(_READERS, partial(work, *args))


class ImportLimits:
    """Lets few descriptions be read at a time, and one of each tenant: no tenant can hold up all others."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(TOGETHER)
        self._tenants: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncGenerator[None, None]:
        """The tenant's turn, as soon as its own earlier ones and enough of the others are over."""
        own = self._tenants.setdefault(tenant, asyncio.Lock())
        async with own, self._all:
            yield
