"""Clocks on the stages of a server: the processor time that each takes for itself."""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, TypeVar

from msgspec import Struct

T = TypeVar("T")

_now: Final = time.thread_time_ns
_TRIES: Final = 20_000


class Cost(Struct, frozen=True):
    """What one entry of a stage costs: in the stage itself, and in the one around it; nanoseconds."""

    own: float
    around: float


class Clocks:
    """What was spent, by stage. A stage's time is what it and no stage within it took.

    Only the processor time of the thread that works counts, so nobody pays for waiting, for another
    thread, or for another process. What the clocks cost is measured beforehand and taken off.
    """

    def __init__(self) -> None:
        self._reset()
        self._mine = threading.local()
        self._costs = {False: Cost(0, 0), True: Cost(0, 0)}  # of functions, and of coroutines

    def _reset(self) -> None:
        self._spent: Counter[str] = Counter()  # nanoseconds
        self._entries: Counter[tuple[str, str, bool]] = Counter()  # stage, the one around it, and which kind

    async def calibrate(self) -> None:
        """Measure what the clocks themselves cost."""

        def nothing() -> None: ...

        async def nothing_later() -> None: ...

        called, awaited = self.on("own", nothing), self.on("own", nothing_later)
        self._reset()
        began = _now()
        for _ in range(_TRIES):
            nothing()
        bare = _now() - began
        began = _now()
        for _ in range(_TRIES):
            called()
        self._costs[False] = self._cost(_now() - began, bare)
        began = _now()
        for _ in range(_TRIES):
            await nothing_later()
        bare = _now() - began
        began = _now()
        for _ in range(_TRIES):
            await awaited()
        self._costs[True] = self._cost(_now() - began, bare)
        await asyncio.sleep(0)

    def _cost(self, clocked: int, bare: int) -> Cost:
        own = self._spent["own"] / _TRIES
        self._reset()
        return Cost(own, max(0.0, (clocked - bare) / _TRIES - own))

    def read(self) -> tuple[dict[str, float], float]:
        """Nanoseconds by stage since the last time, and those that the clocks took."""
        spent, entries = dict(self._spent), self._entries
        self._reset()
        taken = 0.0
        for (stage, around, is_coroutine), count in entries.items():
            cost = self._costs[is_coroutine]
            spent[stage] -= cost.own * count
            if around:
                spent[around] -= cost.around * count
            taken += (cost.own + cost.around) * count
        return spent, taken

    def put(self, stage: str, place: str) -> None:
        """Put the stage's clock on a function, at `module:name` or `module:class.name`."""
        module, _, path = place.partition(":")
        *above, name = path.split(".")
        holder = functools.reduce(getattr, above, importlib.import_module(module))
        setattr(holder, name, self.on(stage, getattr(holder, name)))

    def on(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with the stage's clock on it."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*arguments: Any, **options: Any) -> Any:
                return await _Steps(self, stage, function(*arguments, **options))

            return awaited

        @functools.wraps(function)
        def called(*arguments: Any, **options: Any) -> Any:
            self.enter(stage)
            try:
                return function(*arguments, **options)
            finally:
                self.leave()

        return called

    def enter(self, stage: str, *, is_coroutine: bool = False) -> None:
        """This thread works for the stage from now on."""
        stack, now = self._stack(), _now()
        around = stack[-1] if stack else ""
        if stack:
            self._spent[around] += now - self._mine.since
        self._entries[stage, around, is_coroutine] += 1
        stack.append(stage)
        self._mine.since = now

    def leave(self) -> None:
        """It works for the stage before again."""
        now = _now()
        self._spent[self._stack().pop()] += now - self._mine.since
        self._mine.since = now

    def _stack(self) -> list[str]:
        mine = self._mine
        if not hasattr(mine, "stack"):
            mine.stack, mine.since = [], 0
        found: list[str] = mine.stack
        return found


class _Steps(Generator[Any, Any, T]):
    """Awaits a coroutine with its clock on while it works, and off while it waits."""

    def __init__(self, clocks: Clocks, stage: str, coroutine: Coroutine[Any, Any, T]) -> None:
        self._clocks = clocks
        self._stage = stage
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, T]:
        return self

    def send(self, value: Any) -> Any:
        self._clocks.enter(self._stage, is_coroutine=True)
        try:
            return self._coroutine.send(value)
        finally:
            self._clocks.leave()

    def throw(self, *error: Any) -> Any:
        self._clocks.enter(self._stage, is_coroutine=True)
        try:
            return self._coroutine.throw(*error)
        finally:
            self._clocks.leave()

    def close(self) -> None:
        self._coroutine.close()
