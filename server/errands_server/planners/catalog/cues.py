"""Contexts of entities: the words around each value of a clause, cues of what the value is for."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Final

from msgspec import Struct

from .clauses import Clause
from .entity import Kind, Mention, Series
from .numbers import quantities_measured
from .tokens import GENERIC, STOP, Word, content, lexicon, stem, words

# Small words between a name and its value: `the rate is 5`, `a radius of 5`.
_LINKS: Final = lexicon("the a an my our is are was were be of its as = exactly about")
_SKIPPED: Final = GENERIC - {"in"}  # `in a guide` does not name the guide
_APART: Final = 0.4  # factor for a word before another small word: `rating in Rome`
_NEAR: Final = 160  # characters on either side; words farther off do not count
_LONGEST: Final = 4  # words that can name a value
# What ends the words that can name a value behind them.
_BREAK: Final = re.compile(r"[.;!?,]\s|\b(?:and|or)\b", re.IGNORECASE)
_SENTENCE: Final = re.compile(r"[.;!?]\s")
_JOINT: Final = re.compile(r",\s*(?:and\s+)?|\band\b", re.IGNORECASE)
_STOPS: Final = re.compile(r"[.,;:!?]")
_APPOSED: Final = re.compile(r"\s?(?P<word>[^\W\d_]+)?,?\s")
_ROLE: Final = re.compile(
    r",?\s(?:as|in)\s(?:(?:an?|the|my|our|its|their)\s)?(?P<role>[^\W\d_]+)\b", re.IGNORECASE
)
_NAMES: Final = frozenset({Kind.NAME, Kind.QUOTED})
_WORDS: Final = frozenset({Kind.PHRASE, Kind.NAME})


class EntityContext(Struct, frozen=True):
    """A mention with the words around it."""

    mention: Mention
    label: Mapping[str, float]  # stems before it, nearest first, each with its weight from 0 to 1
    noun: str  # the stem right before it, without `number` and the like; empty: a small word
    cues: frozenset[str]  # the small words right before it
    after: tuple[str, ...]  # the stems right behind it, its unit first
    role: str = ""  # the noun in an `as` behind it: `Ada Bell as the author`


def extract_contexts(
    intent: str, clause: Clause, found: Sequence[Mention], rows: Iterable[Series]
) -> Iterator[EntityContext]:
    """Yield each mention of a clause with the words around it, up to the next value on either side."""
    values = [m for m in found if m.kind is not Kind.PHRASE]
    ends = [clause.start, *(m.end for m in values)]
    starts = [*(m.start for m in values), clause.end]
    places = [clause.start + word.start for word in clause.words]
    breaks = [clause.start, *(stop.end() for stop in _BREAK.finditer(intent, clause.start, clause.end))]
    shared = _shared(intent, ends, rows)
    for mention in found:
        before = max(
            ends[bisect_right(ends, mention.start) - 1],
            breaks[bisect_right(breaks, mention.start) - 1],
            mention.start - _NEAR,
        )
        near = clause.words[bisect_left(places, before) : bisect_left(places, mention.start)][::-1]
        number = bisect_left(starts, mention.end)
        following = values[number] if number < len(values) else None
        behind = intent[mention.end : min(starts[number], mention.end + _NEAR)]
        leads = mention.kind in _WORDS and following is not None and _introduces(behind, following)
        yield EntityContext(
            mention=mention,
            label=shared.get(mention) or _label(near),
            noun=_noun(near),
            cues=frozenset(_cues(near)),
            after=() if leads else _stems_behind(mention, behind),
            role=_role(behind),
        )


def _role(behind: str) -> str:
    found = _ROLE.match(behind)
    return stem(found["role"]) if found else ""


def _introduces(between: str, name: Mention) -> bool:
    """Whether the text before a name, of one word at most, is an apposition to it."""
    role = _APPOSED.fullmatch(between)
    return name.kind in _NAMES and role is not None and role["word"] not in STOP


def _shared(intent: str, ends: Sequence[int], rows: Iterable[Series]) -> dict[Mention, Mapping[str, float]]:
    """The labels of a series of values after a series of names: `the base and height are 3 and 4`."""
    found: dict[Mention, Mapping[str, float]] = {}
    for row in rows:
        start = max(ends[bisect_right(ends, row.start) - 1], row.start - _NEAR)
        sentence = _SENTENCE.split(intent[start : row.start])[-1]
        groups = [content(part) for part in _JOINT.split(sentence)][-len(row.items) :]
        if len(groups) == len(row.items) and all(groups):
            for item, group in zip(row.items, groups, strict=True):
                found[item] = _weigh([(word, 1.0) for word in reversed(group)])
    return found


def _label(near: Sequence[Word]) -> Mapping[str, float]:
    words: list[tuple[str, float]] = []
    weight = 1.0
    for word in near:
        if word.plain not in STOP:
            words.append((word.stem, weight))
        elif word.plain not in _LINKS:
            weight *= _APART
    return _weigh(words)


def _weigh(words: Sequence[tuple[str, float]]) -> Mapping[str, float]:
    label: dict[str, float] = {}
    for distance, (word, weight) in enumerate(words[:_LONGEST]):
        label.setdefault(word, weight * (1.0 - 0.2 * distance))
    return label


def _stems_behind(mention: Mention, behind: str) -> tuple[str, ...]:
    following = list(islice(words(_STOPS.split(behind, maxsplit=1)[0]), 3))
    if mention.unit and mention.kind is not Kind.DATE:
        return (stem(mention.unit), *_plain(following))
    # A unit may look like a small word: `5 m`.
    if following and quantities_measured(following[0].stem):
        return (following[0].stem, *_plain(following[1:]))
    return tuple(_plain(following))


def _plain(following: Sequence[Word]) -> Iterator[str]:
    return (word.stem for word in takewhile(lambda word: word.plain not in STOP, following))


def _noun(near: Sequence[Word]) -> str:
    word = next((word for word in near if word.stem not in _SKIPPED), None)
    return "" if word is None or word.plain in STOP else word.stem


def _cues(near: Sequence[Word]) -> Iterator[str]:
    """The small words right before a value, and the first other one, which may act as one."""
    for word in near:
        yield word.plain
        if word.plain not in _LINKS:
            return


_PLACES: Final = "location city place country region area address state where venue room"
_ENDS: Final = "to destination target end until recipient arrival receiver new finish"
_STARTS: Final = "from origin source start since sender departure base initial begin after old"
_LIMITS: Final = "limit count number top num size max n page"


def _table(*rows: tuple[str, str]) -> dict[str, frozenset[str]]:
    return {cue: frozenset(map(stem, roles.split())) for cues, roles in rows for cue in cues.split()}


_ROLES: Final = _table(
    ("to into until till", _ENDS),
    ("before", "end before until deadline due max"),
    ("from since", _STARTS),
    ("after", "start since after begin min"),
    ("within", "radius distance range max duration"),
    ("by", "author artist by creator director"),
    ("on for", "date day on when"),
    ("called named titled", "name title"),
    ("about regarding matching", "topic subject query q about search term keyword"),
    ("over above least", "min minimum"),
    ("under below most than", "max maximum"),
    ("top first last latest next limit", _LIMITS),
    ("as", "type status role as"),
)
_OF_TEXTS: Final = _table(("in at near around", _PLACES))
_OF_NUMBERS: Final = _table(("in", "year month"))
_NUMBERS: Final = frozenset({Kind.NUMBER, Kind.COUNT, Kind.PERCENT})
_NONE: Final = frozenset[str]()


def roles_of(kind: Kind, cues: Iterable[str]) -> frozenset[str]:
    """The stems of the roles that a value of this kind can have behind these words."""
    own = _OF_NUMBERS if kind in _NUMBERS else _OF_TEXTS
    return _NONE.union(*(_ROLES.get(cue, _NONE) | own.get(cue, _NONE) for cue in cues))
