"""Reads heads of runs cheaply: on PostgreSQL many in one round trip, on SQLite on the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine

from .journal_reads import FIND_HEAD, HEAD, Head, to_head


class BatchedHeadReader:
    """Reads the heads asked for while a read is under way together, with the next one.

    A caller never joins a read that has begun: its result may be older than what the caller knows.
    """

    def __init__(self, read_heads: Callable[[Sequence[str]], Awaitable[Sequence[Head]]]) -> None:
        self._read_heads = read_heads
        self._waiting: dict[str, asyncio.Future[Head | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def read(self, run_id: str) -> Head | None:
        """The run's head as it was committed last; None where there is no run. Raises as `read_heads`."""
        waiting = self._waiting.get(run_id)
        if waiting is None:
            waiting = self._waiting[run_id] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._read_waiting(), name="errands heads")
        return await asyncio.shield(waiting)

    async def _read_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            try:
                heads = {head.run_id: head for head in await self._read_heads(list(batch))}
            except Exception as error:
                for waiting in batch.values():
                    waiting.set_exception(error)
            else:
                for run_id, waiting in batch.items():
                    waiting.set_result(heads.get(run_id))
        self._task = None


def find_heads(connection: Connection, run_ids: Sequence[str]) -> list[Head]:
    """The heads of those of these runs that exist, in any order, by one statement. PostgreSQL only."""
    return [to_head(row) for row in connection.exec_driver_sql(_MANY, (run_ids,))]


_MANY: Final = f"SELECT {', '.join(c.name for c in HEAD)} FROM runs WHERE run_id = ANY(%b::text[])"  # noqa: S608


class InlineHeadReader:
    """Reads a run's head on the event loop without a thread hop (SQLite, `busy_timeout=0`): with the
    bare driver that takes a few microseconds, and a hop takes a hundred.
    """

    def __init__(self, engine: Engine) -> None:
        self._connection: Any = engine.raw_connection()
        self._query = str(FIND_HEAD.compile(dialect=engine.dialect))
        self._connection.execute("PRAGMA busy_timeout=0")

    def read(self, run_id: str) -> Head | None:
        """The run's head as it was committed last; None where there is no run or the read would block."""
        try:
            row = self._connection.execute(self._query, (run_id,)).fetchone()
        except sqlite3.Error:
            return None
        return None if row is None else to_head(row)

    def close(self) -> None:
        self._connection.close()
