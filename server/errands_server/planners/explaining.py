"""Explaining: tells from the readings of an intent why its plan came out as it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..domain.explanation import Choice, ClauseRead, Considered, Origin
from .bound import Argument
from .drafts import Draft, step_id
from .reading import Reading


def explained(intent: str, readings: Sequence[Reading]) -> Iterator[ClauseRead]:
    """The clauses as they were read. Calls name their steps where every clause is served."""
    planned = all(reading.served for reading in readings)
    known = 0
    for reading in readings:
        fresh = list(enumerate(reading.drafts))[known:]
        known += len(fresh)
        yield ClauseRead(
            text=reading.clause.text.strip(),
            considered=tuple(Considered(r.sheet.candidate.ref, r.score) for r in reading.ranked),
            choices=tuple(_choice(intent, draft, step_id(n) if planned else "") for n, draft in fresh),
            missing=tuple(leaf.path for leaf in reading.missing),
        )


def _choice(intent: str, draft: Draft, step: str) -> Choice:
    origins = tuple(_origin(intent, argument) for argument in draft.arguments)
    return Choice(step=step, ref=draft.sheet.candidate.ref, origins=origins)


def _origin(intent: str, argument: Argument) -> Origin:
    said = sorted(argument.mentions, key=lambda mention: mention.start)
    return Origin(
        path=argument.leaf.path,
        source=argument.origin,
        why=argument.why,
        words=tuple(intent[mention.start : mention.end] for mention in said),
    )
