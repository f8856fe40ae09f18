"""One run, executed by one task: decide, store, begin the work, wait; and again."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Final

import structlog

from ..domain.draft import Draft
from ..domain.inputs import Inputs
from ..domain.run import Run
from .decider import Decider, Superseded
from .work import Outcome, RunDependencies, Work, fault_of, never_begun

LINGER: Final = 60.0  # seconds a run waits for a timer in memory before it is left to the store
STAY: Final = 10.0  # the same, while other runs wait for a place in memory
STORE_RETRY: Final = 0.5  # seconds between tries while the store cannot be written

_log = structlog.get_logger("errands.executor")


class RunLoop:
    """Executes one run until it ends, waits for people, or is told to stop.

    Its `Decider` decides what is done next; the tasks and timers of the run are here.
    """

    def __init__(
        self,
        dependencies: RunDependencies,
        tenant: str,
        run_id: str,
        *,
        run: Run | None = None,
        inputs: Inputs | None = None,
    ) -> None:
        """`run`, with its `inputs`, is one that this process has just stored."""
        self._journal = dependencies.journal
        self._environment = dependencies.environment
        self._run_id = run_id
        self._is_new = run is not None
        self._changed = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._linger = LINGER
        self._decider = Decider(
            dependencies, tenant, run_id, self, run=run, inputs=inputs, wake=self._changed.set
        )

    @property
    def run(self) -> Run:
        """The run as it was stored last, as far as this process knows."""
        return self._decider.run

    @property
    def is_stale(self) -> bool:
        """Whether the log may hold more than `run`."""
        return self._decider.stale

    async def begin_creation(self, draft: Draft) -> None:
        """Add to the draft that creates the run all that is decided before anything leaves the process."""
        await self._decider.begin_creation(draft)

    def nudge(self) -> None:
        """Say that another writer appended to the run's log."""
        self._decider.stale = True
        self._changed.set()

    def make_room(self) -> None:
        """Other runs wait for this one's place: keep it only while there is something to do."""
        self._linger = STAY
        self._decider.make_room()

    def stop(self) -> None:
        """Start no more calls, and return when those in flight are recorded."""
        self._decider.stopping = True
        self._changed.set()

    def abort(self) -> None:
        """Give up the calls in flight: their outcomes are unknown."""
        for task in self._tasks.values():
            task.cancel()

    async def execute(self) -> None:
        """Execute until the run ends, waits without a task, or `stop` was called.

        Unavailable: the store cannot be written, and `stop` was called.
        """
        try:
            if not self._is_new:
                self._decider.run = await self._journal.fold(self._run_id)
            while not self.run.ended:
                await self._decider.advance()
                self._decider.look_up()
                if self.run.ended or self._may_leave():
                    return
                await self._wait()
        except Superseded:
            _log.info("run taken over by another process", run_id=self._run_id)
        finally:
            self._decider.leave()
            self.abort()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _may_leave(self) -> bool:
        if not self._decider.idle or self._changed.is_set():
            return False
        return self._decider.stopping or self._seconds_to_wake() > self._linger

    def _seconds_to_wake(self) -> float:
        due = self._decider.wake_at()
        return float("inf") if due is None else max(0.0, (due - self._environment.now()) / 1_000)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._seconds_to_wake(), LINGER)):
                await self._changed.wait()
        self._changed.clear()

    def begin(self, work: Work) -> None:
        task = asyncio.create_task(self._perform(work), name=f"{self._run_id} {work.name}")
        self._tasks[work.name] = task
        task.add_done_callback(partial(self._end, work))

    def cut_off(self, name: str) -> None:
        self._tasks[name].cancel()

    async def settle(self) -> None:
        await asyncio.sleep(0)

    async def back_off(self) -> None:
        await asyncio.sleep(STORE_RETRY)

    async def _perform(self, work: Work) -> None:
        outcome: Outcome | None = None
        fault: Exception | None = None
        try:
            outcome = await work.perform()
        except Exception as error:
            outcome = fault_of(work)
            fault = error
        finally:
            self._finish(work, outcome)
        # Last: whatever becomes of the line, the outcome is kept.
        if fault is not None:
            _log.error("effect failed", run_id=self._run_id, effect=work.name, exc_info=fault)

    def _end(self, work: Work, _: asyncio.Task[None]) -> None:
        """A task that is cancelled before its first step performs nothing, and says nothing."""
        if work.name in self._tasks:
            self._finish(work, never_begun(work))

    def _finish(self, work: Work, outcome: Outcome | None) -> None:
        del self._tasks[work.name]
        self._decider.finish(work, outcome)
        self._changed.set()
