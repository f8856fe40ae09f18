"""Hearing: what one clause of an intent offers to the parameters of tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec
from msgspec import Struct

from ..domain.plan import Path
from ..domain.tool import ToolRef
from .clauses import Clause
from .counting import Row, rows
from .evidence import Evidence, weigh
from .mention import Kind, Mention, Series
from .phrasing import Phrasing
from .rows import beneath, pairs, series, tails
from .schemas import Leaf
from .sheets import Sheet
from .surroundings import Said, surroundings
from .words import Word

Weighed: TypeAlias = dict[tuple[Path, int, frozenset[str]], Evidence | None]


class Hearing(Struct, frozen=True):
    """What one clause offers: its mentions in their surroundings, their rows, its plain words."""

    said: tuple[Said, ...]
    words: tuple[tuple[Word, Mention | None], ...]  # each with the mention it is part of
    rows: tuple[Series, ...]
    pairs: tuple[Series, ...]
    tails: Mapping[Mention, tuple[Mention, str]]  # what may go on behind a mention, and the whole text
    phrasing: Phrasing
    counted: tuple[Row, ...]
    weighed: dict[ToolRef, Weighed] = msgspec.field(default_factory=dict)  # what is known already

    def weigh(self, leaf: Leaf, said: Said, sheet: Sheet, spent: frozenset[str]) -> Evidence | None:
        """What speaks for giving a mention to a parameter, without words spent on other values; asked
        again it answers from memory."""
        known = self.weighed.setdefault(sheet.candidate.ref, {})
        key = (leaf.path, said.mention.start, spent)
        if key not in known:
            known[key] = weigh(leaf, said, sheet, spent)
        return known[key]

    def only(self, mention: Mention) -> Hearing:
        """Nothing but this mention of it."""
        said = tuple(said for said in self.said if said.mention == mention)
        return msgspec.structs.replace(self, said=said, rows=())

    def row(self, sheet: Sheet) -> Row:
        """What a tool that takes quantities is asked for: the row with most numbers, the first of such."""
        if not sheet.quantities:
            return ()
        rows = [
            row for row in self.counted if not any(sheet.known.intersection(line.stems[-1:]) for line in row)
        ]
        return max(rows, key=_numbers, default=())


def _numbers(row: Row) -> int:
    return sum(line.many.kind is not Kind.ARTICLE for line in row)


def hearing(intent: str, clause: Clause, found: Sequence[Mention]) -> Hearing:
    """What one clause of an intent offers."""
    inside = tuple(m for m in found if clause.start <= m.start and m.end <= clause.end)
    spoken = tuple(beneath(clause.words, inside, clause.start))
    in_rows = tuple(series(intent, inside))
    return Hearing(
        said=tuple(surroundings(intent, clause, inside, in_rows)),
        words=spoken,
        rows=in_rows,
        pairs=tuple(pairs(intent, inside)),
        tails=tails(intent, inside),
        phrasing=Phrasing(clause, spoken),
        counted=rows(intent, inside),
    )
