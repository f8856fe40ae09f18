"""Databases with many runs: one that the service made, copied as often as wanted by the database itself."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

FIRST: Final = 0x0190_0000_0000  # milliseconds in the ids of the first copy: before every run made now

# A copy's id has its number where UUIDv7 has the time, so copies are in order and look like any other.
_ID: Final = "printf('%08x-%04x-7%s', (n + {first}) >> 16, (n + {first}) & 65535, substr({id}, 16))"
_NUMBERS: Final = (
    "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
)
_TABLES: Final = ("runs", "run_inputs", "run_integrations", "events")


def copy(database: Path, run_id: str, count: int) -> None:
    """Copy a run so often, with its inputs and events. No server may use the database meanwhile."""
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("synchronous=OFF", "cache_size=-400000", "foreign_keys=OFF"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    for table in _TABLES:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        connection.execute(_copying(table, columns, count), (run_id,))
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.close()


def _copying(table: str, columns: list[str], count: int) -> str:
    new = _ID.format(first=FIRST, id="run_id")
    # A repeat key is the run's own id where none was given.
    selected = ", ".join(new if name in ("run_id", "repeat_key") else name for name in columns)
    return (
        f"{_NUMBERS.format(count=count)} INSERT INTO {table} ({', '.join(columns)})"
        f" SELECT {selected} FROM numbers, {table} WHERE run_id = ?"
    )


def copy_id(run_id: str, number: int) -> str:
    """The id of a copy, counted from 1."""
    place = number + FIRST
    return f"{place >> 16:08x}-{place & 65535:04x}-7{run_id[15:]}"
