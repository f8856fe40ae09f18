"""The assignment problem, solved by greedy choice and swaps: which taker gets which thing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

Scores = Mapping[tuple[int, int], float]  # by taker and thing; a pair without a score is impossible


def assign(scores: Scores) -> dict[int, int]:
    """Assign each taker at most one thing, and each thing to at most one taker.

    The best pairs first. Then pairs swap where both together gain, or lose nothing and come into
    order: the first things go to the first takers.
    """
    assigned: dict[int, int] = {}
    for taker, thing in sorted(scores, key=lambda pair: (-scores[pair], pair)):
        if taker not in assigned and thing not in assigned.values():
            assigned[taker] = thing
    for _ in range(len(assigned) ** 2):
        if not _swap(assigned, scores):
            break
    return assigned


def _swap(assigned: dict[int, int], scores: Scores) -> bool:
    for one, other in combinations(sorted(assigned), 2):
        mine, yours = assigned[one], assigned[other]
        if (one, yours) not in scores or (other, mine) not in scores:
            continue
        gain = scores[one, yours] + scores[other, mine] - scores[one, mine] - scores[other, yours]
        if round(gain, 6) > 0 or (round(gain, 6) == 0 and mine > yours):
            assigned[one], assigned[other] = yours, mine
            return True
    return False
