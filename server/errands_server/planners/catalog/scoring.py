"""Evidence: how strongly a sentence suggests that one of its values is meant for one argument."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from .actions import VERBS
from .cues import EntityContext, roles
from .dates import documented, shown
from .entity import Kind, Mention
from .numbers import measures, named
from .parameters import ToolParameter, Type
from .tokens import GENERIC, SYNONYMS, VAGUE, lexicon, stem, stemmed, stems, words
from .tool_profile import ToolProfile

# Things that have names of their own, and words that only sort things.
_NAMED: Final = stemmed(
    """name person player artist author actor director composer celebrity team company brand league store
    city country state region location place address destination origin station airport museum hotel
    restaurant landmark title"""
)
SORTED: Final = stemmed("type kind genre category material color style format unit level mode field")
_PREPOSITIONS: Final = lexicon("of for about on in with from to")

_PROPER: Final = 0.5  # a name, where something with a name is wanted; a phrase loses half of it
_OBJECT: Final = 0.15  # a phrase behind a preposition: `the history of tea`
_HACKNEYED: Final = 0.2  # what a phrase loses all of whose words the tool itself uses


def leaning(leaf: ToolParameter, said: EntityContext, value: str, sheet: ToolProfile) -> float:
    """How much rather, or less, a text parameter wants these words than others of their kind."""
    named = bool(leaf.words & _NAMED)
    if said.mention.kind is Kind.NAME:
        return _PROPER if named else 0.0
    if said.mention.kind is not Kind.PHRASE:
        return 0.0
    behind = _OBJECT if said.cues & _PREPOSITIONS else 0.0
    hackneyed = _HACKNEYED * _term_share(value, sheet.terms)
    return behind - hackneyed - (_PROPER / 2 if named else 0.0)


def _term_share(text: str, terms: Mapping[str, float]) -> float:
    found = stems(text)
    return sum(word in terms for word in found) / max(len(found), 1)


def trimmed(phrase: str, own: frozenset[str], known: frozenset[str]) -> tuple[str | None, bool]:
    """A phrase without the argument's `own` and other `known` words at its ends; whether an own one went."""
    inner = list(words(phrase))
    stripped = False
    for at in (-1, 0):
        while inner and inner[at].stem in own | known:
            stripped = stripped or inner[at].stem in own
            inner.pop(at)
    return (phrase[inner[0].start : inner[-1].end], stripped) if inner else (None, False)


_NUMERIC: Final = frozenset({Type.INTEGER, Type.NUMBER})
_TIMES: Final = frozenset({Type.DATE, Type.TIME})
_AMOUNTS: Final = frozenset({Kind.NUMBER, Kind.COUNT, Kind.PERCENT})
_PLAIN: Final = 0.5  # kinds that suit less well need a reason
_ROLE: Final = 2.0  # what the small word before a value adds
_COUNTED: Final = 2.2  # so many of what the argument counts
_TELLING: Final = 1.0  # what such a reason weighs at least
_COMMON: Final = frozenset(map(stem, VERBS))
SURE: Final = 3.5  # named outright; enough for a value said in an earlier clause
GOOD: Final = 2.5  # says by name, place or form where a value belongs; enough for an optional argument
FAIR: Final = 0.5  # the value is of the right kind and nobody else wants it; a required argument takes it
FAINT: Final = 0.3  # a name where an identifier is wanted: only when nothing can look it up

