"""Bound: a parameter with its value, and where that came from."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ..domain.explanation import Source as Origin
from ..domain.plan import Path
from .evidence import GOOD
from .mention import Mention
from .schemas import Leaf


class Source(Struct, frozen=True):
    """An earlier step, by its place among the drafts, and where in its answer a value lies."""

    draft: int
    path: Path


class Argument(Struct, frozen=True, kw_only=True):
    """One bound parameter. Several `values` mean several calls; `origin` and `why` say whence they came."""

    leaf: Leaf
    origin: Origin
    why: str
    values: tuple[Any, ...] = ()
    slot: Source | None = None
    key: str | None = None  # of the context, where that gave the value
    score: float = GOOD
    mentions: frozenset[Mention] = frozenset()

    @property
    def source(self) -> str:
        """Where the value came from, in words."""
        return f"{self.origin}: {self.why}"
