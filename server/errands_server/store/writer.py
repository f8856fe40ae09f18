"""Group commit: one thread, one connection, and every write that waits goes into one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from ..domain.errors import CommitUnknown, Reason, Unavailable

MAX_BATCH: Final = 256
MAX_WAITING: Final = 20_000

_log = structlog.get_logger("errands.store")


class Work(Protocol):
    """Something to write. Its outcome is a value, or the exception its waiter gets."""

    def stored(self, connection: Connection) -> Any:
        """After a lost COMMIT: its outcome if it was stored after all, else an exception."""
        ...


class Batch(Protocol):
    """Writes `works` inside an open transaction and gives one outcome for each.

    An outcome that is an exception rejects that work alone; raising fails the transaction.
    """

    def __call__(self, connection: Connection, works: Sequence[Any]) -> list[Any]: ...


@dataclass(slots=True)
class _Waiting:
    work: Any
    future: asyncio.Future[Any]


class Writer:
    """Writes in the order it was asked to. What it answered is committed.

    `on_commit(work, outcome)` runs in the event loop for each stored work, in commit order,
    before its waiter goes on.
    """

    def __init__(
        self, engine: Engine, write: Batch, on_commit: Callable[[Any, Any], None], *, name: str = "writer"
    ) -> None:
        self._engine = engine
        self._write = write
        self._on_commit = on_commit
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._waiting = 0
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=f"errands-{name}", daemon=True)
        self._thread.start()
        self.healthy = True

    def submit(self, work: Work) -> asyncio.Future[Any]:
        """Ask for `work` to be written. STORE_UNAVAILABLE: too much waits already.

        The future is shielded by nature: a waiter that goes away changes nothing.
        """
        if self._waiting >= MAX_WAITING:
            raise Unavailable(Reason.STORE_UNAVAILABLE, "too many writes wait for the database")
        self._waiting += 1
        future = self._loop.create_future()
        self._queue.put(_Waiting(work, future))
        return future

    async def close(self) -> None:
        """Write what waits, then stop."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        with self._engine.connect() as connection:
            # `connection.begin` issues BEGIN IMMEDIATE for this option.
            connection = connection.execution_options(writes=True)
            while True:
                batch, last = self._next_batch()
                if batch:
                    outcomes = self._commit(connection, [w.work for w in batch])
                    self._loop.call_soon_threadsafe(self._deliver, batch, outcomes)
                if last:
                    return

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        batch: list[_Waiting] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) == MAX_BATCH:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, connection: Connection, works: list[Any]) -> list[Any]:
        try:
            return self._transaction(connection, works)
        except IntegrityError as error:
            if len(works) == 1:
                _log.error("write refused by a constraint", error=str(error.orig))
                return [error]
            # One of them is wrong. A failed statement leaves earlier rows in the open
            # transaction, so all are written again, each alone, and only that one fails.
            return [outcome for work in works for outcome in self._commit(connection, [work])]
        except SQLAlchemyError as error:
            return self._failed(works, error)
        except Exception as error:
            _log.exception("write failed")
            if len(works) == 1:
                return [error]
            return [outcome for work in works for outcome in self._commit(connection, [work])]

    def _transaction(self, connection: Connection, works: list[Any]) -> list[Any]:
        transaction = connection.begin()
        try:
            outcomes = self._write(connection, works)
        except BaseException:
            with contextlib.suppress(SQLAlchemyError):
                transaction.rollback()
            raise
        try:
            transaction.commit()
        except DBAPIError as error:
            with contextlib.suppress(SQLAlchemyError):
                transaction.rollback()
            return self._look_again(connection, works, error)
        self.healthy = True
        return outcomes

    def _look_again(self, connection: Connection, works: list[Any], error: DBAPIError) -> list[Any]:
        """A COMMIT failed and may have happened: ask the log before anybody is answered."""
        _log.error("commit failed", error=str(error.orig), works=len(works))
        self.healthy = False
        try:
            with connection.begin():
                return [work.stored(connection) for work in works]
        except SQLAlchemyError:
            return [CommitUnknown(str(error.orig))] * len(works)

    def _failed(self, works: list[Any], error: SQLAlchemyError) -> list[Any]:
        cause = str(getattr(error, "orig", error))
        _log.error("database unavailable", error=cause, works=len(works))
        self.healthy = False
        message = f"the database cannot be written: {cause}"
        return [Unavailable(Reason.STORE_UNAVAILABLE, message) for _ in works]

    def _deliver(self, batch: list[_Waiting], outcomes: list[Any]) -> None:
        self._waiting -= len(batch)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if not isinstance(outcome, Exception):
                self._on_commit(waiting.work, outcome)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.future.done():
                continue  # its waiter has gone away
            if isinstance(outcome, Exception):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)
