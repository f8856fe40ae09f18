"""Matching: who gets which of many, by pairwise scores."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

Scores = Mapping[tuple[int, int], float]


def matched(scores: Scores) -> dict[int, int]:
    """Give each taker at most one thing, each thing to at most one taker.

    The best pairs first; then pairs swap wherever both together gain, or lose nothing and
    come into order: things said first go to takers documented first.
    """
    given: dict[int, int] = {}
    for taker, thing in sorted(scores, key=lambda pair: (-scores[pair], pair)):
        if taker not in given and thing not in given.values():
            given[taker] = thing
    for _ in range(len(given) ** 2):
        if not _swapped(given, scores):
            break
    return given


def _swapped(given: dict[int, int], scores: Scores) -> bool:
    for one, other in combinations(sorted(given), 2):
        mine, yours = given[one], given[other]
        if (one, yours) not in scores or (other, mine) not in scores:
            continue
        gain = scores[one, yours] + scores[other, mine] - scores[one, mine] - scores[other, yours]
        if round(gain, 6) > 0 or (round(gain, 6) == 0 and mine > yours):
            given[one], given[other] = yours, mine
            return True
    return False
