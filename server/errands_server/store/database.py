"""Connections to the database: how they are opened, and what SQLite is told."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

BUSY_TIMEOUT = "5"  # seconds a statement waits for another writer's lock; `?timeout=` in the URL goes first

_QUIET: Any = {"hide_parameters": True}  # errors are logged, and what people asked for is not


def sync_engine(url: str) -> Engine:
    """The engine of the writer and reader threads: each holds one connection for its life."""
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, poolclass=NullPool, **_QUIET)
    engine = create_engine(
        parsed.set(drivername="sqlite+pysqlite"),
        poolclass=NullPool,
        connect_args={"check_same_thread": False},
        **_QUIET,
    )
    _configure_sqlite(engine)
    return engine


def async_engine(url: str) -> AsyncEngine:
    """The engine of lists and administration."""
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        return create_async_engine(parsed, pool_size=5, max_overflow=5, **_QUIET)
    sqlite = parsed.set(drivername="sqlite+aiosqlite")
    engine = create_async_engine(sqlite, pool_size=4, max_overflow=4, **_QUIET)
    _configure_sqlite(engine.sync_engine)
    return engine


def _parse(url: str) -> URL:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or "timeout" in parsed.query:
        return parsed
    return parsed.update_query_dict({"timeout": BUSY_TIMEOUT})


def _configure_sqlite(engine: Engine) -> None:
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)


def _on_connect(connection: Any, _: Any) -> None:
    # The driver must not begin transactions by itself: it would begin them without the lock.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # what was answered is on disk
        "foreign_keys=ON",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    """Writers take the lock when they begin: a reader that turns writer could be refused."""
    immediate = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
