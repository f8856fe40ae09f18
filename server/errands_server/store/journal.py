"""The log of every run: append-only, gapless, written in one transaction with the rows derived from it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from ..domain.errors import Reason, Unavailable
from ..domain.events import Record
from ..domain.fold import fold
from ..domain.inputs import Inputs
from ..domain.run import Run
from . import heads, journal_reads
from .batch import write_batch
from .database import sync_engine
from .group_commit import BatchWriter, GroupCommit
from .heads import BatchedHeadReader, InlineHeadReader
from .journal_reads import PAGE, Head, Latest
from .repositories import requests
from .repositories.requests import RequestKey
from .write_requests import Append, AppendBatch, Created, Creation, LogWrite

T = TypeVar("T")
_READERS: Final = 4  # threads that wait for PostgreSQL; for SQLite, which answers at once, one is enough
OnCommit = Callable[[Creation | Append, Created | None], None]
"""Called in the event loop for each committed creation and append, in order, before its caller goes on."""


def _batch_writer(engine: Engine) -> BatchWriter:
    if engine.dialect.name == "sqlite":
        return write_batch
    from .postgres import notify  # with the driver, which is an extra

    def write_and_notify(connection: Connection, writes: Sequence[Any]) -> list[Any]:
        outcomes = write_batch(connection, writes)
        notify.send(connection, writes)
        return outcomes

    return write_and_notify


class Journal:
    """Appends to the logs and reads them. Writes that wait at the same time share one commit."""

    def __init__(self, url: str, on_commit: OnCommit) -> None:
        self._engine = sync_engine(url)
        self._on_commit = on_commit
        self._writer = GroupCommit(self._engine, _batch_writer(self._engine), self._report)
        embedded = self._engine.dialect.name == "sqlite"
        self._readers = ThreadPoolExecutor(1 if embedded else _READERS, "errands-reader")
        self._local = threading.local()
        self._connections: list[Connection] = []
        self._inline_heads = InlineHeadReader(self._engine) if embedded else None
        self._batched_heads = None if embedded else BatchedHeadReader(partial(self.query, heads.find_heads))

    def _connection(self) -> Connection:
        """The connection of this reader thread, kept until the journal is closed."""
        found: Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self._connect()
            self._connections.append(found)
        return found

    def _connect(self) -> Connection:
        connection = self._engine.connect()
        if connection.dialect.name == "sqlite":
            return connection
        # No read needs two statements to see the same commits, and BEGIN and ROLLBACK are two round trips.
        return connection.execution_options(isolation_level="AUTOCOMMIT")

    async def close(self) -> None:
        """Write what waits, then close every connection. The last one to SQLite makes a checkpoint."""
        await self._writer.close()
        self._readers.shutdown()
        for connection in self._connections:
            connection.close()
        if self._inline_heads is not None:
            self._inline_heads.close()
        self._engine.dispose()

    @property
    def healthy(self) -> bool:
        """False from a failed write until the next that succeeds."""
        return self._writer.healthy

    async def create(self, creation: Creation) -> Created:
        """Store a run with its inputs and first records, all or none.

        Where its request made a run before, that run is returned and nothing is written.
        IDEMPOTENCY_KEY_REUSED: the request id was used with another body. STORE_UNAVAILABLE: nothing
        was written. CommitUnknown: it may be stored; read before trying again.
        """
        created: Created = await self._writer.submit(creation)
        return created

    async def append(self, append: Append) -> None:
        """Add records to a run's log, directly behind `after`, all or none.

        RunChanged: another writer was first and nothing was written; read the run again
        and decide again. STORE_UNAVAILABLE: nothing was written. CommitUnknown: the
        connection was lost at COMMIT and the log could not be read back; nothing may be
        dispatched on its strength.
        """
        await self._writer.submit(append)

    async def append_together(self, appends: Sequence[Append]) -> None:
        """Add records to several runs' logs, all or none. Raises as `append` does."""
        await self._writer.submit(AppendBatch(appends))

    async def read(self, run_id: str, after: int = 0, limit: int = PAGE) -> list[Record]:
        """At most `limit` records behind sequence `after`, in order."""
        return await self.query(journal_reads.read_records, run_id, after, limit)

    async def fold(self, run_id: str, run: Run | None = None) -> Run:
        """The run as its log has it now, from all records or from those behind `run`."""
        state = run or Run()
        while records := await self.read(run_id, state.sequence):
            state = fold(records, state)
            if len(records) < PAGE:
                break
        return state

    async def head(self, run_id: str) -> Head | None:
        """The run's head as it was committed last; the caller checks its tenant. None: no such run."""
        if self._batched_heads is not None:
            return await self._batched_heads.read(run_id)
        return await self.query(journal_reads.find_head, run_id)

    async def latest(self, run_id: str, after: int = 0) -> Latest | None:
        """The run's head, and at most a page of the records behind `after` up to it. None: no such run."""
        head = None
        if self._inline_heads is not None:
            head = self._inline_heads.read(run_id)
        elif self._batched_heads is not None and after:
            head = await self._batched_heads.read(run_id)
        if head is not None and head.last_sequence <= after:
            return Latest(head, ())
        return await self.query(journal_reads.find_latest, run_id, after)

    async def find_replay(self, tenant: str, request: RequestKey, now: int) -> str | None:
        """The id of the run that this request made before `now` (milliseconds); None where it made none.

        IDEMPOTENCY_KEY_REUSED: the request id was used with another body.
        """
        name = requests.name_of(tenant, request)
        stored = (await self.query(requests.find, (name,))).get(name)
        return stored.run_for(request) if stored and stored.is_fresh(now) else None

    async def inputs(self, run_id: str) -> Inputs:
        """What the run was given, which never changes. RUN_NOT_FOUND."""
        return await self.query(journal_reads.read_inputs, run_id)

    async def secrets(self, tenant: str, run_id: str) -> bytes | None:
        """The sealed secrets that came with the tenant's run; None where none did, and once it has ended."""
        return await self.query(journal_reads.find_secrets, tenant, run_id)

    async def artifact(self, run_id: str, artifact_id: str) -> bytes:
        """A document too large for an event. NoResultFound: the run has no such artifact."""
        return await self.query(journal_reads.read_artifact, run_id, artifact_id)

    async def unfinished(self, engine: str) -> list[Head]:
        """Every run of the engine of this name that has not ended, oldest first."""
        return await self.query(journal_reads.list_unfinished, engine)

    async def working(self, engine: str) -> list[Head]:
        """Runs of this engine that wait for no person and no time, oldest first, at most a page."""
        return await self.query(journal_reads.list_working, engine)

    async def heads(self, run_ids: Sequence[str]) -> list[Head]:
        """The heads of those of these runs that exist, of any tenant, in any order. PostgreSQL only."""
        return await self.query(heads.find_heads, run_ids)

    async def due(self, engine: str, before: int) -> list[Head]:
        """Runs of this engine for which something is due by `before`, soonest first, at most a page."""
        return await self.query(journal_reads.list_due, engine, before)

    async def query(self, read: Callable[..., T], *arguments: object) -> T:
        """Call `read(connection, *arguments)` in a reader thread, in a transaction of its own.

        On PostgreSQL each statement of `read` sees what was committed when it began. What `read`
        returns and raises is passed on. STORE_UNAVAILABLE: the database cannot be read.
        """

        def read_in_thread(*, first: bool = True) -> T:
            try:
                connection = self._connection()
                with connection.begin():
                    return read(connection, *arguments)
            except OperationalError as error:
                if first and error.connection_invalidated:
                    return read_in_thread(first=False)  # the database was restarted: try on a new connection
                message = f"the database cannot be read: {error.orig}"
                raise Unavailable(Reason.STORE_UNAVAILABLE, message) from error

        return await asyncio.get_running_loop().run_in_executor(self._readers, read_in_thread)

    def _report(self, write: LogWrite, outcome: Created | None) -> None:
        match write:
            case Append():
                self._on_commit(write, None)
            case AppendBatch():
                for append in write.appends:
                    self._on_commit(append, None)
            case Creation():
                if outcome is not None and not outcome.replayed:
                    self._on_commit(write, outcome)
