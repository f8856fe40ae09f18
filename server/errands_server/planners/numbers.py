"""Numbers as people write them: with signs, units, thousands and scales, or spelled out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .mention import Kind, Mention

_NUMBER: Final = re.compile(
    r"(?<![\w.^])(?P<sign>-)?(?:(?P<currency>[$€£])|#)?(?P<digits>(?<![\[(,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!,\d)|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"(?:\s?(?P<percent>%)|\s(?P<scale>dozen|hundred|thousand|million|billion)\b|(?P<unit>[A-Za-z°µ]{1,4})\b)?(?![\w^])"
)
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
_SHORT: Final = {"k": 1_000, "m": 1_000_000, "b": 1_000_000_000, "bn": 1_000_000_000}
_SCALE: Final = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1_000,
    "million": 1_000_000,
    "billion": 1_000_000_000,
}


def numbers(text: str) -> Iterator[Mention]:
    """The numbers in `text`, in figures first, then spelled out."""
    for match in _NUMBER.finditer(text):
        kind = Kind.PERCENT if match["percent"] else Kind.NUMBER
        unit = match["currency"] or match["unit"] or ""
        yield Mention(kind, _number(match), match.start(), match.end(), unit)
    lowered = text.lower()
    for match in _COUNT.finditer(text) if any(word in lowered for word in _COUNTS) else ():
        if count := _COUNTS.get(match[1].lower()):  # a long s matches, and spells no number
            count *= _SCALE.get((match["scale"] or "").lower(), 1)
            yield Mention(Kind.COUNT, count, match.start(), match.end())


def _number(match: re.Match[str]) -> int | float:
    digits = (match["sign"] or "") + match["digits"].replace(",", "")
    value: int | float = int(digits) if re.fullmatch(r"-?\d+", digits) else float(digits)
    factor = _SCALE.get(match["scale"] or "", 1)
    if match["currency"]:  # without one, `5 m` is a length
        factor *= _SHORT.get((match["unit"] or "").lower(), 1)
    scaled = value * factor
    return int(scaled) if factor > 1 and float(scaled).is_integer() else scaled