# How well a kind of mention suits a type of argument, before anything else is known.
_SUITS: Final[dict[Type, dict[Kind, float]]] = {
    Type.TEXT: {
        Kind.QUOTED: 1.8,
        Kind.EXPRESSION: 1.8,
        Kind.NAME: 1.5,
        Kind.IDENTIFIER: 1.0,
        Kind.SLUG: 1.0,
        Kind.PHRASE: 0.6,
        Kind.EMAIL: 0.3,
        Kind.URL: 0.3,
        Kind.NUMBER: 0.1,
        Kind.CLOCK: 0.1,
        Kind.PERIOD: 0.1,
        Kind.DATE: 0.1,
        Kind.TIME: 0.1,
    },
    Type.ID: {
        Kind.IDENTIFIER: 2.5,
        Kind.UUID: 2.5,
        Kind.SLUG: 1.5,
        Kind.QUOTED: 1.5,
        Kind.NUMBER: 0.3,
        Kind.NAME: 0.1,
    },
    Type.INTEGER: {Kind.NUMBER: 1.0, Kind.COUNT: 0.4, Kind.PERCENT: 0.5},
    Type.NUMBER: {Kind.NUMBER: 1.0, Kind.COUNT: 0.4, Kind.PERCENT: 1.0},
    Type.EMAIL: {Kind.EMAIL: 4.0},
    Type.URL: {Kind.URL: 4.0},
    Type.UUID: {Kind.UUID: 4.0},
    Type.DATE: {Kind.DATE: 2.6, Kind.TIME: 1.0, Kind.QUOTED: 1.0, Kind.PERIOD: 1.0},
    Type.OBJECT: {Kind.LITERAL: GOOD},
    Type.TIME: {Kind.TIME: 3.0, Kind.DATE: 2.0, Kind.QUOTED: 1.0},
}
PLACES: Final = stemmed("location loc place address area venue destination origin")  # told with a region
QUERIES: Final = stemmed("q query search term text keyword filter name title")
_PEOPLE: Final = stemmed("customer client buyer user contact person member employee people")
_HOURS: Final = stemmed("time hour clock")
_WHEN: Final = stemmed("date when time period timeframe frame range duration month week year season")
_NONE: Final = frozenset[str]()
_SPANS: Final = {Kind.CLOCK: _HOURS, Kind.PERIOD: _WHEN}
_VERSION: Final = re.compile(r"v?\d+(?:\.\d+)+(?:-\w+(?:\.\d+)*)?")
_FILE: Final = re.compile(r"[~\w./-]*(?:/[\w.-]*|[\w-]\.[a-z]\w{0,3})")
_WRITTEN: Final = frozenset({Kind.IDENTIFIER, Kind.SLUG})
_FILES: Final = stemmed("file filename path document")
_VERSIONED: Final = stemmed("version tag release revision")
_IDS: Final = stemmed("id uuid identifier")
_COUNTS: Final = stemmed("number num count n limit top max quantity amount")
_PERCENT: Final = frozenset({"percent", "percentag"})


class SlotScore(Struct, frozen=True):
    """The value a mention would give an argument, how strongly, and why."""

    mention: Mention
    value: Any
    score: float
    why: str


def score(
    leaf: ToolParameter, said: EntityContext, sheet: ToolProfile, spent: frozenset[str]
) -> SlotScore | None:
    """What speaks for giving this mention to this argument; None where it cannot be its value."""
    suits = _SUITS.get(leaf.type, {}).get(said.mention.kind)
    if suits is None:
        return None
    value, stripped = _value(leaf, said.mention, sheet, spent)
    if value is None or not within(leaf, value):
        return None
    kind = _kind(leaf, said)
    value = leaf.forms.get(kind, "") + value if leaf.forms else value
    if said.mention.kind is Kind.COUNT and any(word.isdigit() for word in leaf.words):
        return None  # `two rates` says how many there are: `rate1` and `rate2`
    if said.mention.kind is Kind.SLUG and not leaf.forms and f"{{{leaf.name}}}" in sheet.tool.path:
        return None  # a segment of a path has no slash in it
    if _is_anothers(leaf, said, sheet) or _is_nobody(leaf, said, sheet) or _measures_another(leaf, said):
        return None
    suits = min(suits, 0.3) if leaf.identifies and said.mention.kind in _AMOUNTS else suits
    reasons = tuple(_reasons(leaf, said, sheet, stripped))
    if suits < _PLAIN and not any(weight >= _TELLING for weight, _ in reasons):
        return None
    score = suits + sum(weight for weight, _ in reasons)
    if leaf.type is Type.ID and (said.mention.kind is Kind.NAME or " " in str(value)):
        score = min(score, GOOD) * 0.16  # a name is seldom an identifier: look it up first
    if leaf.type is Type.TEXT:
        score += leaning(leaf, said, str(value), sheet)
    why = max(reasons, default=(0.0, f"a fitting {said.mention.kind}"))[1]
    return SlotScore(said.mention, value, score, why)


def _kind(leaf: ToolParameter, said: EntityContext) -> str:
    """The kind of thing a value is said to be, of those that a parameter has a form for."""
    own = stems(str(said.mention.value)) if said.mention.kind is Kind.PHRASE else ()
    return next((kind for kind in leaf.forms if kind == said.noun or kind in own), "")


