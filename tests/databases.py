"""The database of a test's server: SQLite in its folder, or one in the PostgreSQL the tests were given."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, make_url, text

from errands_server.store.database import sync_engine
from errands_server.store.schema.tables import metadata
from errands_server.store.store import migrate_schema
from tests.postgres import VARIABLE

ELSEWHERE = os.environ.get(VARIABLE, "")

_made: dict[str, Path] = {}  # names, with the folder each stands for


def database_of(folder: Path) -> str:
    """The URL of the database of a server on this folder, with this release's schema where it is new."""
    if not ELSEWHERE:
        return f"sqlite:///{folder / 'errands.db'}"
    name = f"t_{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:24]}"
    if name not in _made:
        _copy(_template(), name)
        _made[name] = folder
    return _located(name)


def empty_database(folder: Path) -> str:
    """The same without any schema."""
    if not ELSEWHERE:
        return f"sqlite:///{folder / 'errands.db'}"
    name = f"e_{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:24]}"
    _copy("template0", name)
    _made[name] = folder
    return _located(name)


def drop_databases(under: Path) -> None:
    """Drop the databases of folders in this one, whoever still uses them."""
    names = [name for name, folder in _made.items() if folder.is_relative_to(under)]
    if not names:
        return
    with _administrating() as connection:
        for name in names:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            del _made[name]


def rows_of(folder: Path) -> dict[str, set[Any]]:
    """Every row of every table of the database of a server on this folder."""
    return {
        table.name: {tuple(row) for row in looked_into(folder, f'SELECT * FROM "{table.name}"')}
        for table in metadata.sorted_tables
    }


def counts_of(folder: Path) -> dict[str, int]:
    """How many rows each table has."""
    return {name: len(rows) for name, rows in rows_of(folder).items()}


def looked_into(folder: Path, query: str, **values: Any) -> list[Any]:
    """The rows of a query to the database of a server on this folder."""
    engine = sync_engine(database_of(folder))
    # Who only reads waits for no writer: the server may be one, in the loop that is held up here.
    writes = not query.startswith("SELECT")
    try:
        with engine.connect().execution_options(writes=writes) as connection, connection.begin():
            found = connection.execute(text(query), values)
            return list(found) if found.returns_rows else []
    finally:
        engine.dispose()


def _template() -> str:
    """A database with the schema, made once by each process of the tests."""
    name = f"template_{os.getpid()}"
    if name not in _templates:
        _copy("template0", name)
        migrate_schema(_located(name))
        _templates.add(name)
    return name


_templates: set[str] = set()


def _copy(template: str, name: str) -> None:
    """Make a database, unless another process of the same test has made it."""
    with _administrating() as connection:
        known = text("SELECT 1 FROM pg_database WHERE datname = :name")
        if connection.execute(known, {"name": name}).first() is None:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))


def _located(name: str) -> str:
    return make_url(ELSEWHERE).set(database=name).render_as_string(hide_password=False)


@contextmanager
def _administrating() -> Iterator[Connection]:
    engine = sync_engine(ELSEWHERE)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    finally:
        engine.dispose()
