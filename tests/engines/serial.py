"""A second engine: it executes one run at a time. Whatever is true of execution is true of it, too."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from errands_server.domain.draft import Draft
from errands_server.domain.errors import Reason, Unavailable
from errands_server.domain.inputs import Inputs
from errands_server.domain.run import Run
from errands_server.executor.run_loop import RunLoop
from errands_server.executor.work import RunDependencies

SWEEP: Final = 0.2  # seconds between looks at what is due
AHEAD: Final = 200  # milliseconds; what is due so soon waits in memory


class SerialEngine:
    """An `Engine` with one task. What it is told waits in a queue; what it forgets it finds in the log."""

    name: Final = "serial"

    def __init__(self, dependencies: RunDependencies) -> None:
        self._dependencies = dependencies
        self._queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._waiting: set[str] = set()
        self._loop: RunLoop | None = None
        self._run_id = ""
        self._draining = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def active(self) -> int:
        return int(self._loop is not None)

    @property
    def queued(self) -> int:
        return self._queue.qsize()

    async def start(self) -> None:
        for head in await self._dependencies.journal.unfinished(self.name):
            self.nudge(head.tenant, head.run_id)
        self._tasks = [asyncio.create_task(self._execute()), asyncio.create_task(self._sweep())]

    @contextlib.contextmanager
    def admit(self, tenant: str) -> Iterator[None]:
        if self._draining:
            raise Unavailable(Reason.SERVER_DRAINING, "the server is shutting down", retry_after=1)
        yield

    async def begin_creation(self, tenant: str, run_id: str, inputs: Inputs, draft: Draft) -> bool:
        return False

    def submit(self, tenant: str, run_id: str, run: Run, inputs: Inputs) -> None:
        self.nudge(tenant, run_id)

    def nudge(self, tenant: str, run_id: str) -> None:
        if run_id == self._run_id and self._loop is not None:
            self._loop.nudge()
        elif run_id not in self._waiting:
            self._waiting.add(run_id)
            self._queue.put_nowait((tenant, run_id))
        if self._loop is not None:
            self._loop.make_room()

    async def drain(self, seconds: float) -> None:
        self._draining = True
        if self._loop is not None:
            self._loop.stop()
        worker, *others = self._tasks or [None]
        for task in others:
            task.cancel()
        if worker is None:
            return
        self._queue.put_nowait(("", ""))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(worker), seconds)
        self.hurry()
        await worker

    def hurry(self) -> None:
        if self._loop is not None:
            self._loop.abort()

    async def _execute(self) -> None:
        while not self._draining:
            tenant, run_id = await self._queue.get()
            self._waiting.discard(run_id)
            if self._draining:
                return
            self._run_id = run_id
            self._loop = loop = RunLoop(self._dependencies, tenant, run_id)
            await loop.execute()
            self._loop, self._run_id = None, ""
            if loop.is_stale and not loop.run.ended:
                self.nudge(tenant, run_id)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            due = self._dependencies.environment.now() + AHEAD
            for head in await self._dependencies.journal.due(self.name, due):
                self.nudge(head.tenant, head.run_id)
