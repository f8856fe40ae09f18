"""The service under load: real API, planner, engine and SQLite; tools are no-ops in the process.

Commands come on standard input, one a line; each is answered with one line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import uvloop

from errands.server_process import configure_log, tune_interpreter
from errands_server.app import Overrides, running
from errands_server.config import Config
from errands_server.domain import commands
from errands_server.domain.draft import Draft
from errands_server.domain.events import AnyEvent, Noted
from errands_server.domain.run import Run
from errands_server.engines.embedded import EmbeddedEngine
from errands_server.environment import Environment
from errands_server.ports import CallRequest, CallResult, CallSucceeded, Resolved
from errands_server.services.run_changes import change
from errands_server.store.store import Store
from errands_server.store.write_requests import Append
from tests.bench.stored import Stored, stored
from tests.databases import ELSEWHERE, database_of

KEY = "bench-key"


class NoOp:
    """A toolbox whose every call is done at once."""

    async def resolve(self, request: CallRequest, *, shared_only: bool = False) -> Resolved:
        return Resolved()

    async def call(self, request: CallRequest) -> CallResult:
        return CallSucceeded(output=b'{"id":"x_1","ok":true}')


class Control:
    """What the benchmark asks of the server besides gRPC."""

    def __init__(self, store: Store) -> None:
        self._journal = store.journal
        self._store = store

    async def unfinished(self) -> int:
        """Runs that have not ended."""
        return len(await self._journal.unfinished(EmbeddedEngine.name))

    async def stored(self) -> Stored:
        """See `stored.stored`."""
        return await self._journal.query(stored)

    async def note(self, run_id: str, count: str, each: str) -> float:
        """Append `count` notes, `each` at a time, one append after the other; the seconds it took."""
        began = time.perf_counter()
        for _ in range(int(count) // int(each)):
            await self._change(run_id, lambda _: [Noted(text="a note of the usual length")] * int(each))
        return time.perf_counter() - began

    async def memory(self) -> int:
        """Bytes of memory this process holds, without garbage."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    async def append(self, runs: str, each: str) -> tuple[float, float]:
        """Append to so many runs at once, one event after the other, as owners do.

        The seconds it took, by the clock and of processor time.
        """
        heads = (await self._journal.unfinished(EmbeddedEngine.name))[-int(runs) :]
        folded = [(head.run_id, await self._journal.fold(head.run_id)) for head in heads]
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(self._append(*one, int(each)) for one in folded))
        return time.perf_counter() - began, time.process_time() - cpu

    async def _append(self, run_id: str, run: Run, count: int) -> None:
        for _ in range(count):
            draft = Draft(run, Environment().now())
            draft.add(Noted(text="a note of the usual length"))
            work = Append(
                tenant="default",
                run_id=run_id,
                after=run.sequence,
                epoch=run.epoch,
                records=draft.records,
                run=draft.run,
            )
            await self._journal.append(work)
            run = draft.run

    async def cancel(self, run_id: str) -> float:
        """End a run."""
        await self._change(run_id, lambda d: commands.cancel(d.run, actor="bench", now=d.now))
        return time.perf_counter()

    async def _change(self, run_id: str, decide: Callable[[Draft], list[AnyEvent]]) -> None:
        await change(self._journal, Environment(), "default", run_id, decide)


async def main(log: BinaryIO) -> None:
    configure_log("info", log)
    await _serve()


async def _serve() -> None:
    stores: list[Store] = []
    opened = Store.open

    async def remember(*arguments: Any, **options: Any) -> Store:
        stores.append(await opened(*arguments, **options))
        return stores[-1]

    Store.open = remember  # type: ignore[method-assign]
    with _folder() as folder:
        config = Config(
            data=Path(folder),
            grpc="127.0.0.1:0",
            http="127.0.0.1:0",
            api_key=KEY,
            max_queued=1_000_000,
            database=database_of(Path(folder).absolute()) if ELSEWHERE else "",
        )
        async with running(config, Overrides(toolbox=lambda _: NoOp())) as app:
            tune_interpreter()
            print(f"ready grpc={app.grpc_address} http={app.http_address}", flush=True)
            await _obey(Control(stores[0]))


def _folder() -> AbstractContextManager[str]:
    """The data folder: the one that was named, else one of its own."""
    if sys.argv[1:]:
        return nullcontext(sys.argv[1])
    return tempfile.TemporaryDirectory(dir=".", prefix=".errands-bench-")


async def _obey(control: Control) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().split():
        command: Callable[..., Awaitable[Any]] = getattr(control, line[0])
        print(json.dumps(await command(*line[1:])), flush=True)


if __name__ == "__main__":
    with Path("/dev/null").open("wb") as sink:
        uvloop.run(main(sink))
