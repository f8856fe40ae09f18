"""What goes wrong beneath the store: lost commits, a database out of reach, a full disk, a lock."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event, make_url


@dataclass
class Driver:
    """Switches of the SQLite driver. Each commit fault strikes once."""

    lose_commit: bool = False  # it happens, and its answer is lost
    fail_commit: bool = False  # it does not happen, and the transaction stays open
    error: type[Exception] = sqlite3.OperationalError
    before_commit: Callable[[], None] = lambda: None
    unreachable: bool = False  # no new connection can be made
    connections: list[sqlite3.Connection] = field(default_factory=list)

    def commit(self, commit: Callable[[], None]) -> None:
        self.before_commit()
        if self.fail_commit:
            self.fail_commit = False
            raise self.error("the commit failed")
        commit()
        if self.lose_commit:
            self.lose_commit = False
            raise self.error("the answer was lost")

    def connect(self, arguments: Any, keywords: Any) -> sqlite3.Connection:
        if self.unreachable:
            raise sqlite3.OperationalError("unable to open database file")
        driver = self

        class Faulty(sqlite3.Connection):
            def commit(self) -> None:
                driver.commit(super().commit)

        connection = sqlite3.connect(*arguments, **keywords, factory=Faulty)
        self.connections.append(connection)
        return connection

    def limit_pages(self, *, full: bool) -> None:
        for connection in self.connections:
            with contextlib.suppress(sqlite3.ProgrammingError):  # it is closed
                pages = connection.execute("PRAGMA page_count").fetchone()[0] if full else 1 << 30
                connection.execute(f"PRAGMA max_page_count = {pages}")


@contextmanager
def faulty() -> Iterator[Driver]:
    """Every connection of a journal is opened through the driver given."""
    driver = Driver()

    def connect(dialect: Any, _: Any, arguments: Any, keywords: Any) -> sqlite3.Connection | None:
        return driver.connect(arguments, keywords) if dialect.driver == "pysqlite" else None

    event.listen(Engine, "do_connect", connect)
    try:
        yield driver
    finally:
        event.remove(Engine, "do_connect", connect)


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Another process holds the write lock; OperationalError where it cannot have it at once."""
    connection = sqlite3.connect(make_url(url).database or "", isolation_level=None, timeout=0)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextmanager
def full_disk(driver: Driver) -> Iterator[None]:
    """The database gets no more pages, nor any that lie free within it."""
    driver.limit_pages(full=True)
    try:
        yield
    finally:
        driver.limit_pages(full=False)
