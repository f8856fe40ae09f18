"""The calls of one run that wait for the limits of their integrations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from ..domain.draft import Draft
from ..domain.events import Call, CallDelayed, Noted
from ..domain.policy import SECOND
from ..domain.run import CallProgress
from ..environment import World
from ..tools.catalog import Catalogue, Current
from .limits import Asker, Limits, Wait

TELL: Final = SECOND  # a wait as long as this is told in the run's log
OUTSIDE: Final = 30 * SECOND  # how long a run waits outside, where others need its memory


class _Line(Struct):
    """Since when the run waits for a place with one integration, and whether it has said so."""

    since: int
    told: bool = False


class Holding:
    """Asks for turns, and remembers who waits. `wake` is called when it is worth asking again.

    A wait that is known and long is an event: it outlives the process, ends by itself, and the
    run needs no memory meanwhile. Everything else is held here.
    """

    def __init__(
        self,
        limits: Limits,
        catalogue: Catalogue,
        world: World,
        *,
        tenant: str,
        run_id: str,
        wake: Callable[[], None],
    ) -> None:
        self._limits = limits
        self._catalogue = catalogue
        self._world = world
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
        current = (await self._catalogue.active(self._tenant)).get(integration_id)
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
            now=self._world.now(),
            jitter=self._world.jitter(),
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
