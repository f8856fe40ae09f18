"""Sentences the planner has not been written for: plain commands are planned, all others change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from errands_server.domain.plan import Plan
from errands_server.domain.tool import Effect
from errands_server.ports import Candidate, Refusal
from tests.planners.conftest import calls
from tests.planners.sentences import CHANGED, HALVES, KINDS, PLAIN

FEWEST_PLAIN = 0.85  # the share of plain commands that are planned as asked; 0.95 is wanted
# How many sentences of each half still lead to a write; none is wanted.
MOST = {"looked_at": 1, "held_out": 12}


def writes(service: Sequence[Candidate], planned: Plan | Refusal) -> list[str]:
    """The writing tools a plan calls, as often as it calls them, in order of name."""
    if isinstance(planned, Refusal):
        return []
    writing = {one.tool.name for one in service if one.tool.effect is Effect.WRITE}
    return sorted(name for name, _ in calls(planned) if name in writing)


def test_the_sentences_are_many_and_of_every_kind() -> None:
    assert len(PLAIN) >= 100
    assert len({plain.sentence for plain in PLAIN}) == len(PLAIN)
    assert len(CHANGED) >= 420
    assert len({changed.sentence for changed in CHANGED}) == len(CHANGED)
    assert len(KINDS) == 8
    for half in HALVES.values():
        assert all(sum(one.kind == kind for one in half) >= 26 for kind in KINDS)


@pytest.mark.parametrize("half", HALVES)
async def test_few_sentences_that_ask_for_no_write_lead_to_one(ask: Callable[..., Any], half: str) -> None:
    failures = [
        f"{kind}: {sentence!r} led to {', '.join(planned)}"
        for service, kind, sentence in HALVES[half]
        if (planned := writes(service, await ask(sentence, service)))
    ]
    assert len(failures) <= MOST[half], f"{len(failures)} sentences led to a write:\n" + "\n".join(failures)


async def test_plain_commands_are_planned_as_asked(ask: Callable[..., Any]) -> None:
    misses = []
    for service, sentence, expected in PLAIN:
        outcome = await ask(sentence, service)
        if (planned := writes(service, outcome)) != sorted(expected):
            said = outcome.message if isinstance(outcome, Refusal) else ""
            misses.append(f"{sentence!r} led to {', '.join(planned) or 'no write'}. {said}".rstrip())
    right = 1 - len(misses) / len(PLAIN)
    assert right >= FEWEST_PLAIN, f"{right:.1%} of {len(PLAIN)} planned as asked; not:\n" + "\n".join(misses)
