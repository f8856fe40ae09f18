"""Holds calls back before they are stored as started: rates, places and pauses, by integration.

All of it is kept in this process, and lost with it: after a restart a rate begins anew. The
buckets are pyrate-limiter's, whose other stores (Redis, PostgreSQL) can take their place.
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
from ..tools.catalog import Current, ToolCatalog

if TYPE_CHECKING:
    from pyrate_limiter import InMemoryBucket

MAX_PAUSE: Final = 300 * SECOND  # a service that asks for more is asked again after this long
_LATE: Final = SECOND // 4  # a turn that is taken later than this has to be asked for anew
LOOK_AGAIN: Final = 30 * SECOND  # for a place, unless one becomes free sooner
_REMEMBERED: Final = 4_096  # integrations

_rate = lru_cache(maxsize=1_024)(rates.parse)


class Wait(Struct, frozen=True, kw_only=True):
    """A call has to wait until then (milliseconds), and is to ask again. `why` is for people."""

    until: int
    why: str
    certain: bool = True  # False: it waits for another call's end, which may come sooner or later
    shared: bool = False  # another call of its run waits for the same


class Asker(Struct, frozen=True):
    """Who asks for one call: its run, and how to tell the run that a place became free."""

    run_id: str
    call_id: str
    wake: Callable[[], None]


class IntegrationLimiter:
    """What the calls of this process may do. Every integration belongs to one tenant."""

    def __init__(self) -> None:
        self._gates: OrderedDict[str, _Gate] = OrderedDict()

    def wait(
        self, integration_id: str, asker: Asker, *, rate: str, places: int, now: int, jitter: float
    ) -> Wait | None:
        """Why the call has to wait. None: it may be sent now, and holds a place until `left`.

        `rate` as in domain/rates, "" for none; `places` are calls at the same time, 0 for any.
        """
        gate = self._gates.get(integration_id)
        if gate is None:
            if not rate and not places:
                return None
            gate = self._gate(integration_id)
        return gate.wait(asker, _rate(rate) if rate else None, places, now, jitter)

    def pause(self, integration_id: str, until: int, *, now: int) -> None:
        """The service has asked for quiet: no call to this integration starts before then."""
        gate = self._gate(integration_id)
        gate.pause(min(until, now + MAX_PAUSE))

    def left(self, integration_id: str, call_id: str) -> None:
        """The call has ended, or was not sent after all. Twice is as good as once."""
        if gate := self._gates.get(integration_id):
            gate.left(call_id)

    def forget(self, run_id: str) -> None:
        """The run waits no longer."""
        for gate in self._gates.values():
            gate.forget(run_id)

    def _gate(self, integration_id: str) -> _Gate:
        gate = self._gates.get(integration_id)
        if gate is None:
            gate = self._gates[integration_id] = _Gate()
            if len(self._gates) > _REMEMBERED:
                self._gates.popitem(last=False)
        return gate


class _Gate:
    """One integration. Runs take turns: each has one turn reserved and one place in the line."""

    def __init__(self) -> None:
        self._closed_until = 0
        self._paused: set[str] = set()  # runs
        self._rate: Rate | None = None
        self._bucket: InMemoryBucket | None = None
        self._turns: OrderedDict[str, int] = OrderedDict()  # by run, in the order of their times
        self._inside: set[str] = set()
        self._places = 0
        self._line: OrderedDict[str, Callable[[], None]] = OrderedDict()  # by run

    def wait(self, asker: Asker, rate: Rate | None, places: int, now: int, jitter: float) -> Wait | None:
        run_id = asker.run_id
        if self._closed_until > now:
            shared = run_id in self._paused
            self._paused.add(run_id)
            # All at once would be the next thing the service complains about.
            until = self._closed_until + int(jitter * SECOND)
            return Wait(until=until, why="the service asked for a pause", shared=shared)
        self._places = places
        if not self._has_place(asker):
            why = f"no more than {places} at a time are allowed"
            return Wait(until=now + LOOK_AGAIN, why=why, certain=False)
        shared = self._turns.get(run_id, 0) > now
        turn = now if rate is None else self._turn(run_id, rate, now)
        if turn > now:
            return Wait(until=turn, why=f"no more than {rate} are allowed", shared=shared)
        self._enter(asker)
        return None

    def pause(self, until: int) -> None:
        if until > self._closed_until:
            self._closed_until = until
            self._paused.clear()

    def _has_place(self, asker: Asker) -> bool:
        """Whether there is one that nobody before this run waits for; else the run stands in line."""
        free = not self._places or len(self._inside) < self._places
        if free and next(iter(self._line), asker.run_id) == asker.run_id:
            return True
        self._line.setdefault(asker.run_id, asker.wake)
        return False

    def _enter(self, asker: Asker) -> None:
        self._inside.add(asker.call_id)
        self.forget(asker.run_id)

    def left(self, call_id: str) -> None:
        self._inside.discard(call_id)
        self._call_next()

    def forget(self, run_id: str) -> None:
        if self._line.pop(run_id, None):
            self._call_next()

    def _call_next(self) -> None:
        if self._line and (not self._places or len(self._inside) < self._places):
            next(iter(self._line.values()))()

    def _turn(self, run_id: str, rate: Rate, now: int) -> int:
        while self._turns and next(iter(self._turns.values())) < now - _LATE:
            self._turns.popitem(last=False)
        reserved = self._turns.get(run_id, 0)
        if reserved > now:
            return reserved
        if reserved:
            del self._turns[run_id]
            return now
        turn = self._reserve(rate, now)
        if turn > now:
            self._turns[run_id] = turn
        return turn

    def _reserve(self, rate: Rate, now: int) -> int:
        """The first moment from now on at which the rate allows one call more, taken."""
        from pyrate_limiter import Decision, InMemoryBucket, RateItem
        from pyrate_limiter import Rate as Window

        if self._bucket is None or self._rate != rate:
            self._rate, self._bucket = rate, InMemoryBucket([Window(rate.count, rate.period)])
            self._turns.clear()
        self._bucket.leak(now)
        turn = now
        while True:
            decision = self._bucket.put_decision(RateItem("call", turn))
            assert isinstance(decision, Decision)  # noqa: S101 (a bucket in memory answers at once)
            if decision.allowed:
                return turn
            turn += max(1, decision.retry_after_ms or 1)


TELL: Final = SECOND  # a wait as long as this is told in the run's log
OUTSIDE: Final = 30 * SECOND  # how long a run waits outside, where others need its memory


class _Line(Struct):
    """Since when the run waits for a place with one integration, and whether it has said so."""

    since: int
    told: bool = False


class RunLimiter:
    """Asks for turns, and remembers who waits. `wake` is called when it is worth asking again.

    A wait that is known and long is an event: it outlives the process, ends by itself, and the
    run needs no memory meanwhile. Everything else is held here.
    """

    def __init__(
        self,
        limits: IntegrationLimiter,
        catalog: ToolCatalog,
        environment: Environment,
        *,
        tenant: str,
        run_id: str,
        wake: Callable[[], None],
    ) -> None:
        self._limits = limits
        self._catalog = catalog
        self._environment = environment
        self._tenant = tenant
        self._run_id = run_id
        self._wake = wake
        self._crowded = False
        self._turns: dict[str, int] = {}  # by call: until when there is no need to ask again
        self._places: dict[str, int] = {}  # the same, of those that wait for a place
        self._lines: dict[str, _Line] = {}  # by integration

    def holds(self, call_id: str, now: int) -> bool:
        """Whether the call waits, and it is too early to ask again."""
        return max(self._turns.get(call_id, 0), self._places.get(call_id, 0)) > now

    def ends(self, after: int) -> int | None:
        """When the next of those that wait here is to ask again."""
        due = (*self._turns.values(), *self._places.values())
        return min((until for until in due if until > after), default=None)

    async def must_wait(self, draft: Draft, call_id: str) -> bool:
        """Whether the call may not be sent yet; what there is to tell of that is added."""
        progress = draft.run.calls[call_id]
        integration_id = progress.call.tool.integration_id
        current = (await self._catalog.active(self._tenant)).get(integration_id)
        wait = None if current is None else self._ask(progress.call, current)
        self._turns.pop(call_id, None)
        self._places.pop(call_id, None)
        if wait is None:
            self._lines.pop(integration_id, None)
        elif wait.certain:
            self._wait_for_turn(draft, progress, wait)
        else:
            self._wait_for_place(draft, progress.call, wait)
        return wait is not None

    def _ask(self, call: Call, current: Current) -> Wait | None:
        return self._limits.wait(
            call.tool.integration_id,
            Asker(self._run_id, call.id, self._place_is_free),
            rate=current.integration.rate_limit,
            places=current.integration.max_concurrency,
            now=self._environment.now(),
            jitter=self._environment.jitter(),
        )

    def _wait_for_turn(self, draft: Draft, progress: CallProgress, wait: Wait) -> None:
        call = progress.call
        # One that was delayed before would otherwise look overdue to whoever wakes runs up.
        alone = not wait.shared or progress.not_before > 0
        if alone and wait.until - draft.now >= TELL:
            seconds = (wait.until - draft.now) / SECOND
            text = f"{_named(call)} waits {seconds:.1f} s: {wait.why}."
            draft.add(CallDelayed(call_id=call.id, step_id=call.step_id, until=wait.until, text=text))
        else:
            self._turns[call.id] = wait.until

    def _wait_for_place(self, draft: Draft, call: Call, wait: Wait) -> None:
        if self._crowded:
            self._wait_outside(draft, call, wait)
            return
        line = self._lines.setdefault(call.tool.integration_id, _Line(draft.now))
        if not line.told and draft.now - line.since >= TELL:
            line.told = True
            draft.add(Noted(text=f"{_named(call)} waits: {wait.why}.", step_id=call.step_id))
        self._places[call.id] = wait.until if line.told else line.since + TELL

    def _wait_outside(self, draft: Draft, call: Call, wait: Wait) -> None:
        """Give up the place in the line: the run comes back later, and needs no memory until then."""
        self._limits.forget(self._run_id)
        until = draft.now + OUTSIDE
        if any(other.not_before > draft.now for other in draft.run.calls.values()):
            self._turns[call.id] = until  # it comes back for that one
        else:
            text = f"{_named(call)} waits: {wait.why}."
            draft.add(CallDelayed(call_id=call.id, step_id=call.step_id, until=until, text=text))

    def make_room(self) -> None:
        """Other runs wait for memory: those that wait for places do so outside."""
        self._crowded = True
        self._place_is_free()

    def _place_is_free(self) -> None:
        self._places.clear()
        self._wake()

    def left(self, call: Call) -> None:
        """The call has ended, or was not sent after all."""
        self._limits.left(call.tool.integration_id, call.id)

    def forget(self) -> None:
        """The run waits no longer."""
        self._limits.forget(self._run_id)


def _named(call: Call) -> str:
    return f"{call.title or call.tool.name} ({call.integration_name})"
