"""Evidence: how strongly a sentence suggests that one of its values is meant for one argument."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from .clauses import Clause
from .mentions import Kind, Mention
from .schemas import Leaf, Type
from .sheets import Sheet
from .words import STOP, Word, stem, words

_PLAIN: Final = 0.5  # kinds that suit less well need the argument's name beside them
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
    Type.ID: {Kind.IDENTIFIER: 2.5, Kind.UUID: 2.5, Kind.QUOTED: 1.5, Kind.NUMBER: 1.0, Kind.NAME: 0.1},
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
_QUERIES: Final = frozenset(stem(word) for word in "q query search term text keyword filter name title".split())
_LINKS: Final = frozenset("the a an my our is are was of its =".split())
_PERCENT: Final = frozenset({"percent", "percentag"})


class Said(Struct, frozen=True):
    """A mention in its surroundings: words before (nearest first), the small word, words behind."""

    mention: Mention
    label: tuple[str, ...]
    cues: frozenset[str]
    after: tuple[str, ...]


class Evidence(Struct, frozen=True):
    """The value a mention would give an argument, how strongly, and why."""

    value: Any
    score: float
    why: str


def surroundings(intent: str, clause: Clause, found: Sequence[Mention]) -> Iterator[Said]:
    """Each mention of a clause with the words around it, up to the next value on either side."""
    values = [m for m in found if m.kind is not Kind.PHRASE]
    for mention in found:
        before = max((m.end for m in values if m.end <= mention.start), default=clause.start)
        behind = min((m.start for m in values if m.start >= mention.end), default=clause.end)
        yield _said(mention, intent[before : mention.start], intent[mention.end : behind])


def _said(mention: Mention, before: str, behind: str) -> Said:
    # A sentence or a comma ends what can name the value.
    near = list(words(re.split(r"[.;!?,]\s", before)[-1]))[::-1]
    label = tuple(w.stem for w in near if w.text.lower() not in STOP)[:4]
    after = tuple(w.stem for w in list(words(re.split(r"[.,;:!?]", behind)[0]))[:2])
    unit = (stem(mention.unit),) if mention.unit else ()
    return Said(mention, label, frozenset(_cues(near)), unit + after)


def _cues(near: Sequence[Word]) -> Iterator[str]:
    for word in near:
        plain = word.text.lower()
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
    if value is None or not _within(leaf, value):
        return None
    reasons = tuple(_reasons(leaf, said, sheet, stripped))
    if suits < _PLAIN and not _named(leaf.particular, said.label):
        return None
    score = suits + sum(weight for weight, _ in reasons)
    if leaf.type is Type.ID and (said.mention.kind is Kind.NAME or " " in str(value)):
        score = min(score, GOOD) * 0.16  # a name is seldom an identifier: look it up first
    why = max(reasons, default=(0.0, f"the {said.mention.kind} left over"))[1]
    return Evidence(value, score, why)


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
    if _roles(said) & leaf.words:
        yield 2.0, f"behind {' '.join(sorted(said.cues))!r}"
    if said.label and said.label[0] in _subject(leaf, sheet):
        yield 1.5, f"said of the {said.label[0]}"


def _named(wanted: frozenset[str], label: tuple[str, ...]) -> float:
    """The share of an argument's words said right before a value; nearer words count more."""
    near = {word: 1.0 - 0.2 * distance for distance, word in reversed(list(enumerate(label)))}
    return sum(near.get(word, 0.0) for word in wanted) / len(wanted) if wanted else 0.0


def _roles(said: Said) -> frozenset[str]:
    cues = [*said.cues, *said.label[:1]]
    return frozenset().union(*(_ROLES.get(cue, frozenset()) for cue in cues))


def _subject(leaf: Leaf, sheet: Sheet) -> frozenset[str]:
    """What `<noun> X` must say for X to be this argument: `order ORD-1` is the order's id or name."""
    if leaf.owners or not (leaf.identifies or leaf.words & _QUERIES):
        return frozenset()
    return sheet.resource


def _value(leaf: Leaf, mention: Mention, sheet: Sheet) -> tuple[Any, bool]:
    """The mention as the argument's type, and whether the argument's own name was cut off it."""
    if mention.kind is Kind.PHRASE:
        return _trimmed(leaf, str(mention.value), sheet)
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


def _trimmed(leaf: Leaf, phrase: str, sheet: Sheet) -> tuple[str | None, bool]:
    """A phrase without the words that name the argument or the tool's subject at its ends."""
    inner = list(words(phrase))
    stripped = False
    for at in (-1, 0):
        while inner and inner[at].stem in leaf.particular | sheet.nouns | sheet.resource:
            stripped = stripped or inner[at].stem in leaf.particular
            inner.pop(at)
    return (phrase[inner[0].start : inner[-1].end], stripped) if inner else (None, False)


def _within(leaf: Leaf, value: Any) -> bool:
    if isinstance(value, int | float):
        low, high = leaf.schema.get("minimum"), leaf.schema.get("maximum")
        return not (isinstance(low, int | float) and value < low) and not (isinstance(high, int | float) and value > high)
    return True
