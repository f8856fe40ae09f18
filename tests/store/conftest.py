"""A store on a database of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from errands.server_process import configure_log
from errands_server.store.store import Store
from tests.databases import ELSEWHERE, database_of, empty_database
from tests.store.databases import Told, opened
from tests.store.faults import Driver, faulty


@pytest.fixture(scope="session", autouse=True)
def _log() -> None:
    # Unconfigured, structlog draws tracebacks with every local, which takes seconds.
    configure_log("error")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where an empty database is."""
    return empty_database(tmp_path)


@pytest.fixture
def driver() -> Iterator[Driver]:
    """The SQLite driver of every journal opened behind it, with faults to switch on."""
    with faulty() as driver:
        yield driver


@pytest.fixture
def told() -> Told:
    """What `on_commit` was called with, in order."""
    return Told()


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An SQLite file with two tenants: migrating one for every test would take most of the time."""
    path = tmp_path_factory.mktemp("store") / "errands.db"

    async def prepare() -> None:
        async with opened(f"sqlite:///{path}"):
            pass

    asyncio.run(prepare())
    return path.read_bytes()


@pytest.fixture
async def store(tmp_path: Path, told: Told, _migrated: bytes) -> AsyncGenerator[Store, None]:
    """A store with two tenants."""
    url = database_of(tmp_path)
    path = make_url(url).database
    if not ELSEWHERE and path:
        Path(path).write_bytes(_migrated)
    async with opened(url, told) as store:
        yield store
