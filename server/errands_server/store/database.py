"""Engines of the database, synchronous and asynchronous, and the settings of SQLite."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from .postgres.connection import connect_arguments, with_driver

BUSY_TIMEOUT = "5"  # seconds a statement waits for another writer's lock, unless the URL has `?timeout=`

_QUIET: Any = {"hide_parameters": True}  # errors are logged, and values must not be


def sync_engine(url: str) -> Engine:
    """The engine of the writer and reader threads: each holds one connection for its life.

    ValueError: no such database is supported, or its extra is not installed.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, poolclass=NullPool, connect_args=connect_arguments(parsed), **_QUIET)
    engine = create_engine(
        parsed.set(drivername="sqlite+pysqlite"),
        poolclass=NullPool,
        connect_args={"check_same_thread": False},
        **_QUIET,
    )
    _configure_sqlite(engine)
    return engine


def async_engine(url: str) -> AsyncEngine:
    """The engine of lists and administration. ValueError as `sync_engine`."""
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        # Checked before use: after the database was restarted, no pooled connection works.
        pool = {"pool_size": 5, "max_overflow": 5, "pool_pre_ping": True}
        return create_async_engine(parsed, connect_args=connect_arguments(parsed), **pool, **_QUIET)
    sqlite = parsed.set(drivername="sqlite+aiosqlite")
    engine = create_async_engine(sqlite, pool_size=4, max_overflow=4, **_QUIET)
    _configure_sqlite(engine.sync_engine)
    return engine


def is_sqlite(url: str) -> bool:
    """Whether this is the embedded database, which belongs to one process."""
    return _parse(url).get_backend_name() == "sqlite"


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:  # its text repeats the URL, which may hold a password
        raise ValueError(
            "the URL of the database cannot be read; write postgresql://user@host/name"
        ) from None
    if parsed.get_backend_name() in {"postgresql", "postgres"}:
        return with_driver(parsed)
    if parsed.get_backend_name() != "sqlite":
        raise ValueError(f"{parsed.get_backend_name()} is no database for this; use sqlite or postgresql")
    return parsed if "timeout" in parsed.query else parsed.update_query_dict({"timeout": BUSY_TIMEOUT})


def _configure_sqlite(engine: Engine) -> None:
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)


def _on_connect(connection: Any, _: Any) -> None:
    # The driver must not begin transactions by itself: it would begin them without the lock.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # a committed transaction is on disk
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "wal_autocheckpoint=4000",  # 16 MB: pages written again and again reach the file less often
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    """Writers take the lock when they begin: a reader that turns writer could be refused."""
    immediate = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
