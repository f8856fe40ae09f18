"""Sequences of mentions: series of one kind, pairs, and parts of one value."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from .entity import Kind, Mention, Series
from .tokens import Word

BETWEEN: Final = re.compile(
    r"\s*(?:,\s*(?:and|or|&)|,|and(?:\salso)?|or|&|as\swell\sas|plus)\s*(?:the\s)?", re.IGNORECASE
)

_PAIR: Final = re.compile(r"\bbetween\s+$", re.IGNORECASE)
_PAIRED: Final = len("between") + 4  # characters before a row that can make it a pair, spaces included

_WORDY: Final = frozenset({Kind.PHRASE, Kind.IDENTIFIER})

_JOINTS: Final = {Kind.PHRASE: re.compile(" of (?:the )?"), Kind.NAME: re.compile(", ")}
# A number may belong to a name: `Windows 10 for Ada`.
_CLOSED: Final = re.compile(r"$|[.,;:?!)]|\s(?:and|or|in|on|at|for|of|with|to|from|by|the|a)\b")


def words_with_mentions(
    spoken: Iterable[Word], found: Iterable[Mention], start: int
) -> Iterator[tuple[Word, Mention | None]]:
    """Each word of a text that begins at `start`, with the mention it is part of."""
    rest = iter(found)
    mention = next(rest, None)
    for word in spoken:
        while mention and mention.end <= start + word.start:
            mention = next(rest, None)
        yield word, mention if mention and mention.start <= start + word.start else None


def mention_at(found: Sequence[Mention], place: int) -> Mention | None:
    """The mention at a place of the text; `found` as `mentions` gives it."""
    number = bisect_right(found, place, key=lambda mention: mention.start) - 1
    return found[number] if number >= 0 and place < found[number].end else None


def find_series(text: str, found: Iterable[Mention]) -> Iterator[Series]:
    """Yield the series in `text`. Names need a closing `and`: `Denver, Colorado` is one place."""
    return (row for row in _rows(text, found) if not _is_pair(text, row))


def find_pairs(text: str, found: Iterable[Mention]) -> Iterator[Series]:
    """Yield the pairs behind `between`: they are two ends, not a series."""
    return (row for row in _rows(text, found) if _is_pair(text, row))


def _is_pair(text: str, row: Series) -> bool:
    return _PAIR.search(text, max(0, row.start - _PAIRED), row.start) is not None


def _rows(text: str, found: Iterable[Mention]) -> Iterator[Series]:
    row: list[Mention] = []
    for mention in found:
        if row and not _joins(text, row[-1], mention):
            yield from _row(text, row)
            row = []
        row.append(mention)
    yield from _row(text, row)


def find_tails(text: str, found: Sequence[Mention]) -> dict[Mention, tuple[Mention, str]]:
    """Map mentions to their possible continuation and the text of both: `Oslo, Norway`."""
    known: dict[Mention, tuple[Mention, str]] = {}
    for left, right in pairwise(found):
        if _goes_on(text, left, right):
            known[left] = right, text[left.start : right.end]
    return known


def _goes_on(text: str, left: Mention, right: Mention) -> bool:
    if left.kind is Kind.NAME and right.kind is Kind.NUMBER:
        return text[left.end : right.start] == " " and _CLOSED.match(text, right.end) is not None
    joint = _JOINTS.get(left.kind)
    wordy = right.kind in (Kind.NAME, left.kind)
    return bool(joint and wordy and joint.fullmatch(text, left.end, right.start))


def _row(text: str, row: list[Mention]) -> Iterator[Series]:
    if len(row) < 2:
        return
    last = text[row[-2].end : row[-1].start].strip().lower()
    if row[0].kind is Kind.NUMBER or last != ",":
        yield Series(tuple(row))


def _joins(text: str, left: Mention, right: Mention) -> bool:
    gap = text[left.end : right.start]
    alike = left.kind is right.kind or {left.kind, right.kind} <= _WORDY
    return alike and BETWEEN.fullmatch(gap) is not None
