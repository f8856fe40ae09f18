"""The account of one request to an MCP server: how far it came, and what the server asked a person."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final

import anyio
from msgspec import Struct

from ...domain.question import Input, Question
from ..attempt import Attempt

MAX_WAIT: Final = 10.0  # seconds a question waits for other calls to end


class Resume(Struct, frozen=True, kw_only=True):
    """Where a call that returned `input_required` goes on (MCP, 2026-07-28). Stored as JSON with the call."""

    state: str | None  # the server's, sent back unchanged
    key: str  # of the answer that a person gives
    answers: Mapping[str, Any]  # the other answers, by key
    form: bool  # the person fills in a form; otherwise they open a page


class Exchange:
    """What is known of one request. Transports and the client write it; the results are read from it.

    They find it in `current_exchange`, because the SDK sends in the context of its caller.
    """

    def __init__(
        self,
        pages: Iterable[str] = (),
        inputs: Iterable[Input] = (),
        resume: Resume | None = None,
        *,
        attempt: Attempt | None = None,
    ) -> None:
        """`pages` are URLs at which the user has done what the server asked for, `inputs` what people
        answered to its forms, and `resume` is where the last attempt stopped for that.
        """
        self._pages = tuple(pages)
        self._inputs = tuple(inputs)
        self.resume = resume
        # What the server is answered when it asks. Resumed, it asks only for what it does not know yet.
        self.pages = set() if resume else set(self._pages)
        self.inputs = [] if resume else list(self._inputs)
        self._attempt = attempt or Attempt()
        self.status = 0  # of the HTTP response, where there was one
        self.headers: Mapping[str, str] = {}
        self.failure = ""  # why the request or its response broke off
        self.forbidden = False  # the failure is that the address may not be reached
        self.truncated = False  # the response is longer than is read
        self.ambiguous = False  # the server asked something, and it is not known for which of several calls
        self.unanswerable = ""  # what the server asked that no person can be shown
        self.page_url: str | None = None  # where the server wants the user to do something first
        self.page_message = ""  # why, as the server says
        self.question: Question | None = None  # what the server wants a person to answer first
        self.next_resume: Resume | None = None  # where a later attempt can go on

    @property
    def sent(self) -> bool:
        """Whether a byte of the request may have been sent."""
        return self._attempt.sent

    @sent.setter
    def sent(self, sent: bool) -> None:
        self._attempt.sent = sent

    def answer(self) -> dict[str, Any]:
        """What the person did that the last attempt stopped for (MCP, `ElicitResult`)."""
        form = self.resume is not None and self.resume.form
        content = {"content": dict(self._inputs[-1].values)} if form else {}
        return {"action": "accept", **content}

    def restart(self) -> None:
        """Forget the last attempt, as the server has: it will ask again for everything."""
        self.resume = None
        self.pages, self.inputs = set(self._pages), list(self._inputs)

    @property
    def is_blocked(self) -> bool:
        """Whether the call goes on only after a person has done something, or not at all."""
        return bool(self.unanswerable or self.page_url is not None or self.question is not None)


current_exchange: ContextVar[Exchange | None] = ContextVar("current_exchange", default=None)


class SessionCalls:
    """The calls under way in one session.

    A server may ask a question without saying for which call. Then the session's calls are made
    one at a time, so that the question belongs to the only one.
    """

    def __init__(self) -> None:
        self._under_way: set[Exchange] = set()
        self._asking = 0  # questions whose call is not known yet
        self._one_at_a_time = False
        self._changed = anyio.Event()

    @asynccontextmanager
    async def under_way(self, exchange: Exchange) -> AsyncGenerator[None]:
        """Make a call in this context, which is entered once the call may begin."""
        while self._one_at_a_time and self._under_way:
            await self._changed.wait()
        self._under_way.add(exchange)
        try:
            yield
        finally:
            self._under_way.discard(exchange)
            self._notify()

    async def find_asking(self) -> Exchange | None:
        """The call that a question just received belongs to; None where that cannot be known.

        Waits up to MAX_WAIT seconds for other calls to end.
        """
        known = current_exchange.get()
        if known in self._under_way:
            return known
        self._one_at_a_time = True
        self._asking += 1
        self._notify()
        try:
            with anyio.move_on_after(MAX_WAIT):
                while self._may_become_clear():
                    await self._changed.wait()
        finally:
            self._asking -= 1
        if len(self._under_way) == 1:
            return next(iter(self._under_way))
        for exchange in self._under_way:
            exchange.ambiguous = True
        self._notify()
        return None

    def _may_become_clear(self) -> bool:
        ambiguous = any(exchange.ambiguous for exchange in self._under_way)
        return len(self._under_way) > max(1, self._asking) and not ambiguous

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
