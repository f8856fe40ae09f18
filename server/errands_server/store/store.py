"""The store: the journal, transactions of one tenant, keys, retention and the schema."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy.exc import OperationalError

from ..domain.errors import NotFound, Reason, Unavailable
from . import encryption, retention
from .database import async_engine, sync_engine
from .encryption import Sealer
from .journal import Journal, OnCommit
from .journal_reads import Head
from .repositories import keys
from .repositories.connections import Connection, find_connection
from .repositories.keys import Key
from .repositories.transaction import Transaction, begin
from .schema import migrate


class Store:
    """Opened with `await Store.open(url, on_commit)`, closed with `await close()`."""

    def __init__(self, url: str, journal: Journal) -> None:
        self._engine = async_engine(url)
        self.journal = journal

    @classmethod
    async def open(cls, url: str, on_commit: OnCommit, *, migrate: bool = True) -> Store:
        """Open the database, bringing its schema up to date where `migrate`.

        SchemaOutdated: the schema is another, and `migrate` is off or the schema is newer.
        STORE_UNAVAILABLE. ValueError: as `database.sync_engine`.
        """
        await asyncio.to_thread(migrate_schema if migrate else require_schema, url)
        return cls(url, Journal(url, on_commit))

    async def close(self) -> None:
        """Write what waits, then close every connection."""
        await self.journal.close()
        await self._engine.dispose()

    def begin(self, tenant: str, *, writes: bool = False) -> AbstractAsyncContextManager[Transaction]:
        """A transaction of one tenant. See `transaction.begin`."""
        return begin(self._engine, tenant, writes=writes)

    async def run(self, tenant: str, run_id: str) -> Head:
        """A run's head as it was committed last. RUN_NOT_FOUND: this tenant has no such run."""
        head = await self.journal.head(run_id)
        if head is None or head.tenant != tenant:
            raise NotFound(Reason.RUN_NOT_FOUND, f"there is no run {run_id}", subject=run_id)
        return head

    async def key(self, secret_hash: bytes) -> Key | None:
        """The key with this hash of its secret; None where there is none or it was revoked."""
        return await self.journal.query(keys.find_key, secret_hash)

    async def key_by_id(self, tenant: str, key_id: str) -> Key | None:
        """The key of a tenant with this id; None where there is none or it was revoked."""
        return await self.journal.query(keys.find_key_by_id, tenant, key_id)

    async def connection(self, tenant: str, integration_id: str, user_id: str) -> Connection | None:
        """The user's connection to an integration of this tenant as it was committed last."""
        return await self.journal.query(find_connection, tenant, integration_id, user_id)

    async def check_key(self, sealer: Sealer, *, replace: bool = False) -> None:
        """Check that all servers of this database have the same keys. See `encryption.check_key`."""
        await encryption.check_key(self._engine, sealer, replace=replace)

    async def erase_finished(self, before: int) -> int:
        """See `retention.erase`."""
        return await retention.erase(self._engine, before)

    async def erase_audit(self, before: int) -> int:
        """See `retention.erase_audit`."""
        return await retention.erase_audit(self._engine, before)

    async def forget_requests(self, now: int) -> int:
        """See `retention.forget_requests`."""
        return await retention.forget_requests(self._engine, now)

    async def forget_flows(self, now: int) -> int:
        """See `retention.forget_flows`."""
        return await retention.forget_flows(self._engine, now)


def migrate_schema(url: str) -> bool:
    """Run the migrations that the database lacks. Returns whether there was one. Raises as `Store.open`."""
    with _begin_writing(url) as connection:
        return migrate.migrate(connection)


def require_schema(url: str) -> None:
    """Raise SchemaOutdated unless the schema is up to date. STORE_UNAVAILABLE, ValueError as `Store.open`."""
    with _begin_writing(url) as connection:
        migrate.require(connection)


@contextmanager
def _begin_writing(url: str) -> Iterator[DatabaseConnection]:
    engine = sync_engine(url)
    try:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection
    except OperationalError as error:
        raise Unavailable(Reason.STORE_UNAVAILABLE, f"the database cannot be used: {error.orig}") from error
    finally:
        engine.dispose()
