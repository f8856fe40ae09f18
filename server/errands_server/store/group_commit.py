"""Group commit: one thread with one connection writes all that waits in one transaction."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from sqlalchemy import Connection, Engine, RootTransaction
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError

from .. import metrics
from ..domain.errors import CommitUnknown, Reason, Unavailable
from .postgres.connection import TRANSACTION, require_ended

MAX_BATCH: Final = 256  # writes in one transaction
MAX_WAITING: Final = 20_000  # writes
PROBE: Final = 1.0  # seconds between tries while the database cannot be written and no write waits

_log = structlog.get_logger("errands.store")


class WriteRequest(Protocol):
    """Something to write. Its outcome is a value, or the exception that its caller gets."""

    def find_outcome(self, connection: Connection) -> Any:
        """Its outcome, read back after a lost COMMIT. Returns an exception where it is not stored."""
        ...


class BatchWriter(Protocol):
    """Writes `writes` inside an open transaction. Returns one outcome for each, in order.

    An outcome that is an exception rejects that write alone; raising fails the transaction.
    Without writes it proves that the database can be written.
    """

    def __call__(self, connection: Connection, writes: Sequence[Any], /) -> list[Any]: ...


@dataclass(slots=True)
class _Waiting:
    write: Any
    future: asyncio.Future[Any]


class GroupCommit:
    """Writes in the order of the calls of `submit`. A future that has a result is committed.

    `on_commit(write, outcome)` runs in the event loop for each stored write, in commit order,
    before its caller goes on. A write that failed with CommitUnknown and turns out to be stored
    is reported to it, too, once that is known.
    """

    def __init__(
        self,
        engine: Engine,
        write_batch: BatchWriter,
        on_commit: Callable[[Any, Any], None],
        *,
        name: str = "writer",
    ) -> None:
        self._write_batch = write_batch
        self._on_commit = on_commit
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._waiting = 0
        self._closed = False
        self._doubtful: list[Any] = []  # writes that failed with CommitUnknown
        self._lost: str | None = None  # id of the transaction whose COMMIT was not answered; PostgreSQL only
        self._loop = asyncio.get_running_loop()
        self.healthy = True
        # `connection.begin` issues BEGIN IMMEDIATE for this option.
        connection = engine.connect().execution_options(writes=True)
        self._thread = threading.Thread(
            target=self._run, args=(connection,), name=f"errands-{name}", daemon=True
        )
        self._thread.start()

    def submit(self, write: WriteRequest) -> asyncio.Future[Any]:
        """Queue a write. Returns the future of its outcome.

        STORE_UNAVAILABLE: `MAX_WAITING` writes wait already, or the store is closed. Cancelling the
        future does not take the write back.
        """
        if self._waiting >= MAX_WAITING:
            raise Unavailable(Reason.STORE_UNAVAILABLE, "too many writes wait for the database")
        if self._closed:
            raise Unavailable(Reason.STORE_UNAVAILABLE, "the store is closed")
        self._waiting += 1
        future = self._loop.create_future()
        self._queue.put(_Waiting(write, future))
        return future

    async def close(self) -> None:
        """Write what waits, then stop."""
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self, connection: Connection) -> None:
        with connection:
            last = False
            while not last:
                batch, last = self._next_batch()
                if self._doubtful or not (batch or self.healthy):
                    self._recover(connection)
                if batch:
                    outcomes = self._commit(connection, [waiting.write for waiting in batch])
                    self._loop.call_soon_threadsafe(self._deliver, batch, outcomes)

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        """The writes that wait, and whether they are the last. While the database fails, perhaps no write."""
        batch: list[_Waiting] = []
        try:
            settled = self.healthy and not self._doubtful
            item = self._queue.get(timeout=None if settled else PROBE)
        except queue.Empty:
            return batch, False
        while item is not None:
            batch.append(item)
            if len(batch) == MAX_BATCH:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, connection: Connection, writes: list[Any], *, first: bool = True) -> list[Any]:
        try:
            return self._transaction(connection, writes)
        except (IntegrityError, DataError, ProgrammingError) as error:
            outcomes = self._one_by_one(connection, writes, error)
            _log.error("write refused", error=str(error.orig), works=len(writes))
            return outcomes
        except SQLAlchemyError as error:
            if first and isinstance(error, DBAPIError) and error.connection_invalidated:
                # The connection was lost before COMMIT, so nothing was written: try on a new one.
                return self._commit(connection, writes, first=False)
            return self._failed(writes, error)
        except Exception as error:
            outcomes = self._one_by_one(connection, writes, error)
            _log.exception("write failed", works=len(writes))
            return outcomes

    def _one_by_one(self, connection: Connection, writes: list[Any], error: Exception) -> list[Any]:
        """Write each alone, so that only the one that is wrong fails. The transaction was rolled back,
        because a failed statement leaves the rows of earlier ones in it.
        """
        if len(writes) == 1:
            return [error]
        return [outcome for write in writes for outcome in self._commit(connection, [write])]

    def _transaction(self, connection: Connection, writes: list[Any]) -> list[Any]:
        began = time.perf_counter()
        transaction = connection.begin()
        try:
            outcomes = self._write_batch(connection, writes)
        except BaseException:
            _roll_back(connection, transaction)
            raise
        try:
            transaction.commit()
        except Exception as error:
            self._lost = connection.info.get(TRANSACTION)
            # It may still be open on this connection, where no rollback would end it.
            transaction.rollback()
            connection.invalidate()
            return self._read_back(connection, writes, error)
        metrics.transaction(len(writes), time.perf_counter() - began)
        self.healthy = True
        return outcomes

    def _read_back(self, connection: Connection, writes: list[Any], error: Exception) -> list[Any]:
        """A COMMIT failed and may have happened: read the outcomes back from the log."""
        cause = str(getattr(error, "orig", error))
        self.healthy = False
        _log.error("commit failed", error=cause, works=len(writes))
        try:
            with connection.begin():
                require_ended(connection, self._lost)
                return [write.find_outcome(connection) for write in writes]
        except Exception:
            self._doubtful += writes
            _log.exception("commit in doubt", works=len(writes))
            return [CommitUnknown(cause) for _ in writes]

    def _recover(self, connection: Connection) -> None:
        """Report the doubtful writes that were stored, and find out whether writing works again."""
        writes = self._doubtful
        try:
            with connection.begin():
                require_ended(connection, self._lost)
                outcomes = [write.find_outcome(connection) for write in writes]
                self._write_batch(connection, ())
        except Exception as error:
            _log.warning("database still unavailable", error=str(getattr(error, "orig", error)))
            return
        self._doubtful = []
        self._loop.call_soon_threadsafe(self._announce, writes, outcomes)
        self.healthy = True

    def _failed(self, writes: list[Any], error: SQLAlchemyError) -> list[Any]:
        cause = str(getattr(error, "orig", error))
        self.healthy = False
        _log.error("database unavailable", error=cause, works=len(writes))
        message = f"the database cannot be written: {cause}"
        return [Unavailable(Reason.STORE_UNAVAILABLE, message) for _ in writes]

    def _deliver(self, batch: list[_Waiting], outcomes: list[Any]) -> None:
        self._waiting -= len(batch)
        self._announce([waiting.write for waiting in batch], outcomes)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.future.done():
                continue  # its caller has gone away
            if isinstance(outcome, Exception):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)

    def _announce(self, writes: list[Any], outcomes: list[Any]) -> None:
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, Exception):
                continue
            try:
                self._on_commit(write, outcome)
            except Exception:
                # It is stored, and so are the others: their callers get their outcomes.
                _log.exception("on_commit failed")


def _roll_back(connection: Connection, transaction: RootTransaction) -> None:
    try:
        transaction.rollback()
    except SQLAlchemyError:
        connection.invalidate()  # its transaction must not outlive it
