"""The log of every run: append-only, gapless, and written together with the rows that summarise it."""

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
from .batch import write
from .database import sync_engine
from .group_commit import Batch, GroupCommit
from .heads import BatchedHeadReader, InlineHeadReader
from .journal_reads import PAGE, Head, Latest
from .repositories import requests
from .repositories.requests import RequestKey
from .write_requests import Append, AppendBatch, Created, Creation

T = TypeVar("T")
_READERS: Final = 4  # threads that wait for PostgreSQL; SQLite answers at once, so there one is enough
OnCommit = Callable[[Creation | Append, Created | None], None]
"""Called in the event loop for everything committed, in order, before its writer goes on."""


def _writing(engine: Engine) -> Batch:
    if engine.dialect.name == "sqlite":
        return write
    from .postgres import notify  # with the driver, which is an extra

    def write_and_tell(connection: Connection, works: Sequence[Any]) -> list[Any]:
        outcomes = write(connection, works)
        notify.tell(connection, works)
        return outcomes

    return write_and_tell


class Journal:
    """Appends to and reads from the logs. Appends that wait together share one commit."""

    def __init__(self, url: str, on_commit: OnCommit) -> None:
        self._engine = sync_engine(url)
        self._on_commit = on_commit
        self._writer = GroupCommit(self._engine, _writing(self._engine), self._committed)
        embedded = self._engine.dialect.name == "sqlite"
        self._readers = ThreadPoolExecutor(1 if embedded else _READERS, "errands-reader")
        self._mine = threading.local()
        self._reading: list[Connection] = []
        self._glance = InlineHeadReader(self._engine) if embedded else None
        self._gathered = None if embedded else BatchedHeadReader(partial(self.reader, heads.many))

    def _connection(self) -> Connection:
        """The connection of this reader thread, for as long as the journal is open."""
        found: Connection | None = getattr(self._mine, "connection", None)
        if found is None:
            found = self._mine.connection = self._connect()
            self._reading.append(found)
        return found

    def _connect(self) -> Connection:
        connection = self._engine.connect()
        if connection.dialect.name == "sqlite":
            return connection
        # No read here needs two statements to agree, and BEGIN and ROLLBACK are two round trips.
        return connection.execution_options(isolation_level="AUTOCOMMIT")

    async def close(self) -> None:
        """Write what waits; then a checkpoint is left to the last connection that closes."""
        await self._writer.close()
        self._readers.shutdown()
        for connection in self._reading:
            connection.close()
        if self._glance is not None:
            self._glance.close()
        self._engine.dispose()

    @property
    def healthy(self) -> bool:
        """False from a failed write until the next that succeeds."""
        return self._writer.healthy

    async def create(self, creation: Creation) -> Created:
        """Store a run with its inputs and first events, all or none.

        IDEMPOTENCY_KEY_REUSED: its request id was used with another body. CommitUnknown:
        read before trying again.
        """
        created: Created = await self._writer.submit(creation)
        return created

    async def append(self, append: Append) -> None:
        """Add records to a run's log, directly behind `after`, all or none.

        RunChanged: another writer was first and nothing was written; read the run again
        and decide anew. CommitUnknown: the connection was lost at COMMIT and the log
        could not be read back; nothing may be dispatched on its strength.
        """
        await self._writer.submit(append)

    async def append_together(self, appends: Sequence[Append]) -> None:
        """Add records to several runs' logs, all or none. Raises as `append` does."""
        await self._writer.submit(AppendBatch(appends))

    async def read(self, run_id: str, after: int = 0, limit: int = PAGE) -> list[Record]:
        """At most `limit` records behind `after`, in order."""
        return await self.reader(journal_reads.records, run_id, after, limit)

    async def fold(self, run_id: str, run: Run | None = None) -> Run:
        """The run as its log tells it now, going on from `run` where one is given."""
        state = run or Run()
        while records := await self.read(run_id, state.sequence):
            state = fold(records, state)
            if len(records) < PAGE:
                break
        return state

    async def head(self, run_id: str) -> Head | None:
        """The run's summary, whatever its tenant; callers check that."""
        if self._gathered is not None:
            return await self._gathered(run_id)
        return await self.reader(journal_reads.find_head, run_id)

    async def latest(self, run_id: str, after: int = 0) -> Latest | None:
        """The run with at most a page of records behind `after`; None where there is none."""
        head = None
        if self._glance is not None:
            head = self._glance(run_id)
        elif self._gathered is not None and after:
            head = await self._gathered(run_id)
        if head is not None and head.last_sequence <= after:
            return Latest(head, ())
        return await self.reader(journal_reads.latest, run_id, after)

    async def answered(self, tenant: str, request: RequestKey, now: int) -> str | None:
        """The run this request made before, if it did. IDEMPOTENCY_KEY_REUSED: with another body."""
        name = requests.name_of(tenant, request)
        remembered = (await self.reader(requests.find, (name,))).get(name)
        return remembered.answers(request) if remembered and remembered.is_fresh(now) else None

    async def inputs(self, run_id: str) -> Inputs:
        """What the run was given. RUN_NOT_FOUND: there is no such run."""
        return await self.reader(journal_reads.inputs, run_id)

    async def secrets(self, tenant: str, run_id: str) -> bytes | None:
        """What came with the tenant's run, sealed; None where nothing did, and once it has ended."""
        return await self.reader(journal_reads.secrets, tenant, run_id)

    async def artifact(self, run_id: str, artifact_id: str) -> bytes:
        """A document too large for an event."""
        return await self.reader(journal_reads.artifact, run_id, artifact_id)

    async def unfinished(self, engine: str) -> list[Head]:
        """Every run of the engine of this name that has not ended, oldest first."""
        return await self.reader(journal_reads.unfinished, engine)

    async def working(self, engine: str) -> list[Head]:
        """Runs of this engine that wait for no person and no time, oldest first, at most a page."""
        return await self.reader(journal_reads.working, engine)

    async def heads(self, run_ids: Sequence[str]) -> list[Head]:
        """Summaries of those of these runs that there are, whatever their tenants. Only on PostgreSQL."""
        return await self.reader(heads.many, run_ids)

    async def due(self, engine: str, before: int) -> list[Head]:
        """Runs of this engine for which something is due by `before`, soonest first, at most a page."""
        return await self.reader(journal_reads.due, engine, before)

    async def reader(self, read: Callable[..., T], *arguments: object) -> T:
        """The answer of `read(connection, *arguments)`, in a reader thread and a transaction of its own.

        STORE_UNAVAILABLE: the database cannot be read.
        """

        def work(*, first: bool = True) -> T:
            try:
                connection = self._connection()
                with connection.begin():
                    return read(connection, *arguments)
            except OperationalError as error:
                if first and error.connection_invalidated:
                    return work(first=False)  # the database was restarted: on a new connection
                message = f"the database cannot be read: {error.orig}"
                raise Unavailable(Reason.STORE_UNAVAILABLE, message) from error

        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    def _committed(self, work: Creation | Append | AppendBatch, outcome: Created | None) -> None:
        match work:
            case Append():
                self._on_commit(work, None)
            case AppendBatch():
                for append in work.appends:
                    self._on_commit(append, None)
            case Creation():
                if outcome is not None and not outcome.replayed:
                    self._on_commit(work, outcome)
