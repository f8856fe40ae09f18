"""Group commit: one thread, one connection, and every write that waits goes into one transaction."""

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

MAX_BATCH: Final = 256
MAX_WAITING: Final = 20_000
PROBE: Final = 1.0  # seconds between tries while the database cannot be written and nobody asks

_log = structlog.get_logger("errands.store")


class WriteRequest(Protocol):
    """Something to write. Its outcome is a value, or the exception its waiter gets."""

    def stored(self, connection: Connection) -> Any:
        """After a lost COMMIT: its outcome if it was stored after all, else an exception."""
        ...


class Batch(Protocol):
    """Writes `works` inside an open transaction and gives one outcome for each.

    An outcome that is an exception rejects that work alone; raising fails the transaction.
    Without works it proves that the database can be written.
    """

    def __call__(self, connection: Connection, works: Sequence[Any]) -> list[Any]: ...


@dataclass(slots=True)
class _Waiting:
    work: Any
    future: asyncio.Future[Any]


class GroupCommit:
    """Writes in the order it was asked to. What it answered is committed.

    `on_commit(work, outcome)` runs in the event loop for each stored work, in commit order,
    before its waiter goes on. It comes late, but it comes, for works answered CommitUnknown
    that turn out to be stored.
    """

    def __init__(
        self, engine: Engine, write: Batch, on_commit: Callable[[Any, Any], None], *, name: str = "writer"
    ) -> None:
        self._write = write
        self._on_commit = on_commit
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._waiting = 0
        self._closed = False
        self._doubtful: list[Any] = []  # answered CommitUnknown
        self._lost: str | None = None  # the transaction whose COMMIT was not answered, where it has an id
        self._loop = asyncio.get_running_loop()
        self.healthy = True
        # `connection.begin` issues BEGIN IMMEDIATE for this option.
        connection = engine.connect().execution_options(writes=True)
        self._thread = threading.Thread(
            target=self._run, args=(connection,), name=f"errands-{name}", daemon=True
        )
        self._thread.start()

    def submit(self, work: WriteRequest) -> asyncio.Future[Any]:
        """Ask for `work` to be written. STORE_UNAVAILABLE: too much waits already, or it is closed.

        The future is shielded by nature: a waiter that goes away changes nothing.
        """
        if self._waiting >= MAX_WAITING:
            raise Unavailable(Reason.STORE_UNAVAILABLE, "too many writes wait for the database")
        if self._closed:
            raise Unavailable(Reason.STORE_UNAVAILABLE, "the store is closed")
        self._waiting += 1
        future = self._loop.create_future()
        self._queue.put(_Waiting(work, future))
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
                    outcomes = self._commit(connection, [w.work for w in batch])
                    self._loop.call_soon_threadsafe(self._deliver, batch, outcomes)

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        """What waits, and whether it is the last. Empty after `PROBE` where the database failed."""
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

    def _commit(self, connection: Connection, works: list[Any], *, first: bool = True) -> list[Any]:
        try:
            return self._transaction(connection, works)
        except (IntegrityError, DataError, ProgrammingError) as error:
            _log.error("write refused", error=str(error.orig), works=len(works))
            return self._one_by_one(connection, works, error)
        except SQLAlchemyError as error:
            if first and isinstance(error, DBAPIError) and error.connection_invalidated:
                # The connection was lost before COMMIT, so nothing was written: on a new one.
                return self._commit(connection, works, first=False)
            return self._failed(works, error)
        except Exception as error:
            _log.exception("write failed", works=len(works))
            return self._one_by_one(connection, works, error)

    def _one_by_one(self, connection: Connection, works: list[Any], error: Exception) -> list[Any]:
        """One of them is wrong. A failed statement leaves earlier rows in the open transaction,
        so all are written again, each alone, and only that one fails.
        """
        if len(works) == 1:
            return [error]
        return [outcome for work in works for outcome in self._commit(connection, [work])]

    def _transaction(self, connection: Connection, works: list[Any]) -> list[Any]:
        began = time.perf_counter()
        transaction = connection.begin()
        try:
            outcomes = self._write(connection, works)
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
            return self._look_again(connection, works, error)
        metrics.transaction(len(works), time.perf_counter() - began)
        self.healthy = True
        return outcomes

    def _look_again(self, connection: Connection, works: list[Any], error: Exception) -> list[Any]:
        """A COMMIT failed and may have happened: ask the log before anybody is answered."""
        cause = str(getattr(error, "orig", error))
        _log.error("commit failed", error=cause, works=len(works))
        self.healthy = False
        try:
            with connection.begin():
                require_ended(connection, self._lost)
                return [work.stored(connection) for work in works]
        except Exception:
            _log.exception("commit in doubt", works=len(works))
            self._doubtful += works
            return [CommitUnknown(cause) for _ in works]

    def _recover(self, connection: Connection) -> None:
        """Tell of what is in doubt and was stored, and find out whether writing works again."""
        works = self._doubtful
        try:
            with connection.begin():
                require_ended(connection, self._lost)
                outcomes = [work.stored(connection) for work in works]
                self._write(connection, ())
        except Exception as error:
            _log.warning("database still unavailable", error=str(getattr(error, "orig", error)))
            return
        self._doubtful = []
        self._loop.call_soon_threadsafe(self._announce, works, outcomes)
        self.healthy = True

    def _failed(self, works: list[Any], error: SQLAlchemyError) -> list[Any]:
        cause = str(getattr(error, "orig", error))
        _log.error("database unavailable", error=cause, works=len(works))
        self.healthy = False
        message = f"the database cannot be written: {cause}"
        return [Unavailable(Reason.STORE_UNAVAILABLE, message) for _ in works]

    def _deliver(self, batch: list[_Waiting], outcomes: list[Any]) -> None:
        self._waiting -= len(batch)
        self._announce([waiting.work for waiting in batch], outcomes)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.future.done():
                continue  # its waiter has gone away
            if isinstance(outcome, Exception):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)

    def _announce(self, works: list[Any], outcomes: list[Any]) -> None:
        for work, outcome in zip(works, outcomes, strict=True):
            if isinstance(outcome, Exception):
                continue
            try:
                self._on_commit(work, outcome)
            except Exception:
                # It is stored; whoever waits for it and for the others is told so.
                _log.exception("on_commit failed")


def _roll_back(connection: Connection, transaction: RootTransaction) -> None:
    try:
        transaction.rollback()
    except SQLAlchemyError:
        connection.invalidate()  # its transaction must not outlive it
