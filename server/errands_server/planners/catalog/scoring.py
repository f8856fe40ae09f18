"""Scores a value of a clause for a parameter: slot filling picks the best pairs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from .actions import VERBS
from .cues import EntityContext, roles_of
from .dates import date_pattern, format_date
from .entity import Kind, Mention
from .numbers import quantities_measured, quantities_named
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


def text_preference(
    parameter: ToolParameter, entity: EntityContext, value: str, profile: ToolProfile
) -> float:
    """What is added to the score of words for a text parameter, or taken off it."""
    is_named = bool(parameter.words & _NAMED)
    if entity.mention.kind is Kind.NAME:
        return _PROPER if is_named else 0.0
    if entity.mention.kind is not Kind.PHRASE:
        return 0.0
    behind = _OBJECT if entity.cues & _PREPOSITIONS else 0.0
    hackneyed = _HACKNEYED * _term_share(value, profile.terms)
    return behind - hackneyed - (_PROPER / 2 if is_named else 0.0)


def _term_share(text: str, terms: Mapping[str, float]) -> float:
    found = stems(text)
    return sum(word in terms for word in found) / max(len(found), 1)


def trim_phrase(phrase: str, own: frozenset[str], known: frozenset[str]) -> tuple[str | None, bool]:
    """Cut the parameter's `own` and other `known` words off the ends of a phrase. Returns the rest, and
    whether an own word was cut."""
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
SURE: Final = 3.5  # the parameter is named; enough for a value of an earlier clause
GOOD: Final = 2.5  # a name, a position or a form matches; enough for an optional parameter
FAIR: Final = 0.5  # the kind matches; enough for a required parameter
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
PLACES: Final = stemmed("location loc place address area venue destination origin")  # written with a region
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
    """The value of a parameter from a mention, its score, and the main reason for it."""

    mention: Mention
    value: Any
    score: float
    why: str


def score(
    parameter: ToolParameter, entity: EntityContext, profile: ToolProfile, spent: frozenset[str]
) -> SlotScore | None:
    """The score of a mention for a parameter. None: it cannot be its value."""
    suits = _SUITS.get(parameter.type, {}).get(entity.mention.kind)
    if suits is None:
        return None
    value, stripped = _convert(parameter, entity.mention, profile, spent)
    if value is None or not is_within_bounds(parameter, value):
        return None
    kind = _form_noun(parameter, entity)
    value = parameter.forms.get(kind, "") + value if parameter.forms else value
    if entity.mention.kind is Kind.COUNT and any(word.isdigit() for word in parameter.words):
        return None  # `two rates` counts the parameters `rate1` and `rate2`
    if (
        entity.mention.kind is Kind.SLUG
        and not parameter.forms
        and f"{{{parameter.name}}}" in profile.tool.path
    ):
        return None  # a segment of a path has no slash in it
    if (
        _identifies_another(parameter, entity, profile)
        or _names_no_person(parameter, entity, profile)
        or _measures_another(parameter, entity)
    ):
        return None
    suits = min(suits, 0.3) if parameter.identifies and entity.mention.kind in _AMOUNTS else suits
    reasons = tuple(_reasons(parameter, entity, profile, stripped))
    if suits < _PLAIN and not any(weight >= _TELLING for weight, _ in reasons):
        return None
    score = suits + sum(weight for weight, _ in reasons)
    if parameter.type is Type.ID and (entity.mention.kind is Kind.NAME or " " in str(value)):
        score = min(score, GOOD) * 0.16  # a name is seldom an identifier: a look-up comes first
    if parameter.type is Type.TEXT:
        score += text_preference(parameter, entity, str(value), profile)
    why = max(reasons, default=(0.0, f"a fitting {entity.mention.kind}"))[1]
    return SlotScore(entity.mention, value, score, why)


def _form_noun(parameter: ToolParameter, entity: EntityContext) -> str:
    """The noun with a value, if the parameter has a form for it."""
    own = stems(str(entity.mention.value)) if entity.mention.kind is Kind.PHRASE else ()
    return next((kind for kind in parameter.forms if kind == entity.noun or kind in own), "")


def _reasons(
    parameter: ToolParameter, entity: EntityContext, profile: ToolProfile, stripped: bool
) -> Iterator[tuple[float, str]]:
    if kind := _form_noun(parameter, entity):
        yield 2.5, f"said to be a {kind}"
    yield from _naming_reasons(parameter, entity, stripped=stripped)
    yield from _position_reasons(parameter, entity, profile)


def _naming_reasons(
    parameter: ToolParameter, entity: EntityContext, *, stripped: bool
) -> Iterator[tuple[float, str]]:
    """Reasons from the words around a value that name the parameter."""
    if stripped:
        yield 2.5, f"said with {parameter.name!r}"
    share = _label_share(parameter.particular, entity.label)
    if share:
        yield 3.0 * share, f"behind {' '.join([*entity.label][::-1])!r}"
    elif parameter.about.intersection(islice(entity.label, 2)):
        yield 0.6, "described by the words before it"
    behind = parameter.particular & set(entity.after)
    counts = _COUNTED if entity.mention.kind is Kind.COUNT and parameter.words & _COUNTS else 0.0
    if behind and not parameter.identifies:
        yield (
            max(counts, 1.0 + len(behind) / len(parameter.particular)),
            f"followed by {' '.join(entity.after)!r}",
        )
    elif parameter.about & set(entity.after):
        yield max(counts, 0.8), "its unit fits"


def _position_reasons(
    parameter: ToolParameter, entity: EntityContext, profile: ToolProfile
) -> Iterator[tuple[float, str]]:
    """Reasons from the unit, the preposition, the role, the noun and the form of a value."""
    if parameter.type in _NUMERIC and quantities_measured(_unit(entity)) & quantities_named(
        parameter.words | parameter.about
    ):
        yield 1.0, "its unit fits"
    if (
        parameter.words & _VERSIONED
        and entity.mention.kind is Kind.IDENTIFIER
        and _is_version(entity.mention)
    ):
        yield 2.0, "a version"
    if parameter.words & _FILES and entity.mention.kind in _WRITTEN and _is_file(entity.mention):
        yield 2.0, "a file"
    if entity.mention.kind is Kind.IDENTIFIER and any(
        _abbreviates(entity, word) for word in parameter.particular
    ):
        yield 1.0, "its prefix fits"
    if entity.role in parameter.particular:
        yield 2.0, f"said to be the {entity.role}"
    if parameter.words & roles_of(entity.mention.kind, (*entity.cues, *islice(entity.label, 1))):
        weight = _ROLE * (0.5 if entity.mention.kind is Kind.PHRASE else 1.0)
        yield weight, f"behind {' '.join(sorted(entity.cues))!r}"
    if parameter.words & _SPANS.get(entity.mention.kind, _NONE):
        yield 2.5, f"a {entity.mention.kind}"
    if parameter.identifies and profile.identifiers == 1 and _IDS.intersection(islice(entity.label, 1)):
        yield 1.5, "said to be its identifier"
    if _is_said_of(parameter, entity, profile):
        yield 1.5, f"said of the {entity.noun}"


def _label_share(wanted: frozenset[str], label: Mapping[str, float]) -> float:
    """The weighted share of a parameter's words in the label of a value."""
    return sum(say for word, say in label.items() if word in wanted) / len(wanted)


