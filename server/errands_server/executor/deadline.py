"""Holds a planner to its deadline, also one that ignores its cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

_CANCELLED: Final = "the planner cancelled itself"
_abandoned: Final[set[asyncio.Task[Any]]] = set()  # the event loop itself keeps no task alive


class PlannerLate(Exception):
    """The planner did not answer before its deadline."""


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What the coroutine of a planner returns.

    At the deadline, and where the caller is cancelled, it is cancelled. Where it goes on all the same
    it is not waited for, and whatever it returns is dropped. PlannerLate: it has not ended in time.
    """
    try:
        awaited = work.send(None)  # an answer that needs no waiting costs no timer
    except StopIteration as end:
        answer: T = end.value
        return answer
    except asyncio.CancelledError:
        raise RuntimeError(_CANCELLED) from None
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 (whoever waits is a task)
    cancelled = task.cancelling()
    try:
        async with asyncio.timeout(seconds) as deadline:
            return await _continue(work, awaited, task)
    except TimeoutError:
        if deadline.expired():
            raise PlannerLate from None
        raise
    except asyncio.CancelledError:
        if task.cancelling() > cancelled:
            raise
        raise RuntimeError(_CANCELLED) from None


@coroutine
def _continue(
    work: Coroutine[Any, Any, T], awaited: Any, caller: asyncio.Task[Any] | None
) -> Generator[Any, Any, T]:
    """The rest of a coroutine that awaits `awaited`: left if it outlives the cancellation of the caller."""
    cancelled = caller.cancelling() if caller else 0
    while True:
        error: BaseException | None = None
        try:
            yield awaited
        except BaseException as thrown:
            error = thrown
        try:
            awaited = work.send(None) if error is None else work.throw(error)
        except StopIteration as end:
            answer: T = end.value
            return answer
        if caller and caller.cancelling() > cancelled:
            _abandon(work, awaited)
            raise asyncio.CancelledError


def _abandon(work: Coroutine[Any, Any, Any], awaited: Any) -> None:
    async def rest() -> None:
        await _continue(work, awaited, None)

    task = asyncio.create_task(rest(), name="errands abandoned planner")
    _abandoned.add(task)
    task.add_done_callback(_drop)


def _drop(task: asyncio.Task[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # or it would be reported as never retrieved
