"""Evidence: how strongly a sentence suggests that one of its values is meant for one argument."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from .actions import VERBS
from .clauses import Clause
from .mentions import Kind, Mention
from .schemas import Leaf, Type
from .sheets import Sheet
from .words import GENERIC, STOP, SYNONYMS, Word, lexicon, stem, stemmed, words

_AMOUNTS: Final = frozenset({Kind.NUMBER, Kind.COUNT, Kind.PERCENT})
_PLAIN: Final = 0.5  # kinds that suit less well need the argument's name beside them
_COMMON: Final = frozenset(map(stem, VERBS))
SURE: Final = 3.5  # named outright; enough for a value said in an earlier clause
GOOD: Final = 2.5  # says by name, place or form where a value belongs; enough for an optional argument
FAIR: Final = 0.5  # the value is of the right kind and nobody else wants it; a required argument takes it
FAINT: Final = 0.3  # a name where an identifier is wanted: only when nothing can look it up

# How well a kind of mention suits a type of argument, before anything else is known.
_SUITS: Final[dict[Type, dict[Kind, float]]] = {
    Type.TEXT: {
        Kind.QUOTED: 1.8,
        Kind.NAME: 1.5,
        Kind.IDENTIFIER: 1.0,
        Kind.PHRASE: 0.6,
        Kind.EMAIL: 0.3,
        Kind.URL: 0.3,
        Kind.NUMBER: 0.1,
        Kind.DATE: 0.1,
        Kind.TIME: 0.1,
    },
    Type.ID: {Kind.IDENTIFIER: 2.5, Kind.UUID: 2.5, Kind.QUOTED: 1.5, Kind.NUMBER: 0.3, Kind.NAME: 0.1},
    Type.INTEGER: {Kind.NUMBER: 1.0, Kind.COUNT: 0.7, Kind.PERCENT: 0.5},
    Type.NUMBER: {Kind.NUMBER: 1.0, Kind.COUNT: 0.6, Kind.PERCENT: 1.0},
    Type.EMAIL: {Kind.EMAIL: 4.0},
    Type.URL: {Kind.URL: 4.0},
    Type.UUID: {Kind.UUID: 4.0},
    Type.DATE: {Kind.DATE: 2.6, Kind.TIME: 1.0},
    Type.TIME: {Kind.TIME: 3.0, Kind.DATE: 2.0},
}
_PLACES: Final = "location city place country region area address state where venue room"
_ENDS: Final = "to destination target end until recipient arrival receiver new finish"
_STARTS: Final = "from origin source start since sender departure base initial begin after old"
_LIMITS: Final = "limit count number top num size max n page"
# What a value stands for, told by the small word in front of it.
_ROLES: Final = {
    cue: frozenset(stem(word) for word in roles.split())
    for cues, roles in (
        ("in at near around", _PLACES),
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
    for cue in cues.split()
}
QUERIES: Final = stemmed("q query search term text keyword filter name title")
_LINKS: Final = lexicon("the a an my our is are was of its =")
# What ends the words that can name a value behind them.
_BREAK: Final = re.compile(r"[.;!?,]\s|\b(?:and|or)\b", re.IGNORECASE)
_STOPS: Final = re.compile(r"[.,;:!?]")
_NEAR: Final = 160  # characters on either side; words farther off say nothing of a value
_PEOPLE: Final = stemmed("customer client buyer user contact person member employee people")
_PERCENT: Final = frozenset({"percent", "percentag"})


class Said(Struct, frozen=True):
    """A mention in its surroundings: words before (nearest first), small words, words behind."""

    mention: Mention
    label: tuple[str, ...]
    noun: str  # the word right before it, `number` and the like skipped; empty where a small word is
    cues: frozenset[str]
    after: tuple[str, ...]


class Evidence(Struct, frozen=True):
    """The value a mention would give an argument, how strongly, and why."""

    mention: Mention
    value: Any
    score: float
    why: str


def surroundings(intent: str, clause: Clause, found: Sequence[Mention]) -> Iterator[Said]:
    """Each mention of a clause with the words around it, up to the next value on either side."""
    values = [m for m in found if m.kind is not Kind.PHRASE]
    ends = [clause.start, *(m.end for m in values)]
    starts = [*(m.start for m in values), clause.end]
    places = [clause.start + word.start for word in clause.words]
    breaks = [clause.start, *(stop.end() for stop in _BREAK.finditer(intent, clause.start, clause.end))]
    for mention in found:
        before = max(
            ends[bisect_right(ends, mention.start) - 1],
            breaks[bisect_right(breaks, mention.start) - 1],
            mention.start - _NEAR,
        )
        near = clause.words[bisect_left(places, before) : bisect_left(places, mention.start)]
        behind = min(starts[bisect_left(starts, mention.end)], mention.end + _NEAR)
        yield _said(mention, near[::-1], intent[mention.end : behind])


def _said(mention: Mention, near: Sequence[Word], behind: str) -> Said:
    label = tuple(w.stem for w in near if w.plain not in STOP)[:4]
    after = tuple(w.stem for w in islice(words(_STOPS.split(behind, maxsplit=1)[0]), 2))
    unit = (stem(mention.unit),) if mention.unit else ()
    return Said(mention, label, _noun(near), frozenset(_cues(near)), unit + after)


def _noun(near: Sequence[Word]) -> str:
    word = next((word for word in near if word.stem not in GENERIC), None)
    return "" if word is None or word.plain in STOP else word.stem


def _cues(near: Sequence[Word]) -> Iterator[str]:
    for word in near:
        plain = word.plain
        if plain in _ROLES:
            yield plain
        if plain not in _LINKS:
            return


def weigh(leaf: Leaf, said: Said, sheet: Sheet) -> Evidence | None:
    """What speaks for giving this mention to this argument; None where it cannot be its value."""
    suits = _SUITS.get(leaf.type, {}).get(said.mention.kind)
    if suits is None:
        return None
    value, stripped = _value(leaf, said.mention, sheet)
    if value is None or not within(leaf, value):
        return None
    if _is_anothers(leaf, said, sheet) or _is_nobody(leaf, said, sheet):
        return None
    suits = min(suits, 0.3) if leaf.identifies and said.mention.kind in _AMOUNTS else suits
    if suits < _PLAIN and not (_named(leaf.particular, said.label) or _is_said_of(leaf, said, sheet)):
        return None
    reasons = tuple(_reasons(leaf, said, sheet, stripped))
    score = suits + sum(weight for weight, _ in reasons)
    if leaf.type is Type.ID and (said.mention.kind is Kind.NAME or " " in str(value)):
        score = min(score, GOOD) * 0.16  # a name is seldom an identifier: look it up first
    why = max(reasons, default=(0.0, f"the {said.mention.kind} left over"))[1]
    return Evidence(said.mention, value, score, why)


def _reasons(leaf: Leaf, said: Said, sheet: Sheet, stripped: bool) -> Iterator[tuple[float, str]]:
    if stripped:
        yield 2.5, f"said with {leaf.name!r}"
    named = _named(leaf.particular, said.label)
    if named:
        yield 3.0 * named, f"named {' '.join(reversed(said.label))!r}"
    elif leaf.about & set(said.label[:2]):
        yield 0.6, "described by the words before it"
    behind = leaf.particular & set(said.after)
    if behind:
        yield 1.0 + len(behind) / len(leaf.particular), f"followed by {' '.join(said.after)!r}"
    elif leaf.about & set(said.after):
        yield 0.8, "its unit fits"
    if said.mention.kind is Kind.IDENTIFIER and any(_abbreviates(said, word) for word in leaf.particular):
        yield 1.0, "its prefix fits"
    if _roles(said) & leaf.words:
        yield 2.0, f"behind {' '.join(sorted(said.cues))!r}"
    if _is_said_of(leaf, said, sheet):
        yield 1.5, f"said of the {said.noun}"


def _named(wanted: frozenset[str], label: tuple[str, ...]) -> float:
    """The share of an argument's words said right before a value; nearer words count more."""
    near = [label.index(word) for word in wanted.intersection(label)]
    return sum(1.0 - 0.2 * distance for distance in sorted(near)) / len(wanted) if near else 0.0


