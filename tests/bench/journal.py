"""How much of SQLite's own speed the journal leaves: `python -m tests.bench.journal [seconds]`.

A row of the table is a number of appends in flight. Its ceiling is a bare sqlite3 loop, measured
in between, that writes the same rows with the same number of appends in each transaction.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, make_url

from errands_server.domain import events as e
from errands_server.domain.run import Run
from errands_server.store.store import Store
from tests.store.databases import opened
from tests.store.logs import append, stored

IN_FLIGHT: Final = (1, 64, 256)
ROUNDS: Final = 5
EVENT: Final = e.Noted(text="x" * 200)
APPENDS = "INSERT INTO events (run_id, sequence, at, status, append_id, body) VALUES (?, ?, ?, ?, ?, ?)"
SUMMARY = """UPDATE runs SET status = ?, epoch = ?, last_sequence = ?, plan_id = ?, updated_at = ?,
    wake_at = ?, finished_at = ? WHERE run_id = ?"""


class Journal:
    """Appends through the store, one event each, every caller on a run of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._transactions = 0
        self._runs: list[Run] = []
        event.listen(store.journal._engine, "commit", self._count)

    def _count(self, connection: Any) -> None:
        self._transactions += connection.get_execution_options().get("writes", False)

    async def prepare(self, callers: int) -> None:
        for number in range(len(self._runs), callers):
            self._runs.append(await stored(self._store, f"run-{number:04}"))

    async def measure(self, callers: int, seconds: float) -> tuple[float, float]:
        """Appends a second, and appends in each transaction."""
        self._transactions = 0
        end = time.perf_counter() + seconds
        counts = await asyncio.gather(*(self._caller(number, end) for number in range(callers)))
        elapsed = time.perf_counter() - end + seconds
        return sum(counts) / elapsed, sum(counts) / max(1, self._transactions)

    async def _caller(self, number: int, end: float) -> int:
        count, run = 0, self._runs[number]
        while time.perf_counter() < end:
            work = append(f"run-{number:04}", run, EVENT)
            await self._store.journal.append(work)
            run = self._runs[number] = work.run
            count += 1
        return count


def bare(path: str, batch: int, seconds: float) -> float:
    """Appends a second of a loop that does nothing but write the same rows."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    runs = [f"run-{number:04}" for number in range(batch)]
    find = f"SELECT run_id, last_sequence, epoch FROM runs WHERE run_id IN ({', '.join('?' * batch)})"
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        connection.execute("BEGIN IMMEDIATE")
        heads = connection.execute(find, runs).fetchall()
        body = e.encode(EVENT).decode()
        summaries = [("QUEUED", 0, last + 1, "p", count, None, None, key) for key, last, _ in heads]
        events = [(key, last + 1, count, "QUEUED", count, body) for key, last, _ in heads]
        connection.executemany(SUMMARY, summaries)
        connection.executemany(APPENDS, events)
        connection.execute("COMMIT")
        count += len(heads)
    elapsed = time.perf_counter() - start
    connection.close()
    return count / elapsed


async def measure(folder: Path, seconds: float) -> list[tuple[int, float, float, float]]:
    url = f"sqlite:///{folder / 'journal.db'}"
    ceiling = f"sqlite:///{folder / 'bare.db'}"
    async with opened(ceiling) as store:
        await Journal(store).prepare(max(IN_FLIGHT))
    lines = []
    for callers in IN_FLIGHT:
        rounds = [await _round(url, ceiling, callers, seconds) for _ in range(ROUNDS)]
        lines.append((callers, *(statistics.median(column) for column in zip(*rounds, strict=True))))
    return lines


async def _round(url: str, ceiling: str, callers: int, seconds: float) -> tuple[float, float, float]:
    async with opened(url.replace("journal.db", f"{callers}-{time.monotonic_ns()}.db")) as store:
        journal = Journal(store)
        await journal.prepare(callers)
        ours, batch = await journal.measure(callers, seconds)
    raw = bare(make_url(ceiling).database or "", max(1, round(batch)), seconds)
    return ours, batch, raw


def main(arguments: Sequence[str]) -> None:
    seconds = float(arguments[0]) if arguments else 1.0
    with tempfile.TemporaryDirectory() as folder:
        lines = asyncio.run(measure(Path(folder), seconds))
    print("in flight   appends/s   per commit   bare sqlite3/s   ratio")
    for callers, ours, batch, raw in lines:
        print(f"{callers:>9}   {ours:>9,.0f}   {batch:>10.1f}   {raw:>14,.0f}   {ours / raw:>5.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
