"""Mentions: the values a sentence speaks of, each with its kind and its place."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import takewhile
from typing import Any, Final

from msgspec import Struct

from .actions import QUESTIONS, VERBS
from .dates import moments
from .words import STOP, VAGUE, Word, words


class Kind(StrEnum):
    """What a mention looks like."""

    QUOTED = "quoted text"
    URL = "URL"
    EMAIL = "email address"
    UUID = "UUID"
    DATE = "date"
    TIME = "date and time"
    IDENTIFIER = "identifier"
    NUMBER = "number"
    COUNT = "spelled-out number"
    ARTICLE = "article"
    PERCENT = "percentage"
    NAME = "name"
    PHRASE = "phrase"


# Kinds nobody says in passing: a call that leaves one out is not what was asked for.
OUTRIGHT: Final = frozenset(
    {Kind.QUOTED, Kind.URL, Kind.EMAIL, Kind.UUID, Kind.DATE, Kind.TIME, Kind.NUMBER, Kind.IDENTIFIER}
)
# Of these, the kinds that point at one particular thing.
POINTED: Final = frozenset({Kind.URL, Kind.EMAIL, Kind.UUID, Kind.IDENTIFIER})


class Mention(Struct, frozen=True):
    """One value in a sentence. `unit` is what is written against a number, as in 70kg."""

    kind: Kind
    value: Any
    start: int
    end: int
    unit: str = ""


class Series(Struct, frozen=True):
    """Mentions of one kind said in a row: `a, b and c`, `[1, 2, 3]`."""

    items: tuple[Mention, ...]

    @property
    def start(self) -> int:
        return self.items[0].start

    @property
    def end(self) -> int:
        return self.items[-1].end


_QUOTED: Final = re.compile(
    r""""([^"]+)"|\u201c([^\u201d]+)\u201d|\u2018([^\u2019]+)\u2019|`([^`]+)`|(?<!\w)'([^']+(?:'\w[^']*)*)'(?!\w)"""
)
_URL: Final = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_UUID: Final = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_FILE: Final = re.compile(r"(?<![\w/])(?:~|[A-Za-z]:)?/[\w./-]*\w")
# Letters and digits in one word (ORD-17, rs6034464), digits in groups (555-1234), 2022/AL2562.
_IDENTIFIER: Final = re.compile(
    r"(?<![\w.^-])(?:#?(?=[\w/-]*\d)[A-Za-z_]+(?:[-_/]?\w+)*|\d+(?:-\d+)+|\d+[-/_][A-Z]\w*)(?![\w^])"
)
# Words joined by underscores (cus_ada); what a value is given to (`rate=5`) names it.
_KEY: Final = re.compile(r"(?<![\w./-])[A-Za-z]+(?:_\w+)+(?![\w(]|\s?[=:])")
# What follows `called` is a name whatever its letters, up to the next small word or comma.
_TITLE: Final = re.compile(r"\b(?:called|named|titled)\s+(?P<rest>[^\0.,;:!?]+)", re.IGNORECASE)
_NUMBER: Final = re.compile(
    r"(?<![\w.^])(?P<sign>-)?[$€£#]?(?P<digits>(?<![\[(,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!,\d)|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"(?:\s?(?P<percent>%)|\s(?P<scale>dozen|hundred|thousand|million|billion)\b|(?P<unit>[A-Za-z°µ]{1,4})\b)?(?![\w^])"
)
# A word of a name: initials (J.K.), a title (St.), or a capitalised word.
_PROPER: Final = r"(?:(?:[A-Z]\.)+|(?:St|Dr|Mr|Mrs|Ms|Mt)\.|[A-Z][\w&+-]*(?:['\u2019](?!s\b)\w+)?)"
_NAME: Final = re.compile(rf"(?<![\w-]){_PROPER}(?:[ ]+(?:(?:of|the|de|van|von|&)[ ]+)*{_PROPER})*")
_COUNT: Final = re.compile(
    r"\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|twenty|fifty|hundred)"
    r"(?:\s(?P<scale>dozen|hundred|thousand))?\b(?!-)",
    re.IGNORECASE,
)
_COUNTS: Final = dict(
    zip(
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
        range(2, 13),
        strict=True,
    )
) | {"dozen": 12, "twenty": 20, "fifty": 50, "hundred": 100}
_SCALE: Final = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1_000,
    "million": 1_000_000,
    "billion": 1_000_000_000,
}
BETWEEN: Final = re.compile(r"\s*(?:,\s*(?:and|or|&)|,|and|or|&)\s*", re.IGNORECASE)

