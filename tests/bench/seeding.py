"""Databases with many runs: one that the service made, copied as often as wanted by the database itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Table, text

from errands_server.store.database import sync_engine
from errands_server.store.schema.tables import metadata
from tests.databases import database_of

FIRST: Final = 0x0190_0000_0000  # milliseconds in the ids of the first copy: before every run made now

# A copy's id has its number where UUIDv7 has the time, so copies are in order and look like any other.
_IDS: Final = {
    "sqlite": "printf('%08x-%04x-7%s', (n + {first}) >> 16, (n + {first}) & 65535, substr({id}, 16))",
    "postgresql": (
        "lpad(to_hex((n + {first}) >> 16), 8, '0') || '-' || lpad(to_hex((n + {first}) & 65535), 4, '0')"
        " || '-7' || substr({id}, 16)"
    ),
}
_NUMBERS: Final = (
    "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
)
_TABLES: Final = ("runs", "run_inputs", "run_integrations", "events")


def copy(folder: Path, run_id: str, count: int) -> None:
    """Copy a run of a server on this folder so often, with its inputs and events. The server has ended."""
    engine = sync_engine(database_of(folder.absolute()))
    new_id = _IDS[engine.dialect.name]
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # a million rows take long, and refer to rows that come too
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for table in _TABLES:
            connection.execute(text(_copying(metadata.tables[table], new_id, count)), {"run": run_id})
        connection.execute(text("ANALYZE"))
    engine.dispose()


def _copying(table: Table, new_id: str, count: int) -> str:
    new = new_id.format(first=FIRST, id="run_id")
    names = [column.name for column in table.columns]
    # A repeat key is the run's own id where none was given.
    selected = ", ".join(new if name in ("run_id", "repeat_key") else name for name in names)
    return (
        f"{_NUMBERS.format(count=count)} INSERT INTO {table.name} ({', '.join(names)})"
        f" SELECT {selected} FROM numbers, {table.name} WHERE run_id = :run"
    )


def copy_id(run_id: str, number: int) -> str:
    """The id of a copy, counted from 1."""
    place = number + FIRST
    return f"{place >> 16:08x}-{place & 65535:04x}-7{run_id[15:]}"