def _abbreviates(said: Said, word: str) -> bool:
    """Whether the prefix of an identifier stands for a word: `prd_7` for product, `ORD-17` for order."""
    prefix, mark, _ = re.sub("[-_]", "_", str(said.mention.value).lower()).partition("_")
    letters = iter(word)
    return bool(mark) and word.startswith(prefix[:1]) and all(letter in letters for letter in prefix)


def _roles(said: Said) -> frozenset[str]:
    cues = [*said.cues, *said.label[:1]]
    return frozenset().union(*(_ROLES.get(cue, frozenset()) for cue in cues))


def _is_said_of(leaf: Leaf, said: Said, sheet: Sheet) -> bool:
    """Whether a value stands behind the noun it identifies or names: `order ORD-1`, `customer Ada`."""
    plain = leaf.words <= GENERIC or leaf.words & QUERIES
    return bool(said.noun and plain and not leaf.owners and said.noun in sheet.owner(leaf))


def _is_anothers(leaf: Leaf, said: Said, sheet: Sheet) -> bool:
    """Whether a value identifies another thing than this identifier: `order ORD-1` is no customer's."""
    particular = leaf.words - GENERIC
    if not (leaf.identifies and particular and said.noun) or said.noun in _COMMON:
        return False
    return not _alike({said.noun}, particular | leaf.about | sheet.owner(leaf))