_PAIR: Final = re.compile(r"\bbetween\s+$", re.IGNORECASE)
_PAIRED: Final = len("between") + 4  # characters before a row that can make it a pair, spaces included

_OPENINGS: Final = STOP | VERBS | QUESTIONS | (VAGUE - {"new"})  # New York

_WORDY: Final = frozenset({Kind.PHRASE, Kind.IDENTIFIER})

Finder = Callable[[str], Iterable[Mention]]
_DIGIT: Final = "0"  # stands for every digit among the marks of a text


def mentions(text: str, now: datetime) -> tuple[Mention, ...]:
    """Every value in `text` from left to right, none overlapping another; surer kinds come first."""
    found: list[Mention] = []
    # Each finder with the marks of which it needs one: a glance spares most texts most patterns.
    finders: tuple[tuple[str, Finder], ...] = (
        ("\"'`\u201c\u2018", _quoted),
        (":", lambda rest: _matches(_URL, Kind.URL, rest)),
        ("@", lambda rest: _matches(_EMAIL, Kind.EMAIL, rest)),
        ("-", lambda rest: _matches(_UUID, Kind.UUID, rest)),
        ("/", lambda rest: _matches(_FILE, Kind.IDENTIFIER, rest)),
        ("", lambda rest: _dates(rest, now)),
        (_DIGIT, lambda rest: _matches(_IDENTIFIER, Kind.IDENTIFIER, rest)),
        ("_", lambda rest: _matches(_KEY, Kind.IDENTIFIER, rest)),
        ("", _numbers),
        ("", _titles),
        ("", _names),
        ("", _phrases),
    )
    marks = {_DIGIT if mark.isdecimal() else mark for mark in set(text)}
    for needed, find in finders:
        if needed and marks.isdisjoint(needed):
            continue
        if fresh := _apart(text, find(text)):
            found += fresh
            text = _blanked(text, fresh)
    return tuple(sorted(found, key=lambda mention: mention.start))


def _apart(text: str, found: Iterable[Mention]) -> list[Mention]:
    """The mentions that touch no earlier one, nor each other; of two at one place the longer."""
    apart: list[Mention] = []
    for mention in sorted(found, key=lambda m: (m.start, -m.end)):
        free = not apart or apart[-1].end <= mention.start
        if free and "\0" not in text[mention.start : mention.end]:
            apart.append(mention)
    return apart


def _blanked(text: str, found: Iterable[Mention]) -> str:
    """`text` with these mentions made unreadable for later finders, places unchanged."""
    pieces, end = [], 0
    for mention in found:
        pieces += [text[end : mention.start], "\0" * (mention.end - mention.start)]
        end = mention.end
    return "".join([*pieces, text[end:]])


def beneath(
    spoken: Iterable[Word], found: Iterable[Mention], start: int
) -> Iterator[tuple[Word, Mention | None]]:
    """Each word of a text that begins at `start`, with the mention it is part of."""
    rest = iter(found)
    mention = next(rest, None)
    for word in spoken:
        while mention and mention.end <= start + word.start:
            mention = next(rest, None)
        yield word, mention if mention and mention.start <= start + word.start else None


def covering(found: Sequence[Mention], place: int) -> Mention | None:
    """The mention at a place of the text; `found` as `mentions` gives it."""
    number = bisect_right(found, place, key=lambda mention: mention.start) - 1
    return found[number] if number >= 0 and place < found[number].end else None


def series(text: str, found: Iterable[Mention]) -> Iterator[Series]:
    """The rows of mentions in `text`. Names need a closing `and`: `Denver, Colorado` is one place."""
    row: list[Mention] = []
    for mention in found:
        if row and not _joins(text, row[-1], mention):
            yield from _row(text, row)
            row = []
        row.append(mention)
    yield from _row(text, row)