def _reasons(
    leaf: ToolParameter, said: EntityContext, sheet: ToolProfile, stripped: bool
) -> Iterator[tuple[float, str]]:
    if kind := _kind(leaf, said):
        yield 2.5, f"said to be a {kind}"
    yield from _called(leaf, said, stripped=stripped)
    yield from _placed(leaf, said, sheet)


def _called(leaf: ToolParameter, said: EntityContext, *, stripped: bool) -> Iterator[tuple[float, str]]:
    """What the words around a value call it."""
    if stripped:
        yield 2.5, f"said with {leaf.name!r}"
    share = _share(leaf.particular, said.label)
    if share:
        yield 3.0 * share, f"behind {' '.join([*said.label][::-1])!r}"
    elif leaf.about.intersection(islice(said.label, 2)):
        yield 0.6, "described by the words before it"
    behind = leaf.particular & set(said.after)
    counts = _COUNTED if said.mention.kind is Kind.COUNT and leaf.words & _COUNTS else 0.0
    if behind and not leaf.identifies:
        yield max(counts, 1.0 + len(behind) / len(leaf.particular)), f"followed by {' '.join(said.after)!r}"
    elif leaf.about & set(said.after):
        yield max(counts, 0.8), "its unit fits"


def _placed(leaf: ToolParameter, said: EntityContext, sheet: ToolProfile) -> Iterator[tuple[float, str]]:
    """What the place and the form of a value say: its unit, its small word, its role, its noun."""
    if leaf.type in _NUMERIC and measures(_unit(said)) & named(leaf.words | leaf.about):
        yield 1.0, "its unit fits"
    if leaf.words & _VERSIONED and said.mention.kind is Kind.IDENTIFIER and _is_version(said.mention):
        yield 2.0, "a version"
    if leaf.words & _FILES and said.mention.kind in _WRITTEN and _is_file(said.mention):
        yield 2.0, "a file"
    if said.mention.kind is Kind.IDENTIFIER and any(_abbreviates(said, word) for word in leaf.particular):
        yield 1.0, "its prefix fits"
    if said.role in leaf.particular:
        yield 2.0, f"said to be the {said.role}"
    if leaf.words & roles(said.mention.kind, (*said.cues, *islice(said.label, 1))):
        weight = _ROLE * (0.5 if said.mention.kind is Kind.PHRASE else 1.0)
        yield weight, f"behind {' '.join(sorted(said.cues))!r}"
    if leaf.words & _SPANS.get(said.mention.kind, _NONE):
        yield 2.5, f"a {said.mention.kind}"
    if leaf.identifies and sheet.identifiers == 1 and _IDS.intersection(islice(said.label, 1)):
        yield 1.5, "said to be its identifier"
    if _is_said_of(leaf, said, sheet):
        yield 1.5, f"said of the {said.noun}"


def _share(wanted: frozenset[str], label: Mapping[str, float]) -> float:
    """The share of an argument's words said right before a value, each as far as it has a say."""
    return sum(say for word, say in label.items() if word in wanted) / len(wanted)


def _abbreviates(said: EntityContext, word: str) -> bool:
    """Whether the prefix of an identifier stands for a word: `prd_7` for product, `ORD-17` for order."""
    prefix, mark, _ = re.sub("[-_]", "_", str(said.mention.value).lower()).partition("_")
    letters = iter(word)
    return bool(mark) and word.startswith(prefix[:1]) and all(letter in letters for letter in prefix)


def _is_file(mention: Mention) -> bool:
    return _FILE.fullmatch(str(mention.value)) is not None


def _is_version(mention: Mention) -> bool:
    return _VERSION.fullmatch(str(mention.value)) is not None


def _is_said_of(leaf: ToolParameter, said: EntityContext, sheet: ToolProfile) -> bool:
    """Whether a value stands behind the noun it identifies or names: `order ORD-1`, `customer Ada`."""
    plain = leaf.words <= GENERIC or leaf.words & QUERIES
    return bool(said.noun and plain and not leaf.owners and said.noun in sheet.owner(leaf))


