"""The explanation of a plan: which clause led to which call, and the source of each argument."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from .plan import Path
from .tool import ToolRef


class ArgumentSource(StrEnum):
    """What gave an argument its value."""

    INTENT = "intent"  # words of the intent
    CONTEXT = "context"  # a named value of the run's context
    STEP = "step"  # the output of an earlier step
    SCHEMA = "schema"  # the tool's schema: a default or the only choice


class Origin(Struct, frozen=True, kw_only=True):
    """Where one argument comes from. The value itself is not part of an explanation."""

    path: Path  # in the arguments
    source: ArgumentSource
    why: str  # for people
    words: tuple[str, ...] = ()  # INTENT: the words it was read from


class Considered(Struct, frozen=True):
    """A tool that was considered for a clause."""

    ref: ToolRef
    score: float  # how well it fits, from 0 to 1


class Choice(Struct, frozen=True, kw_only=True):
    """A call that was chosen for a clause."""

    step: str  # id of the step that makes it; empty where there is no plan
    ref: ToolRef
    origins: tuple[Origin, ...]


class ClauseRead(Struct, frozen=True, kw_only=True):
    """How one clause of the intent was read."""

    text: str  # the clause
    considered: tuple[Considered, ...]
    choices: tuple[Choice, ...]
    missing: tuple[Path, ...] = ()  # required arguments of the last choice without a value
