"""Rates: how often something may happen, as operators write it (`10/s`, `600/m`)."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

MAX_COUNT: Final = 99_999
_RATE: Final = re.compile(r"([0-9]{1,6})/([smhd])")
_PERIODS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_WORDS: Final = {"s": "a second", "m": "a minute", "h": "an hour", "d": "a day"}


class Rate(Struct, frozen=True):
    """At most `count` in any `period`."""

    count: int
    period: int  # milliseconds
    text: str  # as it was written

    def __str__(self) -> str:
        return f"{self.count} {_WORDS[self.text[-1]]}"


def parse(text: str) -> Rate:
    """Return the rate that `text` names. ValueError, with what to write instead: it names none."""
    found = _RATE.fullmatch(text)
    if found is None or not 0 < int(found[1]) <= MAX_COUNT:
        raise ValueError(
            f"{text[:40]!r} is no rate; write how many a second, minute, hour or day, such as 10/s, "
            f"600/m, 1000/h or 5000/d, at most {MAX_COUNT}"
        )
    return Rate(int(found[1]), _PERIODS[found[2]], text)