def _is_anothers(leaf: ToolParameter, said: EntityContext, sheet: ToolProfile) -> bool:
    """Whether a value identifies another thing than this identifier: `order ORD-1` is no customer's."""
    particular = leaf.words - GENERIC
    if not (leaf.identifies and particular and said.noun) or said.noun in _COMMON:
        return False
    return not _alike({said.noun}, particular | leaf.about | sheet.owner(leaf))


def _is_nobody(leaf: ToolParameter, said: EntityContext, sheet: ToolProfile) -> bool:
    """Whether a value names no person, where one is sought: nobody is called by plain words."""
    return said.mention.kind is Kind.PHRASE and bool(leaf.words & QUERIES and sheet.resource & _PEOPLE)


def _measures_another(leaf: ToolParameter, said: EntityContext) -> bool:
    """Whether an amount has the unit of something else: `5 years` are no price."""
    if said.mention.kind not in _AMOUNTS or not (unit := _unit(said)):
        return False
    measured, wanted = measures(unit), named(leaf.words)
    return bool(measured and wanted and not measured & wanted)


def _unit(said: EntityContext) -> str:
    return "%" if said.mention.kind is Kind.PERCENT else next(iter(said.after), "")


def _alike(one: Iterable[str], others: frozenset[str]) -> bool:
    return any(word in others or others.intersection(SYNONYMS.get(word, ())) for word in one)


def _value(
    leaf: ToolParameter, mention: Mention, sheet: ToolProfile, spent: frozenset[str]
) -> tuple[Any, bool]:
    """The mention as the argument's type, and whether the argument's own name was cut off it."""
    if mention.kind is Kind.LITERAL:
        return _literal(leaf, str(mention.value)), False
    if mention.kind is Kind.PHRASE:
        value, stripped = trimmed(str(mention.value), _called_by(leaf), sheet.known | sheet.labels | spent)
        return (None if value in VAGUE else value), stripped
    if mention.kind is Kind.NAME:
        # A name keeps its every word: `Central Park` is a park, and called so.
        named = frozenset(word.stem for word in words(str(mention.value)))
        value = None if named <= sheet.known | spent else str(mention.value)
        return value, value is not None and bool(named & leaf.particular)
    if leaf.type is Type.INTEGER:
        whole = isinstance(mention.value, int) or float(mention.value).is_integer()
        return (int(mention.value) if whole else None), False
    if leaf.type is Type.NUMBER:
        share = mention.kind is Kind.PERCENT and not leaf.about & _PERCENT
        return (mention.value / 100 if share else mention.value), False
    if leaf.type in _TIMES:
        return _moment(leaf, mention), False
    if mention.kind is Kind.DATE:
        return mention.unit, False
    return str(mention.value), False


def _called_by(leaf: ToolParameter) -> frozenset[str]:
    """The words a parameter's value may be said with: its own, and what they are short for."""
    return leaf.particular.union(leaf.forms, *(SYNONYMS[word] for word in leaf.particular & SYNONYMS.keys()))


def _literal(leaf: ToolParameter, text: str) -> Any:
    """A value written as JSON, in quotes of either kind."""
    for written in (text, text.replace("'", '"')):
        with suppress(ValueError, RecursionError):
            value = json.loads(written)
            return value if isinstance(value, list if leaf.array else dict) else None
    return None


def _moment(leaf: ToolParameter, mention: Mention) -> str | None:
    """A date or a time as its argument wants it written, by its format, else by its description."""
    told = str(leaf.schema.get("description") or "")
    if mention.kind is Kind.PERIOD:
        return None if leaf.schema.get("format") or shown(told)[0] else str(mention.value)
    if mention.kind is Kind.QUOTED:
        return mention.value if any(letter.isdigit() for letter in mention.value) else None
    if not leaf.schema.get("format"):
        return documented(str(mention.value), told, timed=leaf.type is Type.TIME)
    if leaf.type is Type.DATE:
        return str(mention.value)[:10]
    return str(mention.value) if mention.kind is Kind.TIME else f"{mention.value}T00:00:00Z"


def within(leaf: ToolParameter, value: Any) -> bool:
    """Whether a value keeps to the bounds an argument documents."""
    if isinstance(value, int | float):
        low, high = leaf.schema.get("minimum"), leaf.schema.get("maximum")
        return not (isinstance(low, int | float) and value < low) and not (
            isinstance(high, int | float) and value > high
        )
    return True
