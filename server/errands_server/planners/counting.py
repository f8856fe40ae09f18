"""Counting: what a sentence says by number, as in `3 blue mugs and a teapot`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from .mention import Kind, Mention
from .rows import BETWEEN
from .words import stemmed, stems

_NUMBERS: Final = frozenset({Kind.NUMBER, Kind.COUNT})
_THINGS: Final = frozenset({Kind.PHRASE, Kind.NAME, Kind.QUOTED, Kind.IDENTIFIER, Kind.UUID})
_ARTICLE: Final = re.compile(r"(?<!\bas )\b(?:an?|one)\s$", re.IGNORECASE)
_MORE: Final = re.compile(r"(?:,|\band|&)\s*$", re.IGNORECASE)
_NEAR: Final = 8  # characters before a thing that can count it or join it to another
_OF: Final = re.compile(r"\s(?:x\s|of\s(?:the\s)?)?")
# Nouns that count without saying what: `3 units`.
_MEASURES: Final = stemmed("unit piece item copy pack")


class Counted(Struct, frozen=True):
    """So many of a thing. An article counts as one; `more` says it stands behind `and` or a comma."""

    many: Mention
    thing: Mention
    more: bool

    @property
    def stems(self) -> tuple[str, ...]:
        """The words of the thing; none where it is only measured, as in `3 units`."""
        found = stems(str(self.thing.value))
        return () if found[-1:] and found[-1] in _MEASURES else found


Row: TypeAlias = tuple[Counted, ...]  # said in a row, as in `two a, three b and a c`


def rows(text: str, found: Sequence[Mention]) -> tuple[Row, ...]:
    """What is counted in a sentence."""
    made: list[Row] = []
    for line in _counted(text, found):
        if made and BETWEEN.fullmatch(text[made[-1][-1].thing.end : line.many.start]):
            made[-1] = (*made[-1], line)
        else:
            made.append((line,))
    return tuple(made)


def _counted(text: str, found: Sequence[Mention]) -> Iterator[Counted]:
    for number, thing in enumerate(found):
        before = found[number - 1] if number else None
        if thing.kind not in _THINGS:
            continue
        many = None
        if before and before.kind in _NUMBERS and _OF.fullmatch(text[before.end : thing.start]):
            many = before
        elif article := _ARTICLE.search(text, max(0, thing.start - _NEAR), thing.start):
            many = Mention(Kind.ARTICLE, 1, article.start(), article.end() - 1)
        if many:
            yield Counted(many, thing, _MORE.search(text, max(0, many.start - _NEAR), many.start) is not None)
