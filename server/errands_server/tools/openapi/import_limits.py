"""Limits on imports: reading a description takes many times its size, so few are read at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final, TypeAlias, TypeVar
from weakref import WeakValueDictionary

MAX_IMPORTS: Final = 2  # descriptions of 32 MiB take up to 850 MB each while they are read

T = TypeVar("T")
ImportSlot: TypeAlias = AbstractAsyncContextManager[None]

# A thread runs on when its task is cancelled, so the threads are limited as well as the slots.
_READERS: Final = ThreadPoolExecutor(MAX_IMPORTS, thread_name_prefix="description")


async def run_in_thread(work: Callable[..., T], *args: object) -> T:
    """Run `work` in one of few threads; return what it returns. The event loop is not blocked."""
    return await asyncio.get_running_loop().run_in_executor(_READERS, partial(work, *args))


class ImportLimits:
    """Admits MAX_IMPORTS imports at a time, and one of each tenant: no tenant can delay all others."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(MAX_IMPORTS)
        self._tenants: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def slot(self, tenant: str) -> AsyncGenerator[None, None]:
        """Hold one of the slots. Waits for the tenant's own earlier imports, then for a free slot."""
        own = self._tenants.setdefault(tenant, asyncio.Lock())
        async with own, self._all:
            yield
