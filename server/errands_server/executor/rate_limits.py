"""Holds calls back before they are stored as started: rates, concurrency and pauses, by integration.

All of it is kept in this process, and lost with it: after a restart a rate starts again. The buckets
are pyrate-limiter's, whose other stores (Redis, PostgreSQL) can take their place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from ..domain import rates
from ..domain.draft import Draft
from ..domain.events import Call, CallDelayed, Noted
from ..domain.policy import SECOND
from ..domain.rates import Rate
from ..domain.run import CallProgress
from ..environment import Environment
from ..tools.catalog import ToolCatalog

if TYPE_CHECKING:
    from pyrate_limiter import InMemoryBucket

MAX_PAUSE: Final = 300 * SECOND  # a service that asks for more is asked again after this long
QUEUE_TIMEOUT: Final = 30 * SECOND  # a queued call asks again after this long, unless it is woken sooner
NOTE_AFTER: Final = SECOND  # a wait as long as this is an event of the run
DELAY: Final = 30 * SECOND  # how long a queued run leaves memory to others
_LATE: Final = SECOND // 4  # a reservation that is used later than this has to be made again
_REMEMBERED: Final = 4_096  # integrations

_rate = lru_cache(maxsize=1_024)(rates.parse)


class Wait(Struct, frozen=True, kw_only=True):
    """Why a call may not be sent now."""

    until: int  # milliseconds; then it is to ask again
    why: str  # for people
    certain: bool = True  # False: it waits for another call to end, which may come sooner or later
    shared: bool = False  # another call of its run waits for the same


class Requester(Struct, frozen=True):
    """The call that asks. `wake` is called when it may ask again before its wait is over."""

    run_id: str
    call_id: str
    wake: Callable[[], None]


class IntegrationLimiter:
    """The limits of every integration that this process calls. Each belongs to one tenant."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, _State] = OrderedDict()

    def acquire(
        self,
        integration_id: str,
        requester: Requester,
        *,
        rate: str,
        concurrency: int,
        now: int,
        jitter: float,
    ) -> Wait | None:
        """Ask for a call to be sent now. None: it may, and counts as running until `release`.

        `rate` as in domain/rates, "" for none; `concurrency` is how many calls may run at a time, 0 for
        any; `now` in milliseconds; `jitter` from 0 to 1.
        """
        state = self._states.get(integration_id)
        if state is None:
            if not rate and not concurrency:
                return None
            state = self._state(integration_id)
        return state.acquire(
            requester, _rate(rate) if rate else None, concurrency=concurrency, now=now, jitter=jitter
        )

    def pause(self, integration_id: str, until: int, *, now: int) -> None:
        """Start no call to this integration before `until` (milliseconds): its service asked for that."""
        self._state(integration_id).pause(min(until, now + MAX_PAUSE))

    def release(self, integration_id: str, call_id: str) -> None:
        """The call has ended, or was not sent after all. Twice is as good as once."""
        if state := self._states.get(integration_id):
            state.release(call_id)

    def leave_queues(self, run_id: str) -> None:
        """No call of the run waits any more."""
        for state in self._states.values():
            state.leave_queue(run_id)

    def _state(self, integration_id: str) -> _State:
        state = self._states.get(integration_id)
        if state is None:
            state = self._states[integration_id] = _State()
            if len(self._states) > _REMEMBERED:
                self._states.popitem(last=False)
        return state


class _State:
    """One integration. Each run holds at most one reservation of its rate and one place in its queue."""

    def __init__(self) -> None:
        self._paused_until = 0
        self._saw_pause: set[str] = set()  # runs
        self._rate: Rate | None = None
        self._bucket: InMemoryBucket | None = None
        self._reserved: OrderedDict[str, int] = OrderedDict()  # by run, in the order of their times
        self._running: set[str] = set()  # calls
        self._concurrency = 0
        self._queue: OrderedDict[str, Callable[[], None]] = OrderedDict()  # by run

    def acquire(
        self, requester: Requester, rate: Rate | None, *, concurrency: int, now: int, jitter: float
    ) -> Wait | None:
        run_id = requester.run_id
        if self._paused_until > now:
            shared = run_id in self._saw_pause
            self._saw_pause.add(run_id)
            # All at once would be the next thing the service complains about.
            until = self._paused_until + int(jitter * SECOND)
            return Wait(until=until, why="the service asked for a pause", shared=shared)
        self._concurrency = concurrency
        if not (self._has_room() and next(iter(self._queue), run_id) == run_id):
            self._queue.setdefault(run_id, requester.wake)
            why = f"no more than {concurrency} at a time are allowed"
            return Wait(until=now + QUEUE_TIMEOUT, why=why, certain=False)
        shared = self._reserved.get(run_id, 0) > now
        at = now if rate is None else self._reserve(run_id, rate, now)
        if at > now:
            return Wait(until=at, why=f"no more than {rate} are allowed", shared=shared)
        self._running.add(requester.call_id)
        self.leave_queue(run_id)
        return None

    def pause(self, until: int) -> None:
        if until > self._paused_until:
            self._paused_until = until
            self._saw_pause.clear()

    def release(self, call_id: str) -> None:
        self._running.discard(call_id)
        self._wake_next()

    def leave_queue(self, run_id: str) -> None:
        if self._queue.pop(run_id, None):
            self._wake_next()

    def _has_room(self) -> bool:
        return not self._concurrency or len(self._running) < self._concurrency

    def _wake_next(self) -> None:
        if self._queue and self._has_room():
            next(iter(self._queue.values()))()

    def _reserve(self, run_id: str, rate: Rate, now: int) -> int:
        """When the run may send its next call; a time to come stays reserved for it."""
        while self._reserved and next(iter(self._reserved.values())) < now - _LATE:
            self._reserved.popitem(last=False)
        reserved = self._reserved.get(run_id, 0)
        if reserved > now:
            return reserved
        if reserved:
            del self._reserved[run_id]
            return now
        at = self._book(rate, now)
        if at > now:
            self._reserved[run_id] = at
        return at

    def _book(self, rate: Rate, now: int) -> int:
        """Take the first moment from now on at which the rate allows one call more."""
        from pyrate_limiter import Decision, InMemoryBucket, RateItem
        from pyrate_limiter import Rate as Window

        if self._bucket is None or self._rate != rate:
            self._rate, self._bucket = rate, InMemoryBucket([Window(rate.count, rate.period)])
            self._reserved.clear()
        self._bucket.leak(now)
        at = now
        while True:
            decision = self._bucket.put_decision(RateItem("call", at))
            assert isinstance(decision, Decision)  # noqa: S101 (a bucket in memory answers at once)
            if decision.allowed:
                return at
            at += max(1, decision.retry_after_ms or 1)


