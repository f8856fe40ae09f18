"""Inserts, updates and finds many rows with one statement.

SQLite's driver releases the interpreter for every row of `executemany`, and while the event loop is
busy it takes a switch interval to get it back: a batch then takes seconds. A statement of many rows
releases it once. To PostgreSQL each column is sent as one binary array: that takes a sixth of the
processor time of a placeholder for each value, and the text is the same for any number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Table

_SIZES: Final = (256, 64, 16, 4, 1)  # rows in a statement on SQLite; few texts, so that all stay prepared
_FEW: Final = 4  # rows up to which values are faster than arrays
_TYPES: Final = {str: "text", int: "bigint", bytes: "bytea", bool: "boolean"}  # as PostgreSQL names them

Row = Mapping[str, Any]


def insert(connection: Connection, table: Table, rows: Sequence[Row], *, new: bool = False) -> None:
    """Insert rows of the same columns. With `new`, rows whose key exists are left as they are."""
    for source, values in _sources(connection, table, rows):
        statement = f"INSERT INTO {table.name} ({', '.join(rows[0])}) {source}"
        if new:
            statement += " ON CONFLICT DO NOTHING"
        connection.exec_driver_sql(statement, values)


def update(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Update rows by the first column, which is their key; each key occurs once."""
    for source, values in _sources(connection, table, rows):
        key, *others = rows[0]
        changes = ", ".join(f"{name} = new.{name}" for name in others)
        connection.exec_driver_sql(
            f"WITH new ({', '.join(rows[0])}) AS ({source}) "  # noqa: S608 (our own names)
            f"UPDATE {table.name} SET {changes} FROM new WHERE {table.name}.{key} = new.{key}",
            values,
        )


def find(
    connection: Connection, table: Table, keys: Sequence[Row], columns: Sequence[str]
) -> list[tuple[Any, ...]]:
    """These columns of the rows that have one of these keys."""
    found: list[tuple[Any, ...]] = []
    for source, values in _sources(connection, table, keys):
        names = ", ".join(keys[0])
        statement = (
            f"WITH wanted ({names}) AS ({source}) "  # noqa: S608 (as above)
            f"SELECT {', '.join(columns)} FROM wanted JOIN {table.name} USING ({names})"
        )
        found += [tuple(row) for row in connection.exec_driver_sql(statement, values)]
    return found


def _sources(
    connection: Connection, table: Table, rows: Sequence[Row]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The rows as SQL with its parameters, in as many statements as it takes."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        for portion in _portions(rows):
            values = tuple(value for row in portion for value in row.values())
            yield _values(len(portion[0]), len(portion)), values
    elif len(rows) <= _FEW:
        one = f"({', '.join(_typed(table, tuple(rows[0]), '%s'))})"
        yield f"VALUES {', '.join([one] * len(rows))}", tuple(value for row in rows for value in row.values())
    else:
        columns = zip(*(row.values() for row in rows), strict=True)
        arrays = ", ".join(_typed(table, tuple(rows[0]), "%b", "[]"))
        yield f"SELECT * FROM unnest({arrays})", tuple(map(list, columns))  # noqa: S608 (as above)


def _portions(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start = 0
    while start < len(rows):
        size = next(size for size in _SIZES if size <= len(rows) - start)
        yield rows[start : start + size]
        start += size


@cache
def _values(columns: int, rows: int) -> str:
    one = f"({', '.join('?' * columns)})"
    return f"VALUES {', '.join([one] * rows)}"


@cache
def _typed(table: Table, columns: Sequence[str], mark: str, of: str = "") -> Sequence[str]:
    """A placeholder for each column, with its type: a column of nulls has none of its own."""
    return [f"{mark}::{_TYPES[table.c[name].type.python_type]}{of}" for name in columns]
