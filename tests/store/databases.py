"""Opens stores, looks into their tables, and makes writes share a batch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import event, select

from errands_server.store.repositories.keys import Key
from errands_server.store.schema.tables import metadata
from errands_server.store.store import Store
from errands_server.store.write_requests import Append, Created, Creation
from tests.databases import ELSEWHERE
from tests.store.logs import NOW, OWNER, STRANGER, creation

sqlite_only = pytest.mark.skipif(bool(ELSEWHERE), reason="a promise about SQLite")
postgres_only = pytest.mark.skipif(not ELSEWHERE, reason="needs PostgreSQL: `make test-postgres` runs it")
PATIENCE = 20.0  # seconds; a test that waits longer has failed

Rows = dict[str, set[tuple[Any, ...]]]


class Told(list[tuple[Creation | Append, Created | None]]):
    """Everything `on_commit` was called with."""

    def __call__(self, work: Creation | Append, created: Created | None) -> None:
        self.append((work, created))

    @property
    def run_ids(self) -> list[str]:
        return [work.run_id for work, _ in self]


@asynccontextmanager
async def opened(url: str, on_commit: Any = None) -> AsyncGenerator[Store, None]:
    """A store with two tenants, closed at the end."""
    store = await Store.open(url, Told() if on_commit is None else on_commit)
    try:
        for tenant in (OWNER, STRANGER):
            await _known(store, tenant)
        async with asyncio.timeout(PATIENCE):
            yield store
    finally:
        await store.close()


async def _known(store: Store, tenant: str) -> None:
    async with store.begin(tenant, writes=True) as transaction:
        if not await transaction.keys.has_any():
            key = Key(id=f"{tenant}-key", tenant=tenant, name="k", scopes=frozenset(), created_at=NOW)
            await transaction.keys.add(key, tenant.encode())


class _Held(Exception):
    """Ends the write behind which others were gathered."""


async def in_one_batch(store: Store, *writes: Coroutine[Any, Any, Any]) -> list[Any]:
    """The outcomes of writes that are given to the writer together, in this order."""
    begun, go_on = threading.Event(), threading.Event()

    def hold(_: object) -> Any:
        begun.set()
        go_on.wait(PATIENCE)
        raise _Held

    held = asyncio.create_task(store.journal.create(creation("held", build=hold)))
    await asyncio.to_thread(begun.wait, PATIENCE)
    tasks = [asyncio.create_task(write) for write in writes]
    await asyncio.sleep(0)  # each hands its work to the writer
    go_on.set()
    outcomes = await asyncio.gather(held, *tasks, return_exceptions=True)
    assert isinstance(outcomes[0], _Held)
    return outcomes[1:]


def count_commits(store: Store) -> list[None]:
    """Grows by one with every transaction the writer commits from now on."""
    commits: list[None] = []

    def on_commit(connection: Any) -> None:
        if connection.get_execution_options().get("writes"):
            commits.append(None)

    event.listen(store.journal._engine, "commit", on_commit)
    return commits


async def rows(store: Store) -> Rows:
    """Every row of every table."""
    async with store._engine.connect() as connection:
        return {
            table.name: {tuple(row) for row in await connection.execute(select(table))}
            for table in metadata.sorted_tables
        }


def of_run(found: Rows, run_id: str) -> dict[str, int]:
    """How many rows each table has of a run."""
    counts = {}
    for table in metadata.sorted_tables:
        if "run_id" in table.c:
            place = list(table.c.keys()).index("run_id")
            counts[table.name] = sum(row[place] == run_id for row in found[table.name])
    return counts