class _Queued(Struct):
    """A run in the queue of one integration."""

    since: int  # milliseconds
    noted: bool = False  # the run's log says that it waits


class RunLimiter:
    """Asks for the calls of one run, and remembers which of them wait.

    A wait that is known and long is an event: it outlives the process, ends by itself, and the run
    needs no memory until then. Every other wait is kept here.
    """

    def __init__(
        self,
        limiter: IntegrationLimiter,
        catalog: ToolCatalog,
        environment: Environment,
        *,
        tenant: str,
        run_id: str,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called when a queued call may ask again."""
        self._limiter = limiter
        self._catalog = catalog
        self._environment = environment
        self._tenant = tenant
        self._run_id = run_id
        self._wake = wake
        self._is_crowded = False
        self._delayed: dict[str, int] = {}  # by call: when it may ask again (milliseconds)
        self._in_queue: dict[str, int] = {}  # the same, of calls that wait for others to end
        self._queued: dict[str, _Queued] = {}  # by integration

    def is_waiting(self, call_id: str, now: int) -> bool:
        """Whether it is too early for this call to ask again."""
        return max(self._delayed.get(call_id, 0), self._in_queue.get(call_id, 0)) > now

    def next_attempt(self, after: int) -> int | None:
        """When the next of the waiting calls is to ask again; None: none waits."""
        due = (*self._delayed.values(), *self._in_queue.values())
        return min((until for until in due if until > after), default=None)

    async def must_wait(self, draft: Draft, call_id: str) -> bool:
        """Whether the call may not be sent yet; a long wait is added to the draft."""
        progress = draft.run.calls[call_id]
        call = progress.call
        integration_id = call.tool.integration_id
        current = (await self._catalog.active(self._tenant)).get(integration_id)
        wait = None
        if current is not None:
            wait = self._limiter.acquire(
                integration_id,
                Requester(self._run_id, call_id, self._leave_queue),
                rate=current.integration.rate_limit,
                concurrency=current.integration.max_concurrency,
                now=self._environment.now(),
                jitter=self._environment.jitter(),
            )
        self._delayed.pop(call_id, None)
        self._in_queue.pop(call_id, None)
        if wait is None:
            self._queued.pop(integration_id, None)
        elif wait.certain:
            self._delay(draft, progress, wait)
        elif self._is_crowded:
            self._delay_outside(draft, call, wait)
        else:
            self._enqueue(draft, call, wait)
        return wait is not None

    def _delay(self, draft: Draft, progress: CallProgress, wait: Wait) -> None:
        call = progress.call
        # A call that was delayed before would look overdue to the sweep that resumes runs.
        alone = not wait.shared or progress.not_before > 0
        if alone and wait.until - draft.now >= NOTE_AFTER:
            seconds = (wait.until - draft.now) / SECOND
            text = f"{_title(call)} waits {seconds:.1f} s: {wait.why}."
            draft.add(CallDelayed(call_id=call.id, step_id=call.step_id, until=wait.until, text=text))
        else:
            self._delayed[call.id] = wait.until

    def _enqueue(self, draft: Draft, call: Call, wait: Wait) -> None:
        queued = self._queued.setdefault(call.tool.integration_id, _Queued(draft.now))
        if not queued.noted and draft.now - queued.since >= NOTE_AFTER:
            queued.noted = True
            draft.add(Noted(text=f"{_title(call)} waits: {wait.why}.", step_id=call.step_id))
        self._in_queue[call.id] = wait.until if queued.noted else queued.since + NOTE_AFTER

    def _delay_outside(self, draft: Draft, call: Call, wait: Wait) -> None:
        """Leave the queue and record CallDelayed: the run can be evicted, and the timer resumes it."""
        self._limiter.leave_queues(self._run_id)
        until = draft.now + DELAY
        if any(other.not_before > draft.now for other in draft.run.calls.values()):
            self._delayed[call.id] = until  # the run is resumed for that call
        else:
            text = f"{_title(call)} waits: {wait.why}."
            draft.add(CallDelayed(call_id=call.id, step_id=call.step_id, until=until, text=text))

    def make_room(self) -> None:
        """Other runs wait for memory: queued calls wait outside of it."""
        self._is_crowded = True
        self._leave_queue()

    def _leave_queue(self) -> None:
        self._in_queue.clear()
        self._wake()

    def release(self, call: Call) -> None:
        """The call has ended, or was not sent after all."""
        self._limiter.release(call.tool.integration_id, call.id)

    def close(self) -> None:
        """The run is executed here no longer."""
        self._limiter.leave_queues(self._run_id)


def _title(call: Call) -> str:
    return f"{call.title or call.tool.name} ({call.integration_name})"
