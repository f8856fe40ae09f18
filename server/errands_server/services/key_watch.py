"""Ends what outlives the look at its key: streams whose key is revoked or expires."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from ..domain.errors import Unauthenticated
from ..environment import Environment
from .keys import Keys, invalid_key
from .principal import Principal

LOOK_AGAIN: Final = 60.0  # seconds between looks at the keys of open streams

_log = structlog.get_logger("errands.keys")


class KeyWatch:
    """Looks again at the keys of open streams: every LOOK_AGAIN seconds, and when one is revoked here."""

    def __init__(self, keys: Keys, environment: Environment) -> None:
        self._keys = keys
        self._environment = environment
        self._open: defaultdict[Principal, set[asyncio.Timeout]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> KeyWatch:
        self._task = asyncio.create_task(self._run(), name="errands keys")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def check(self, principal: Principal) -> None:
        """Check a key before something goes out that only its holder may see. CREDENTIALS_INVALID."""
        await self._keys.check(principal)

    @asynccontextmanager
    async def watching(self, principal: Principal) -> AsyncGenerator[None, None]:
        """Cut off what is inside when the key expires or is found revoked. CREDENTIALS_INVALID."""
        key = await self._keys.check(principal)
        ends_in = None
        if key is not None and key.expires_at is not None:
            ends_in = (key.expires_at - self._environment.now()) / 1_000
        try:
            async with asyncio.timeout(ends_in) as end:
                self._open[principal].add(end)
                try:
                    yield
                finally:
                    self._open[principal].discard(end)
                    if not self._open[principal]:
                        del self._open[principal]
        except TimeoutError:
            if end.expired():
                raise invalid_key() from None
            raise

    async def _run(self) -> None:
        while True:
            await self._keys.wait_for_revocation(LOOK_AGAIN)
            try:
                await self._look()
            except Exception:  # the store is away; the keys are looked at the next time
                _log.exception("keys were not looked at")

    async def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for principal in list(self._open):
            try:
                await self._keys.check(principal)
            except Unauthenticated:
                for end in self._open.get(principal, ()):
                    end.reschedule(now)
