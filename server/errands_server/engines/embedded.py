"""Executes runs in this process: a bounded number at once, fair between tenants, resumed on start."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence
from typing import Final

import structlog
from msgspec import Struct

from ..domain.draft import Draft
from ..domain.effects import next_effects
from ..domain.errors import Exhausted, Reason, RunChanged, Unavailable
from ..domain.events import RunStatus, UnknownEvent
from ..domain.inputs import Inputs
from ..domain.run import Run
from ..executor.run_loop import RunLoop
from ..executor.work import RunDependencies, engine_failed
from ..store.journal_reads import Head
from ..store.write_requests import Append

_REST: Final = 5.0  # seconds in which runs that another process executes are let go
SWEEP: Final = 5.0  # seconds between looks at what is due; timers shorter than that stay in memory

_log = structlog.get_logger("errands.engine")


class Waiting(Struct, frozen=True):
    """A run that waits for a place, with what is already known of it."""

    tenant: str
    run_id: str
    run: Run | None = None
    inputs: Inputs | None = None


class FairQueue:
    """First come, first served within a tenant; tenants take turns."""

    def __init__(self) -> None:
        self._tenants: OrderedDict[str, deque[Waiting]] = OrderedDict()
        self._ids: set[str] = set()

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def count(self, tenant: str) -> int:
        return len(self._tenants.get(tenant, ()))

    def put(self, waiting: Waiting) -> None:
        self._ids.add(waiting.run_id)
        self._tenants.setdefault(waiting.tenant, deque()).append(waiting)

    def take(self) -> Waiting:
        tenant, queue = next(iter(self._tenants.items()))
        waiting = queue.popleft()
        self._ids.discard(waiting.run_id)
        if queue:
            self._tenants.move_to_end(tenant)
        else:
            del self._tenants[tenant]
        return waiting


class EmbeddedEngine:
    """An `Engine` in the server's own process.

    Every run has at most one task here. Runs that wait for people have none.
    """

    name: Final = "embedded"

    def __init__(
        self, dependencies: RunDependencies, *, max_active: int = 256, max_queued: int = 1_000
    ) -> None:
        self._dependencies = dependencies
        self._max_active = max_active
        self._max_queued = max_queued
        self._queue = FairQueue()
        self._creating: Counter[str] = Counter()
        self._loops: dict[str, RunLoop] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._draining = False
        self._resting = True  # until it is started, and while another process executes
        self._strange: set[str] = set()  # runs whose logs a newer release wrote
        self._idle = asyncio.Event()

    @property
    def active(self) -> int:
        """Runs being executed."""
        return len(self._tasks)

    @property
    def queued(self) -> int:
        """Runs that wait for a place."""
        return len(self._queue)

    async def start(self) -> None:
        """Resume everything that has not ended, then look after what becomes due."""
        self._resting = False
        for head in await self._dependencies.journal.unfinished(self.name):
            # What an authorization waits for may have come while nobody was there to hear of it.
            if head.status in {RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.AUTH_REQUIRED}:
                self.nudge(head.tenant, head.run_id)
        self._sweeper = asyncio.create_task(self._sweep(), name="errands sweep")

    async def begin_creation(self, tenant: str, run_id: str, inputs: Inputs, draft: Draft) -> bool:
        """Decide the beginning of a new run before it is stored; False where it must wait for its turn."""
        instant = self._dependencies.planner.instant and not (self._draining or self._resting)
        if not instant or len(self._queue) or len(self._tasks) >= self._max_active:
            return False
        await RunLoop(self._dependencies, tenant, run_id, inputs=inputs).begin_creation(draft)
        return True

    @contextlib.contextmanager
    def admit(self, tenant: str) -> Iterator[None]:
        """Keep a place for a run that is being created.

        RUN_QUEUE_FULL: as many of the tenant's runs wait as may. SERVER_DRAINING.
        """
        if self._draining:
            raise Unavailable(Reason.SERVER_DRAINING, "the server is shutting down", retry_after=1)
        idle = max(0, self._max_active - len(self._tasks))
        if self._queue.count(tenant) + self._creating[tenant] >= self._max_queued + idle:
            message = f"{self._max_queued} runs of this tenant wait already"
            raise Exhausted(Reason.RUN_QUEUE_FULL, message, subject=tenant, retry_after=1)
        self._creating[tenant] += 1
        try:
            yield
        finally:
            self._creating[tenant] -= 1
            if not self._creating[tenant]:
                del self._creating[tenant]

    def submit(self, tenant: str, run_id: str, run: Run, inputs: Inputs) -> None:
        """Execute a run that was just stored, unless it waits for people already."""
        waits = run.epoch > 0 and not next_effects(run, run.updated_at)
        if not waits and not self._has(run_id):
            self._enqueue(Waiting(tenant, run_id, run, inputs))

    def resume(self, heads: Sequence[Head]) -> None:
        """Execute those of these runs that wait for nobody, where nothing does yet."""
        for head in heads:
            if not self._has(head.run_id) and head.run_id not in self._strange:
                self._enqueue(Waiting(head.tenant, head.run_id))

    def _has(self, run_id: str) -> bool:
        return run_id in self._loops or run_id in self._queue

    def nudge(self, tenant: str, run_id: str) -> None:
        """Something happened to the run: a decision, a cancellation, a timer."""
        loop = self._loops.get(run_id)
        if loop is not None:
            loop.nudge()
        elif run_id not in self._queue:
            self._enqueue(Waiting(tenant, run_id))

    async def rest(self) -> None:
        """Leave every run to another process, which executes now."""
        self._resting = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._queue = FairQueue()
        self.hurry()
        for loop in self._loops.values():
            loop.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REST):
                await self._all_left()
        for task in self._tasks.values():
            task.cancel()

    async def drain(self, seconds: float) -> None:
        """Start nothing more; give calls in flight `seconds`, then record them as unknown."""
        self._draining = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for loop in self._loops.values():
            loop.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._all_left()
        for loop in self._loops.values():
            loop.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self._all_left()
        for task in self._tasks.values():
            task.cancel()

    def hurry(self) -> None:
        """Give up the calls in flight now: a second signal asks for a quick end."""
        for loop in self._loops.values():
            loop.abort()

    async def _all_left(self) -> None:
        while self._tasks:
            self._idle.clear()
            await self._idle.wait()

    def _enqueue(self, waiting: Waiting) -> None:
        if self._draining or self._resting:
            return  # it stays in the store, for the next start or for who executes
        self._queue.put(waiting)
        self._fill()
        if len(self._queue) == 1:
            # Those that only wait must not keep others, perhaps another tenant's, from working.
            for loop in self._loops.values():
                loop.make_room()

    def _fill(self) -> None:
        while len(self._queue) and len(self._tasks) < self._max_active:
            waiting = self._queue.take()
            loop = RunLoop(
                self._dependencies, waiting.tenant, waiting.run_id, run=waiting.run, inputs=waiting.inputs
            )
            if len(self._queue):
                loop.make_room()
            self._loops[waiting.run_id] = loop
            self._tasks[waiting.run_id] = asyncio.create_task(
                self._execute(loop, waiting), name=f"run {waiting.run_id}"
            )

    async def _execute(self, loop: RunLoop, waiting: Waiting) -> None:
        try:
            await loop.execute()
        except UnknownEvent as error:
            # A newer release wrote this log; it is left for one that can read it.
            self._strange.add(waiting.run_id)
            _log.error("run left alone", run_id=waiting.run_id, error=str(error))
        except Unavailable as error:
            _log.error("run left for the next start", run_id=waiting.run_id, error=error.message)
        except Exception as error:
            try:
                await self._fail(waiting)
            finally:
                _log.error("run failed", run_id=waiting.run_id, exc_info=error)
        finally:
            self._leave(loop, waiting)

    def _leave(self, loop: RunLoop, waiting: Waiting) -> None:
        del self._loops[waiting.run_id]
        del self._tasks[waiting.run_id]
        if loop.is_stale and not loop.run.ended:
            # It was nudged in its last moment.
            self._enqueue(Waiting(waiting.tenant, waiting.run_id))
        if not self._draining:
            self._fill()
        self._idle.set()

    async def _fail(self, waiting: Waiting) -> None:
        """A fault of the service ends the run, visibly, rather than leaving it as it is."""
        try:
            run = await self._dependencies.journal.fold(waiting.run_id)
            if run.ended:
                return
            draft = Draft(run, self._dependencies.environment.now())
            if run.epoch == 0:
                return
            engine_failed(draft)
            await self._dependencies.journal.append(
                Append(
                    tenant=waiting.tenant,
                    run_id=waiting.run_id,
                    after=run.sequence,
                    epoch=run.epoch,
                    records=draft.records,
                    run=draft.run,
                )
            )
        except (RunChanged, Unavailable):
            _log.error("run could not be failed", run_id=waiting.run_id)

    async def _sweep(self) -> None:
        while True:
            try:
                before = self._dependencies.environment.now() + int(SWEEP * 1_000)
                self.resume(await self._dependencies.journal.due(self.name, before))
            except Exception:
                _log.exception("sweep failed")
            await asyncio.sleep(SWEEP)
