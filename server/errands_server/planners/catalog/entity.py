"""Mention: a value in a sentence, with its kind and its place."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from msgspec import Struct


class Kind(StrEnum):
    """What a mention looks like."""

    QUOTED = "quoted text"
    URL = "URL"
    EMAIL = "email address"
    UUID = "UUID"
    DATE = "date"
    TIME = "date and time"
    LITERAL = "JSON value"
    CLOCK = "time of day"
    PERIOD = "period"
    EXPRESSION = "expression"
    IDENTIFIER = "identifier"
    SLUG = "owner and name"
    NUMBER = "number"
    COUNT = "spelled-out number"
    ARTICLE = "article"
    PERCENT = "percentage"
    NAME = "name"
    PHRASE = "phrase"


# Kinds that a call must use: one that leaves such a value out is not what was asked for.
OUTRIGHT: Final = frozenset(
    {
        Kind.QUOTED,
        Kind.URL,
        Kind.EMAIL,
        Kind.UUID,
        Kind.DATE,
        Kind.TIME,
        Kind.NUMBER,
        Kind.IDENTIFIER,
        Kind.SLUG,
    }
)
# Of these, the kinds that point at one particular thing.
POINTED: Final = frozenset({Kind.URL, Kind.EMAIL, Kind.UUID, Kind.IDENTIFIER, Kind.SLUG})


class Mention(Struct, frozen=True):
    """One value in a sentence. `unit` is the unit written against a number, as in 70kg; of a date, its
    text. `said` is a number as it was written: 007, 1e3."""

    kind: Kind
    value: Any
    start: int
    end: int
    unit: str = ""
    said: str = ""


class Series(Struct, frozen=True):
    """Coordinated mentions of one kind: `a, b and c`, `[1, 2, 3]`."""

    items: tuple[Mention, ...]

    @property
    def start(self) -> int:
        return self.items[0].start

    @property
    def end(self) -> int:
        return self.items[-1].end
