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
# `One` that counts nothing: `the red one`, `one of them`.
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


def numbers(text: str) -> Iterator[Mention]:
    """The numbers in `text`, in figures first, then spelled out."""
    for match in _NUMBER.finditer(text):
        kind = Kind.PERCENT if match["percent"] else Kind.NUMBER
        unit = match["currency"] or match["unit"] or ""
        yield Mention(kind, _number(match), match.start(), match.end(), unit)
    lowered = text.lower()
    for match in _COUNT.finditer(text) if any(word in lowered for word in _COUNTS) else ():
        if not _ONE.match(text, match.start()):
            yield Mention(Kind.COUNT, _spelled(match), match.start(), match.end())


def _spelled(match: re.Match[str]) -> int:
    return _sum(match["many"]) * _SCALE.get((match["scale"] or "").lower(), 1) + _sum(match["rest"] or "")


def _sum(spelled: str) -> int:
    # A long s matches, and spells no number.
    return sum(_COUNTS.get(word, 0) for word in re.split("[- ]", spelled.lower()))


def _number(match: re.Match[str]) -> int | float:
    digits = (match["sign"] or "") + match["digits"].replace(",", "")
    value: int | float = int(digits) if re.fullmatch(r"-?\d+", digits) else float(digits)
    factor = _SCALE.get(match["scale"] or "", 1)
    if match["currency"]:  # without one, `5 m` is a length
        factor *= _SHORT.get((match["unit"] or "").lower(), 1)
    scaled = value * factor
    return int(scaled) if factor > 1 and float(scaled).is_integer() else scaled