def _row(text: str, row: list[Mention]) -> Iterator[Series]:
    if len(row) < 2 or _PAIR.search(text, max(0, row[0].start - _PAIRED), row[0].start):
        return
    last = text[row[-2].end : row[-1].start].strip().lower()
    if row[0].kind is Kind.NUMBER or last != ",":
        yield Series(tuple(row))


def _joins(text: str, left: Mention, right: Mention) -> bool:
    gap = text[left.end : right.start]
    alike = left.kind is right.kind or {left.kind, right.kind} <= _WORDY
    return alike and BETWEEN.fullmatch(gap) is not None


def _matches(pattern: re.Pattern[str], kind: Kind, text: str) -> Iterator[Mention]:
    for match in pattern.finditer(text):
        yield Mention(kind, match.group().lstrip("#"), match.start(), match.end())


def _quoted(text: str) -> Iterator[Mention]:
    for match in _QUOTED.finditer(text):
        value = next(group for group in match.groups() if group is not None)
        yield Mention(Kind.QUOTED, value, match.start(), match.end())


def _dates(text: str, now: datetime) -> Iterator[Mention]:
    for moment in moments(text, now):
        if moment.at is None:
            yield Mention(Kind.DATE, moment.day.isoformat(), moment.start, moment.end)
        else:
            yield Mention(Kind.TIME, moment.at.isoformat(), moment.start, moment.end)


def _numbers(text: str) -> Iterator[Mention]:
    for match in _NUMBER.finditer(text):
        kind = Kind.PERCENT if match["percent"] else Kind.NUMBER
        yield Mention(kind, _number(match), match.start(), match.end(), match["unit"] or "")
    lowered = text.lower()
    for match in _COUNT.finditer(text) if any(word in lowered for word in _COUNTS) else ():
        if count := _COUNTS.get(match[1].lower()):  # a long s matches, and spells no number
            count *= _SCALE.get((match["scale"] or "").lower(), 1)
            yield Mention(Kind.COUNT, count, match.start(), match.end())


def _number(match: re.Match[str]) -> int | float:
    digits = (match["sign"] or "") + match["digits"].replace(",", "")
    value: int | float = int(digits) if re.fullmatch(r"-?\d+", digits) else float(digits)
    scaled = value * _SCALE.get(match["scale"] or "", 1)
    return int(scaled) if isinstance(scaled, float) and match["scale"] and scaled.is_integer() else scaled


def _names(text: str) -> Iterator[Mention]:
    for match in _NAME.finditer(text):
        start = match.start() + _common_opening(match.group())
        name = text[start : match.end()].rstrip(",'\u2019&+-")
        if any(letter.isupper() for letter in name):
            yield Mention(Kind.NAME, name, start, start + len(name))


def _titles(text: str) -> Iterator[Mention]:
    for match in _TITLE.finditer(text):
        run = list(takewhile(lambda word: word.plain not in STOP, words(match["rest"])))
        if run:
            start, end = match.start("rest") + run[0].start, match.start("rest") + run[-1].end
            yield Mention(Kind.NAME, text[start:end], start, end)


def _common_opening(name: str) -> int:
    """How much of a capitalised run only opens a sentence: `Create`, `What`, `The` name nothing."""
    for word in words(name):
        if word.plain not in _OPENINGS:
            return word.start
    return len(name)


def _phrases(text: str) -> Iterator[Mention]:
    """Runs of plain words that are neither grammar nor, at the start of a run, a verb."""
    run: list[tuple[int, int]] = []
    for word in words(text):
        goes_on = bool(run) and text[run[-1][1] : word.start] in (" ", "-") and word.plain not in STOP
        if run and not goes_on:
            yield Mention(Kind.PHRASE, text[run[0][0] : run[-1][1]], run[0][0], run[-1][1])
            run = []
        if goes_on or word.plain not in _OPENINGS:
            run.append((word.start, word.end))
    if run:
        yield Mention(Kind.PHRASE, text[run[0][0] : run[-1][1]], run[0][0], run[-1][1])