def _abbreviates(entity: EntityContext, word: str) -> bool:
    """Whether the prefix of an identifier abbreviates a word: `prd_7` product, `ORD-17` order."""
    prefix, mark, _ = re.sub("[-_]", "_", str(entity.mention.value).lower()).partition("_")
    letters = iter(word)
    return bool(mark) and word.startswith(prefix[:1]) and all(letter in letters for letter in prefix)


def _is_file(mention: Mention) -> bool:
    return _FILE.fullmatch(str(mention.value)) is not None


def _is_version(mention: Mention) -> bool:
    return _VERSION.fullmatch(str(mention.value)) is not None


def _is_said_of(parameter: ToolParameter, entity: EntityContext, profile: ToolProfile) -> bool:
    """Whether a value follows the noun it identifies or names: `order ORD-1`, `customer Ada`."""
    plain = parameter.words <= GENERIC or parameter.words & QUERIES
    return bool(entity.noun and plain and not parameter.owners and entity.noun in profile.owner(parameter))


def _identifies_another(parameter: ToolParameter, entity: EntityContext, profile: ToolProfile) -> bool:
    """Whether a value identifies something else: `order ORD-1` is no customer."""
    particular = parameter.words - GENERIC
    if not (parameter.identifies and particular and entity.noun) or entity.noun in _COMMON:
        return False
    return not _overlap({entity.noun}, particular | parameter.about | profile.owner(parameter))


