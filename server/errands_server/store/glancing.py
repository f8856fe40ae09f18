"""The one read that is made on the event loop: a run's summary by its key, from SQLite."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Engine

from .reading import FIND_HEAD, Head, head


class Glance:
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
