"""How far one exchange with an MCP server came, which decides what its failure means."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final

import anyio
from msgspec import Struct

from ...domain.question import Input, Question


class Resume(Struct, frozen=True, kw_only=True):
    """What an `input_required` result wants back (MCP, 2026-07-28): its state, and its answers by their keys.

    The answer under `key` comes from a person.
    """

    state: str | None
    key: str
    answers: Mapping[str, Any]
    form: bool  # that answer is a form's, otherwise a page's


class Exchange:
    """Written by the transports. They find it in `current`: the SDK sends in its caller's context."""

    def __init__(
        self, done: Iterable[str] = (), inputs: Iterable[Input] = (), resume: Resume | None = None
    ) -> None:
        """`done` are pages at which the user has done what the server asked for, `inputs` what people
        answered to it, and `resume` is where the last attempt stopped for that.
        """
        self._done = tuple(done)
        self._inputs = tuple(inputs)
        self.resume = resume
        # What a server is told where it asks again. Going on, it asks only for what it does not know yet.
        self.done = set() if resume else set(self._done)
        self.inputs = [] if resume else list(self._inputs)
        self.left = False  # whether a byte of the request may have left
        self.status = 0  # of the HTTP answer, where there was one
        self.headers: Mapping[str, str] = {}
        self.failure = ""  # why the request or its answer broke off
        self.forbidden = False  # the failure is that the address may not be reached
        self.truncated = False  # the answer is longer than is read
        self.crowded = False  # the server asked, and nobody could tell for which of several calls
        self.asked = ""  # what the server wanted to know from a person meanwhile
        self.page: str | None = None  # where it wants the person to do something first
        self.why = ""  # in its words
        self.question: Question | None = None  # what it wants to know from the person first
        self.stopped: Resume | None = None  # where a later attempt can go on

    def answer(self) -> dict[str, Any]:
        """What the person did that the last attempt stopped for (MCP, `ElicitResult`)."""
        form = self.resume is not None and self.resume.form
        content = {"content": dict(self._inputs[-1].values)} if form else {}
        return {"action": "accept", **content}

    def begin_anew(self) -> None:
        """Where the server no longer knows of the last attempt: it will ask again for everything."""
        self.resume = None
        self.done, self.inputs = set(self._done), list(self._inputs)

    @property
    def waits(self) -> bool:
        """Whether it goes no further before a person has done something, or cannot at all."""
        return bool(self.asked or self.page is not None or self.question is not None)


current: ContextVar[Exchange | None] = ContextVar("current", default=None)


PATIENCE: Final = 10.0  # seconds a question waits for other calls to end


class Calls:
    def __init__(self) -> None:
        self._under_way: set[Exchange] = set()
        self._asking = 0
        self._singly = False
        self._moved = anyio.Event()

    @asynccontextmanager
    async def under_way(self, attempt: Exchange) -> AsyncGenerator[None]:
        """Make a call in this context; it begins when its turn has come."""
        while self._singly and self._under_way:
            await self._moved.wait()
        self._under_way.add(attempt)
        try:
            yield
        finally:
            self._under_way.discard(attempt)
            self._move()

    async def that_asks(self) -> Exchange | None:
        """The call whose question has come. None where nobody can tell."""
        known = current.get()
        if known in self._under_way:
            return known
        self._singly = True
        self._asking += 1
        self._move()
        try:
            with anyio.move_on_after(PATIENCE):
                while self._others_may_end():
                    await self._moved.wait()
        finally:
            self._asking -= 1
        if len(self._under_way) == 1:
            return next(iter(self._under_way))
        for attempt in self._under_way:
            attempt.crowded = True
        self._move()
        return None

    def _others_may_end(self) -> bool:
        crowded = any(attempt.crowded for attempt in self._under_way)
        return len(self._under_way) > max(1, self._asking) and not crowded

    def _move(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()
