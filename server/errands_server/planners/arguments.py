"""Arguments: gives a tool's parameters the values a clause and the context hold for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from ..domain.plan import Path
from .counting import Counted, Row
from .evidence import GOOD, Evidence, Said, weigh, within
from .hints import Hints
from .matching import matched
from .mentions import OUTRIGHT, Kind, Mention, Series
from .phrasing import Phrasing
from .schemas import Leaf
from .sheets import Sheet
from .words import Word


class Source(Struct, frozen=True):
    """An earlier step, by its place among the drafts, and where in its answer a value lies."""

    draft: int
    path: Path


class Argument(Struct, frozen=True, kw_only=True):
    """One bound parameter. Several `values` mean several calls; `source` says where they came from."""

    leaf: Leaf
    source: str
    values: tuple[Any, ...] = ()
    slot: Source | None = None
    key: str | None = None  # of the context, where that gave the value
    score: float = GOOD
    mentions: frozenset[Mention] = frozenset()


class Hearing(Struct, frozen=True):
    """What one clause offers: its mentions in their surroundings, their rows, its plain words."""

    said: tuple[Said, ...]
    words: tuple[tuple[Word, Mention | None], ...]  # each with the mention it is part of
    rows: tuple[Series, ...]
    phrasing: Phrasing
    counted: tuple[Row, ...]

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


class Binding:
    """The arguments found so far for one tool. Each mention is given away once."""

    def __init__(self, sheet: Sheet, taken: Iterable[Mention] = ()) -> None:
        self.sheet = sheet
        self.counted: tuple[tuple[Leaf, Counted], ...] = ()
        self.arguments: dict[Path, Argument] = {}
        self.used = set(taken)

    def add(self, argument: Argument) -> None:
        """Bind one parameter."""
        self.arguments[argument.leaf.path] = argument
        self.used |= argument.mentions

    def count(self, row: Row) -> None:
        """Bind the quantities to what the sentence counts, and what is counted where it is an identifier."""
        lines = zip(self.sheet.quantities, row, strict=False)
        self.counted = tuple((leaf, line) for leaf, line in lines if _countable(leaf, line.many.value))
        for quantity, line in self.counted:
            self.add(_outright(quantity, line.many))
            thing = self.sheet.counted(quantity)
            if thing and line.thing.kind in (Kind.IDENTIFIER, Kind.UUID):
                self.add(_outright(thing, line.thing))
        self.used |= {thing for _, thing in self.sought()}

    def sought(self) -> Iterator[tuple[Leaf, Mention]]:
        """What is counted and still to be identified, with the parameter that identifies it."""
        for quantity, line in self.counted:
            thing = self.sheet.counted(quantity)
            if thing and thing.path not in self.arguments and line.stems:
                yield thing, line.thing

    def meant(self, leaf: Leaf) -> frozenset[str]:
        """The words for what a parameter must identify, where a sentence counts it."""
        lines = (line for quantity, line in self.counted if self.sheet.counted(quantity) is leaf)
        return frozenset(next((line.stems for line in lines), ()))

    def overlooked(self, hearing: Hearing) -> Iterator[Mention]:
        """What is counted beside what this call counts, and is left out of it."""
        if not self.counted:
            return
        numbers = [said.mention for said in hearing.said if said.mention.kind in (Kind.NUMBER, Kind.COUNT)]
        yield from (number for number in numbers if number not in self.used)
        for line in (line for row in hearing.counted for line in row):
            if line.many.kind is Kind.ARTICLE and line.more and line.many not in self.used:
                yield line.thing

    def open(self) -> Iterator[Leaf]:
        """The parameters without a value."""
        return (leaf for leaf in self.sheet.takes if leaf.path not in self.arguments)

    def missing(self) -> list[Leaf]:
        """The parameters the call cannot be made without; a part of an optional object counts once
        another part of it is given."""
        return [
            leaf
            for leaf in self.sheet.takes
            if leaf.required and leaf.path not in self.arguments
            if all(map(self._begun, leaf.optional_parents))
        ]

    def _begun(self, parent: Path) -> bool:
        return any(path[: len(parent)] == parent for path in self.arguments)

    def hear(self, hearing: Hearing, *, least: float = GOOD, only: Iterable[Leaf] | None = None) -> None:
        """Bind from a clause whatever has at least this evidence, the strongest first."""
        leaves = [leaf for leaf in (self.open() if only is None else only) if "enum" not in leaf.schema]
        if not leaves:
            return
        offers = dict(self._offers(hearing, leaves, least))
        given = matched({pair: self._bid(leaves[pair[0]], offer, hearing) for pair, offer in offers.items()})
        for place, number in sorted(given.items()):
            said = hearing.said[number]
            if said.mention not in self.used:  # a list may have taken the whole row
                self.add(self._heard(leaves[place], said, offers[place, number], hearing))

    def _bid(self, leaf: Leaf, evidence: Evidence, hearing: Hearing) -> float:
        """What an argument bids for a value: required ones a little more, lists for what stands in a row."""
        in_row = leaf.array and any(evidence.mention in row.items for row in hearing.rows)
        return evidence.score + (0.3 if leaf.required else 0.0) + (1.0 if in_row else 0.0)

    def _offers(
        self, hearing: Hearing, leaves: Sequence[Leaf], least: float
    ) -> Iterator[tuple[tuple[int, int], Evidence]]:
        free = [(number, said) for number, said in enumerate(hearing.said) if said.mention not in self.used]
        for place, leaf in enumerate(leaves):
            for number, said in free:
                evidence = weigh(leaf, said, self.sheet)
                if evidence is not None and evidence.score >= least:
                    yield (place, number), evidence

    def _heard(self, leaf: Leaf, said: Said, evidence: Evidence, hearing: Hearing) -> Argument:
        source = f"intent: {evidence.why}"
        if not leaf.array:
            return _argument(leaf, source, evidence, (evidence.value,), (said.mention,))
        row = next((r.items for r in hearing.rows if said.mention in r.items), (said.mention,))
        free = [s for s in hearing.said if s.mention in row and s.mention not in self.used]
        values = [e.value for s in free if (e := weigh(leaf, s, self.sheet)) is not None]
        return _argument(leaf, source, evidence, (values,), row)

    def repeat(self, hearing: Hearing) -> None:
        """Make several calls where a value stands in a row nobody else took from: `Rome and Oslo`."""
        if any(len(argument.values) > 1 for argument in self.arguments.values()):
            return
        for argument in list(self.arguments.values()):
            row = next((r for r in hearing.rows if argument.mentions & set(r.items)), None)
            if row is None or argument.leaf.array or len(self.used & set(row.items)) > 1:
                continue
            values = self._row(argument.leaf, row, hearing)
            if len(values) == len(row.items):
                self.add(_spread(argument, values, row))
                return

    def place(self, hearing: Hearing, leaves: Sequence[Leaf]) -> None:
        """Bind values only one of these parameters can take, each where it is the only such value."""
        offers = [
            (leaf, said, evidence)
            for said in self.unplaced(hearing)
            for leaf in leaves
            if "enum" not in leaf.schema and not leaf.identifies
            if (evidence := weigh(leaf, said, self.sheet)) is not None
        ]
        if not offers:
            return
        claims = Counter(claim for leaf, said, _ in offers for claim in (leaf.path, said.mention))
        for leaf, said, evidence in offers:
            if claims[leaf.path] == claims[said.mention] == 1:
                self.add(self._heard(leaf, said, evidence, hearing))

    def unplaced(self, hearing: Hearing) -> list[Said]:
        """What a clause says outright and nothing has taken."""
        return [
            said for said in hearing.said if said.mention.kind in OUTRIGHT and said.mention not in self.used
        ]

    def _row(self, leaf: Leaf, row: Series, hearing: Hearing) -> tuple[Any, ...]:
        weighed = (weigh(leaf, said, self.sheet) for said in hearing.said if said.mention in row.items)
        return tuple(evidence.value for evidence in weighed if evidence is not None)

    def read(self, hints: Hints) -> None:
        """Bind from the context by name."""
        for leaf in list(self.open()):
            hint = hints.find(leaf, self.sheet)
            if hint is not None:
                key, value = hint
                self.add(Argument(leaf=leaf, source=f"context: {key}", values=(value,), key=key))

    def settle(self) -> None:
        """Bind what the schema leaves no choice about, and the defaults of required parameters."""
        for leaf in self.missing():
            for keyword in ("const", "default"):
                if keyword in leaf.schema:
                    self.add(Argument(leaf=leaf, source=f"schema: {keyword}", values=(leaf.schema[keyword],)))
                    break
            else:
                only = leaf.schema.get("enum")
                if isinstance(only, list) and len(only) == 1:
                    self.add(Argument(leaf=leaf, source="schema: the only value", values=(only[0],)))

    def phrase(self, phrasing: Phrasing) -> None:
        """Bind enumerations and booleans, which a sentence says in plain words."""
        for leaf in list(self.open()):
            found = phrasing.find(leaf, self.sheet)
            if found is not None:
                value, why = found
                self.add(Argument(leaf=leaf, source=f"intent: {why}", values=(value,)))


def _countable(leaf: Leaf, many: int | float) -> bool:
    return isinstance(many, int) and within(leaf, many)


def _outright(leaf: Leaf, mention: Mention) -> Argument:
    return Argument(
        leaf=leaf, source="intent: counted", values=(mention.value,), mentions=frozenset({mention})
    )


def _argument(
    leaf: Leaf, source: str, evidence: Evidence, values: tuple[Any, ...], mentions: Iterable[Mention]
) -> Argument:
    return Argument(
        leaf=leaf, source=source, values=values, score=evidence.score, mentions=frozenset(mentions)
    )


def _spread(argument: Argument, values: tuple[Any, ...], row: Series) -> Argument:
    return Argument(
        leaf=argument.leaf,
        source=argument.source,
        values=values,
        score=argument.score,
        mentions=frozenset(row.items),
    )
