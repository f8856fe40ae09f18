"""Many rows in one statement.

SQLite's driver lets go of the interpreter for every row of `executemany`, and while the event loop
works it takes a switch interval to get it back: a batch then takes seconds. A statement of many rows
lets go once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite

_SIZES: Final = (256, 64, 16, 4, 1)  # rows in a statement: few texts, so that all stay prepared
_TYPES: Final = sqlite.dialect()  # both databases take these names

Row = Mapping[str, Any]


def insert(connection: Connection, table: Table, rows: Sequence[Row], *, new: bool = False) -> None:
    """Insert rows, which all have the same columns; only the new ones, where some may be there already."""
    for some in _portions(rows):
        statement = _insert(table, tuple(some[0]), len(some), _mark(connection))
        if new:
            statement += " ON CONFLICT DO NOTHING"
        connection.exec_driver_sql(statement, _values(some))


def update(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Set the other columns of the rows that the first column names, each once."""
    for some in _portions(rows):
        statement = _update(table, tuple(some[0]), len(some), _mark(connection))
        connection.exec_driver_sql(statement, _values(some))


def _portions(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start = 0
    while start < len(rows):
        size = next(size for size in _SIZES if size <= len(rows) - start)
        yield rows[start : start + size]
        start += size


def _values(rows: Sequence[Row]) -> tuple[Any, ...]:
    return tuple(value for row in rows for value in row.values())


def _mark(connection: Connection) -> str:
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


@cache
def _insert(table: Table, columns: tuple[str, ...], size: int, mark: str) -> str:
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {_marks(columns, size, mark)}"  # noqa: S608 (our own names)


@cache
def _update(table: Table, columns: tuple[str, ...], size: int, mark: str) -> str:
    key, *others = columns
    # What is only null has no type of its own on PostgreSQL.
    changes = ", ".join(
        f"{name} = CAST(new.{name} AS {table.c[name].type.compile(dialect=_TYPES)})" for name in others
    )
    return (
        f"WITH new ({', '.join(columns)}) AS (VALUES {_marks(columns, size, mark)}) "  # noqa: S608 (as above)
        f"UPDATE {table.name} SET {changes} FROM new WHERE {table.name}.{key} = new.{key}"
    )


def _marks(columns: tuple[str, ...], size: int, mark: str) -> str:
    one = f"({', '.join([mark] * len(columns))})"
    return ", ".join([one] * size)
