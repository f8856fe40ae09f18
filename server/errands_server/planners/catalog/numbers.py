"""Numbers as people write them: with signs, units, thousands and scales, or spelled out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from .entity import Kind, Mention
from .sequences import BETWEEN
from .tokens import stemmed, stems

_NUMBER: Final = re.compile(
    r"(?<![\w.^])(?P<sign>-)?(?:(?P<currency>[$€£])|#)?(?P<digits>(?<![\[(,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!,\d)|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"(?:\s?(?P<percent>%)|\s(?P<scale>dozen|hundred|thousand|million|billion)\b|(?P<unit>[A-Za-z°µ]{1,4})\b)?(?![\w^])"
)
_ONES: Final = "zero|one|two|three|four|five|six|seven|eight|nine"
_TEENS: Final = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_TENS: Final = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_COUNTS: Final = (
    {word: number for number, word in enumerate(f"{_ONES}|{_TEENS}".split("|"))}
    | {word: 10 * number for number, word in enumerate(_TENS.split("|"), start=2)}
    | {"dozen": 12, "hundred": 100, "thousand": 1_000}
)
_SPELLED: Final = rf"(?:(?:{_TENS})(?:[- ](?:{_ONES}))?|{_TEENS}|{_ONES})"
_COUNT: Final = re.compile(
    rf"(?<!-)\b(?P<many>{_SPELLED}|dozen|hundred|thousand)"
    rf"(?:\s(?P<scale>dozen|hundred|thousand|million|billion)(?:\s(?:and\s)?(?P<rest>{_SPELLED}))?)?\b(?!-)",
    re.IGNORECASE,
)
# `One` as a pronoun: `the red one`, `one of them`.
_ONE: Final = re.compile(
    r"one\b(?!\s[a-z])|one\s(?:of|for|in|that|who|which|is|from|with|at|and|on|to|or)\b", re.IGNORECASE
)
_SHORT: Final = {"k": 1_000, "m": 1_000_000, "b": 1_000_000_000, "bn": 1_000_000_000}
_SCALE: Final = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1_000,
    "million": 1_000_000,
    "billion": 1_000_000_000,
}


def find_numbers(text: str) -> Iterator[Mention]:
    """The numbers in `text`, in figures first, then spelled out."""
    for match in _NUMBER.finditer(text):
        kind = Kind.PERCENT if match["percent"] else Kind.NUMBER
        unit = match["currency"] or match["unit"] or ""
        said = match.group().removeprefix("#")
        yield Mention(kind, _number(match), match.start(), match.end(), unit, said)
    lowered = text.lower()
    for match in _COUNT.finditer(text) if any(word in lowered for word in _COUNTS) else ():
        if not _ONE.match(text, match.start()):
            yield Mention(Kind.COUNT, _spelled(match), match.start(), match.end())


def _spelled(match: re.Match[str]) -> int:
    return _sum(match["many"]) * _SCALE.get((match["scale"] or "").lower(), 1) + _sum(match["rest"] or "")


def _sum(spelled: str) -> int:
    # The pattern also matches the long s, which is in no table.
    return sum(_COUNTS.get(word, 0) for word in re.split("[- ]", spelled.lower()))


def _number(match: re.Match[str]) -> int | float:
    digits = (match["sign"] or "") + match["digits"].replace(",", "")
    value: int | float = int(digits) if re.fullmatch(r"-?\d+", digits) else float(digits)
    factor = _SCALE.get(match["scale"] or "", 1)
    if match["currency"]:  # without one, `5 m` is a length
        factor *= _SHORT.get((match["unit"] or "").lower(), 1)
    scaled = value * factor
    return int(scaled) if factor > 1 and float(scaled).is_integer() else scaled


# Quantities with their units. A word may be in several lines.
_MEASURED: Final = """
mass weight amount: kg kilo kilogram g gram mg lb pound oz ounce ton tonne
length distance height width depth radius diameter side thickness altitude elevation: m meter metre km
    kilometer kilometre cm centimeter mm millimeter mile ft foot feet inch yard
area: acre hectare sqft
volume capacity amount: l liter litre ml gallon cup teaspoon tablespoon
time duration period age: second minute hour day night week month year decade century
temperature: °c °f celsius fahrenheit kelvin degree
angle latitude longitude: degree radian
speed velocity: mph kph kmh knot
money price cost investment principal budget fee salary income payment revenue balance deposit debt amount
    loan: $ € £ dollar euro usd eur gbp cent
share percent percentage interest yield probability: %
charge: coulomb
voltage: volt v
current: ampere amp
resistance: ohm
power: watt kw w
energy work: joule kwh j
force: newton
pressure: pascal atm atmosphere bar
frequency: hz khz mhz hertz
tempo: bpm
"""


def _lines() -> list[tuple[frozenset[str], frozenset[str]]]:
    entries = _MEASURED.strip().replace("\n    ", " ").splitlines()
    sides = (map(stemmed, entry.split(":")) for entry in entries)
    return [(names, units) for names, units in sides]


_LINES: Final = _lines()


def quantities_measured(unit: str) -> frozenset[int]:
    """The quantities a unit measures."""
    return _BY_UNIT.get(unit, frozenset())


def _index(side: int, shortest: int = 1) -> dict[str, frozenset[int]]:
    found: dict[str, frozenset[int]] = {}
    for number, line in enumerate(_LINES):
        for word in line[side]:
            if len(word) >= shortest:
                found[word] = found.get(word, frozenset()) | {number}
    return found


_BY_UNIT: Final = _index(1)
# Short units are too ambiguous to name the quantity of a parameter.
_BY_NAME: Final = {**_index(1, shortest=3), **_index(0)}


def quantities_named(words: Iterable[str]) -> frozenset[int]:
    """The quantities these words name, by their own name or by a unit's."""
    return frozenset[int]().union(*(_BY_NAME.get(word, frozenset()) for word in words))


_NUMBERS: Final = frozenset({Kind.NUMBER, Kind.COUNT})
_THINGS: Final = frozenset({Kind.PHRASE, Kind.NAME, Kind.QUOTED, Kind.IDENTIFIER, Kind.UUID})
_ARTICLE: Final = re.compile(r"(?<!\bas )\b(?:an?|one)\s$", re.IGNORECASE)
_MORE: Final = re.compile(r"(?:,|\band|&)\s*$", re.IGNORECASE)
_NEAR: Final = 8  # characters before a thing that may hold its article or a conjunction
_OF: Final = re.compile(r"\s(?:x\s|of\s(?:the\s)?)?")
# Nouns that count without a thing: `3 units`.
_MEASURES: Final = stemmed("unit piece item copy pack")


class Counted(Struct, frozen=True):
    """So many of a thing. An article counts as one; `more`: it follows `and` or a comma."""

    many: Mention
    thing: Mention
    more: bool

    @property
    def stems(self) -> tuple[str, ...]:
        """The stems of the thing; none for a bare measure, as in `3 units`."""
        found = stems(str(self.thing.value))
        return () if found[-1:] and found[-1] in _MEASURES else found


Row: TypeAlias = tuple[Counted, ...]  # coordinated: `two a, three b and a c`


def find_counts(text: str, found: Sequence[Mention]) -> tuple[Row, ...]:
    """Find what a sentence counts, in series."""
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
