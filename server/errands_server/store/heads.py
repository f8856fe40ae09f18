"""Summaries of runs looked up many at a time: on PostgreSQL each look is a round trip."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine

from .journal_reads import FIND_HEAD, HEAD, Head, head


class BatchedHeadReader:
    """Those asked for while a look is under way are found together by the next.

    Nobody joins a look that has begun: what it finds may be older than what its asker knows of.
    """

    def __init__(self, look: Callable[[Sequence[str]], Awaitable[Sequence[Head]]]) -> None:
        self._look = look
        self._waiting: dict[str, asyncio.Future[Head | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, run_id: str) -> Head | None:
        """The run's summary as it was committed last; None where there is none. Raises as `look` does."""
        waiting = self._waiting.get(run_id)
        if waiting is None:
            waiting = self._waiting[run_id] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="errands heads")
        return await asyncio.shield(waiting)

    async def _work(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, {}
            try:
                found = {one.run_id: one for one in await self._look(list(asked))}
            except Exception as error:
                for waiting in asked.values():
                    waiting.set_exception(error)
            else:
                for run_id, waiting in asked.items():
                    waiting.set_result(found.get(run_id))
        self._task = None


def many(connection: Connection, run_ids: Sequence[str]) -> list[Head]:
    """Summaries of those of these runs that there are, by one statement however many are asked for."""
    return [head(row) for row in connection.exec_driver_sql(_MANY, (run_ids,))]


_MANY: Final = f"SELECT {', '.join(c.name for c in HEAD)} FROM runs WHERE run_id = ANY(%b::text[])"  # noqa: S608


class InlineHeadReader:
    """Looks at summaries with the bare driver: that takes a few microseconds, and handing it to a thread
    takes a hundred. It waits for nobody: where it cannot look, the reader thread does.
    """

    def __init__(self, engine: Engine) -> None:
        self._connection: Any = engine.raw_connection()
        self._query = str(FIND_HEAD.compile(dialect=engine.dialect))
        self._connection.execute("PRAGMA busy_timeout=0")

    def __call__(self, run_id: str) -> Head | None:
        """The run's summary as it was committed last; None where there is none, or none to be had at once."""
        try:
            row = self._connection.execute(self._query, (run_id,)).fetchone()
        except sqlite3.Error:
            return None
        return None if row is None else head(row)

    def close(self) -> None:
        self._connection.close()
