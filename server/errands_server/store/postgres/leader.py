"""Leader election between processes that share a PostgreSQL: an advisory lock, held by a session.

For a short time two processes may both take themselves for the leader; the epoch of each run keeps
them from both executing it.
"""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from .connection import connect_arguments, with_driver

PATIENCE: Final = 5.0  # seconds in which the database must answer

_KEY: Final = 0x6572_7261_6E64_7321  # "errands!"
_TAKE: Final = text("SELECT pg_try_advisory_lock(:key)")
_CHECK: Final = text("SELECT 1")


class LeaderLock:
    """The lock, taken on a session of its own, which PostgreSQL ends with the process."""

    def __init__(self, url: str) -> None:
        parsed = with_driver(make_url(url))
        settings = connect_arguments(parsed) | {"application_name": "errands lead"}
        self._engine = create_async_engine(
            parsed, poolclass=NullPool, connect_args=settings, isolation_level="AUTOCOMMIT"
        )
        self._session: AsyncConnection | None = None
        self._held = False

    async def take(self) -> bool:
        """Take the lock, or check that it is still held. Returns whether this process has it.

        SQLAlchemyError, TimeoutError: the database is away; the lock is lost with its session.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                if self._session is None:
                    self._session = await self._engine.connect()
                if self._held:
                    await self._session.execute(_CHECK)
                else:
                    self._held = bool((await self._session.execute(_TAKE, {"key": _KEY})).scalar())
        except BaseException:
            await self._lose()
            raise
        return self._held

    async def _lose(self) -> None:
        self._held = False
        session, self._session = self._session, None
        if session is not None:
            await session.invalidate()
            await session.close()

    async def close(self) -> None:
        """Release the lock."""
        self._held = False
        if self._session is not None:
            await self._session.close()
            self._session = None
        await self._engine.dispose()
