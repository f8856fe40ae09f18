"""How far one exchange with an MCP server came, which decides what its failure means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar


class Attempt:
    """Written by the transports. They find it in `current`: the SDK sends in its caller's context."""

    def __init__(self, done: Iterable[str] = ()) -> None:
        """`done` are pages at which the user has done what the server asked for."""
        self.done = set(done)
        self.left = False  # whether a byte of the request may have left
        self.status = 0  # of the HTTP answer, where there was one
        self.headers: Mapping[str, str] = {}
        self.failure = ""  # why the request or its answer broke off
        self.forbidden = False  # the failure is that the address may not be reached
        self.truncated = False  # the answer is longer than is read
        self.asked = ""  # what the server wanted to know from a person meanwhile
        self.page: str | None = None  # where it wants the person to do something first
        self.why = ""  # in its words


current: ContextVar[Attempt | None] = ContextVar("current", default=None)
