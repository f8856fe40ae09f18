"""Explanation: why a plan came out as it did. It tells where arguments come from, never what they are."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from .plan import Path
from .tool import ToolRef


class ArgumentSource(StrEnum):
    """What gave an argument its value."""

    INTENT = "intent"
    CONTEXT = "context"
    STEP = "step"
    SCHEMA = "schema"


class Origin(Struct, frozen=True, kw_only=True):
    """Where one argument comes from, with the words of the intent that are its value."""

    path: Path
    source: ArgumentSource
    why: str
    words: tuple[str, ...] = ()


class Considered(Struct, frozen=True):
    """A tool and how well it answers a clause, from 0 to 1."""

    ref: ToolRef
    score: float


class Choice(Struct, frozen=True, kw_only=True):
    """A call that was chosen, for the step that makes it; no step where there is no plan."""

    step: str
    ref: ToolRef
    origins: tuple[Origin, ...]


class ClauseRead(Struct, frozen=True, kw_only=True):
    """How one clause was read. `missing` are required arguments of the last choice that nothing gave."""

    text: str
    considered: tuple[Considered, ...]
    choices: tuple[Choice, ...]
    missing: tuple[Path, ...] = ()