def _is_nobody(leaf: Leaf, said: Said, sheet: Sheet) -> bool:
    """Whether a value names no person, where one is sought: nobody is called by plain words."""
    return said.mention.kind is Kind.PHRASE and bool(leaf.words & QUERIES and sheet.resource & _PEOPLE)


def _alike(one: Iterable[str], others: frozenset[str]) -> bool:
    return any(word in others or others.intersection(SYNONYMS.get(word, ())) for word in one)


def _value(leaf: Leaf, mention: Mention, sheet: Sheet) -> tuple[Any, bool]:
    """The mention as the argument's type, and whether the argument's own name was cut off it."""
    if mention.kind is Kind.PHRASE:
        return _trimmed(str(mention.value), leaf.particular, sheet.known)
    if mention.kind is Kind.NAME:
        named = frozenset(word.stem for word in words(str(mention.value)))
        return (
            (None, False)
            if named <= sheet.known
            else _trimmed(str(mention.value), leaf.particular, frozenset())
        )
    if leaf.type is Type.INTEGER:
        whole = isinstance(mention.value, int) or float(mention.value).is_integer()
        return (int(mention.value) if whole else None), False
    if leaf.type is Type.NUMBER:
        share = mention.kind is Kind.PERCENT and not leaf.about & _PERCENT
        return (mention.value / 100 if share else mention.value), False
    if leaf.type is Type.DATE:
        return str(mention.value)[:10], False
    if leaf.type is Type.TIME and mention.kind is Kind.DATE:
        return f"{mention.value}T00:00:00Z", False
    return str(mention.value), False


def _trimmed(phrase: str, own: frozenset[str], known: frozenset[str]) -> tuple[str | None, bool]:
    """A phrase without the argument's `own` and other `known` words at its ends; whether an own one went."""
    inner = list(words(phrase))
    stripped = False
    for at in (-1, 0):
        while inner and inner[at].stem in own | known:
            stripped = stripped or inner[at].stem in own
            inner.pop(at)
    return (phrase[inner[0].start : inner[-1].end], stripped) if inner else (None, False)


def within(leaf: Leaf, value: Any) -> bool:
    """Whether a value keeps to the bounds an argument documents."""
    if isinstance(value, int | float):
        low, high = leaf.schema.get("minimum"), leaf.schema.get("maximum")
        return not (isinstance(low, int | float) and value < low) and not (
            isinstance(high, int | float) and value > high
        )
    return True