def _names_no_person(parameter: ToolParameter, entity: EntityContext, profile: ToolProfile) -> bool:
    """Whether a plain phrase is offered where a person is searched for."""
    return entity.mention.kind is Kind.PHRASE and bool(
        parameter.words & QUERIES and profile.resource & _PEOPLE
    )


def _measures_another(parameter: ToolParameter, entity: EntityContext) -> bool:
    """Whether an amount has the unit of another quantity: `5 years` is no price."""
    if entity.mention.kind not in _AMOUNTS or not (unit := _unit(entity)):
        return False
    measured, wanted = quantities_measured(unit), quantities_named(parameter.words)
    return bool(measured and wanted and not measured & wanted)


def _unit(entity: EntityContext) -> str:
    return "%" if entity.mention.kind is Kind.PERCENT else next(iter(entity.after), "")


def _overlap(one: Iterable[str], others: frozenset[str]) -> bool:
    return any(word in others or others.intersection(SYNONYMS.get(word, ())) for word in one)


def _convert(
    parameter: ToolParameter, mention: Mention, profile: ToolProfile, spent: frozenset[str]
) -> tuple[Any, bool]:
    """The mention as the parameter's type, and whether the parameter's own name was cut off it."""
    if mention.kind is Kind.LITERAL:
        return _parse_json(parameter, str(mention.value)), False
    if mention.kind is Kind.PHRASE:
        value, stripped = trim_phrase(
            str(mention.value), _spoken_names(parameter), profile.subject_words | profile.labels | spent
        )
        return (None if value in VAGUE else value), stripped
    if mention.kind is Kind.NAME:
        # A name keeps its every word: `Central Park` is a park, and called so.
        stems_of_name = frozenset(word.stem for word in words(str(mention.value)))
        value = None if stems_of_name <= profile.subject_words | spent else str(mention.value)
        return value, value is not None and bool(stems_of_name & parameter.particular)
    if parameter.type is Type.INTEGER:
        whole = isinstance(mention.value, int) or float(mention.value).is_integer()
        return (int(mention.value) if whole else None), False
    if parameter.type is Type.NUMBER:
        share = mention.kind is Kind.PERCENT and not parameter.about & _PERCENT
        return (mention.value / 100 if share else mention.value), False
    if parameter.type in _TIMES:
        return _format_time(parameter, mention), False
    if mention.kind is Kind.DATE:
        return mention.unit, False
    return mention.said or str(mention.value), False


def _spoken_names(parameter: ToolParameter) -> frozenset[str]:
    """The words that name a parameter in a sentence: its own, their synonyms, and its forms."""
    return parameter.particular.union(
        parameter.forms, *(SYNONYMS[word] for word in parameter.particular & SYNONYMS.keys())
    )


def _parse_json(parameter: ToolParameter, text: str) -> Any:
    """Parse a value written as JSON, with single or double quotes."""
    for written in (text, text.replace("'", '"')):
        with suppress(ValueError, RecursionError):
            value = json.loads(written)
            return value if isinstance(value, list if parameter.array else dict) else None
    return None


def _format_time(parameter: ToolParameter, mention: Mention) -> str | None:
    """Format a date or a time for a parameter, by its format, else by its description."""
    told = str(parameter.schema.get("description") or "")
    if mention.kind is Kind.PERIOD:
        return None if parameter.schema.get("format") or date_pattern(told)[0] else str(mention.value)
    if mention.kind is Kind.QUOTED:
        return mention.value if any(letter.isdigit() for letter in mention.value) else None
    if not parameter.schema.get("format"):
        return format_date(str(mention.value), told, timed=parameter.type is Type.TIME)
    if parameter.type is Type.DATE:
        return str(mention.value)[:10]
    return str(mention.value) if mention.kind is Kind.TIME else f"{mention.value}T00:00:00Z"


def is_within_bounds(parameter: ToolParameter, value: Any) -> bool:
    """Whether a value keeps to the bounds an argument documents."""
    if isinstance(value, int | float):
        low, high = parameter.schema.get("minimum"), parameter.schema.get("maximum")
        return not (isinstance(low, int | float) and value < low) and not (
            isinstance(high, int | float) and value > high
        )
    return True
