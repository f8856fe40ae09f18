"""Arguments: gives a tool's parameters the values a clause and the context hold for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any, Final

import msgspec
from msgspec import Struct

from ...domain.explanation import ArgumentSource as Origin
from ...domain.plan import Path
from .context import Hints
from .cues import EntityContext
from .entity import OUTRIGHT, Kind, Mention, Series
from .numbers import Counted, Row, measures
from .parameters import Schema, ToolParameter, Type
from .scoring import GOOD, PLACES, SlotScore, within
from .tokens import stem, stemmed
from .tool_profile import ToolProfile
from .utterance import ClauseFeatures, Phrasing, documented


class SlotSource(Struct, frozen=True):
    """An earlier step, by its place among the drafts, and where in its answer a value lies."""

    draft: int
    path: Path


class Argument(Struct, frozen=True, kw_only=True):
    """One bound parameter. Several `values` mean several calls; `origin` and `why` say whence they came."""

    leaf: ToolParameter
    origin: Origin
    why: str
    values: tuple[Any, ...] = ()
    slot: SlotSource | None = None
    key: str | None = None  # of the context, where that gave the value
    score: float = GOOD
    mentions: frozenset[Mention] = frozenset()

    @property
    def source(self) -> str:
        """Where the value came from, in words."""
        return f"{self.origin}: {self.why}"


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


# Kinds of mentions that can be a documented value word for word.
_CHOSEN: Final = frozenset({Kind.QUOTED, Kind.IDENTIFIER, Kind.NUMBER})


_REGION: Final = re.compile(r"\b[A-Z]\w+, [A-Z]")  # `City, State`
_LONG: Final = 3  # values in a row that are a list, where a list is wanted


class Binding:
    """The arguments found so far for one tool. Each mention is given away once."""

    def __init__(self, sheet: ToolProfile, taken: Iterable[Mention] = ()) -> None:
        self.sheet = sheet
        self.counted: tuple[tuple[ToolParameter, Counted], ...] = ()
        self.arguments: dict[Path, Argument] = {}
        self.used = set(taken)
        self.spoken: frozenset[str] = frozenset()  # words that have said a value already

    def add(self, argument: Argument) -> None:
        """Bind one parameter."""
        self.arguments[argument.leaf.path] = argument
        self.used |= argument.mentions

    def count(self, row: Row) -> None:
        """Bind the quantities to what the sentence counts, and what is counted where it is an identifier."""
        lines = zip(self.sheet.quantities, row, strict=False)
        self.counted = tuple((leaf, line) for leaf, line in lines if _countable(leaf, line.many.value))
        for quantity, line in self.counted:
            self.add(_outright(quantity, line.many, line.many.value, "how many are meant"))
            thing = self.sheet.counted(quantity)
            if thing and line.thing.kind in (Kind.IDENTIFIER, Kind.UUID):
                self.add(_outright(thing, line.thing, line.thing.value, "what is counted"))
        self.used |= {thing for _, thing in self.sought()}

    def sought(self) -> Iterator[tuple[ToolParameter, Mention]]:
        """What is counted and still to be identified, with the parameter that identifies it."""
        for quantity, line in self.counted:
            thing = self.sheet.counted(quantity)
            if thing and thing.path not in self.arguments and line.stems:
                yield thing, line.thing

    def meant(self, leaf: ToolParameter) -> frozenset[str]:
        """The words for what a parameter must identify, where a sentence counts it."""
        lines = (line for quantity, line in self.counted if self.sheet.counted(quantity) is leaf)
        return frozenset(next((line.stems for line in lines), ()))

    def overlooked(self, hearing: ClauseFeatures) -> Iterator[Mention]:
        """What is counted beside what this call counts, and is left out of it."""
        if not self.counted:
            return
        numbers = [said.mention for said in hearing.said if said.mention.kind in (Kind.NUMBER, Kind.COUNT)]
        yield from (number for number in numbers if number not in self.used)
        for line in (line for row in hearing.counted for line in row):
            if line.many.kind is Kind.ARTICLE and line.more and line.many not in self.used:
                yield line.thing

    def open(self) -> Iterator[ToolParameter]:
        """The parameters without a value."""
        return (leaf for leaf in self.sheet.takes if leaf.path not in self.arguments)

    def skip_names(self, hearing: ClauseFeatures) -> None:
        """Take the names of parameters for what they are: `user_id is 5` has one value, not two."""
        self.used |= {
            said.mention
            for said in hearing.said
            if said.mention.kind is Kind.IDENTIFIER and str(said.mention.value).lower() in self.sheet.names
        }

    def choose(self, hearing: ClauseFeatures) -> None:
        """Bind enumerations to documented values said as values: in quotes, or as names."""
        for leaf in list(self.open()):
            options = {str(option).lower(): option for option in documented(leaf)}
            outright = (said.mention for said in hearing.said if said.mention.kind in _CHOSEN)
            chosen = (m for m in outright if str(m.value).lower() in options and m not in self.used)
            if not leaf.array and (mention := next(chosen, None)):
                value = options[str(mention.value).lower()]
                self.add(_outright(leaf, mention, value, "a documented value"))

    def missing(self) -> list[ToolParameter]:
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

    def hear(
        self, hearing: ClauseFeatures, *, least: float = GOOD, only: Iterable[ToolParameter] | None = None
    ) -> None:
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

    def _bid(self, leaf: ToolParameter, evidence: SlotScore, hearing: ClauseFeatures) -> float:
        """What an argument bids for a value: required ones a little more, lists for what stands in a row."""
        in_row = leaf.array and any(evidence.mention in r.items for r in (*hearing.rows, *hearing.pairs))
        return evidence.score + (0.3 if leaf.required else 0.0) + (1.0 if in_row else 0.0)

    def _offers(
        self, hearing: ClauseFeatures, leaves: Sequence[ToolParameter], least: float
    ) -> Iterator[tuple[tuple[int, int], SlotScore]]:
        free = [(number, said) for number, said in enumerate(hearing.said) if said.mention not in self.used]
        listed = self._listed(hearing, leaves)
        for place, leaf in enumerate(leaves):
            for number, said in free:
                if said.mention in listed and not leaf.array:
                    continue
                evidence = hearing.score(leaf, said, self.sheet, self.spoken)
                if evidence is not None and evidence.score >= least:
                    yield (place, number), evidence

    def _listed(self, hearing: ClauseFeatures, leaves: Iterable[ToolParameter]) -> frozenset[Mention]:
        """What stands in a long row, where one of the parameters is a list: it is meant for that."""
        if not any(leaf.array for leaf in leaves):
            return frozenset()
        return frozenset(item for row in hearing.rows if len(row.items) >= _LONG for item in row.items)

    def _heard(
        self, leaf: ToolParameter, said: EntityContext, evidence: SlotScore, hearing: ClauseFeatures
    ) -> Argument:
        if not leaf.array or said.mention.kind is Kind.LITERAL:
            return _argument(leaf, evidence, (evidence.value,), (said.mention,))
        rows = (*hearing.rows, *hearing.pairs)
        row = next((r.items for r in rows if said.mention in r.items), (said.mention,))
        free = [s for s in hearing.said if s.mention in row and s.mention not in self.used]
        values = [e.value for s in free if (e := hearing.score(leaf, s, self.sheet, self.spoken)) is not None]
        return _argument(leaf, evidence, (values,), row)

    def repeat(self, hearing: ClauseFeatures) -> None:
        """Make several calls where a value stands in a row nobody else took from: `Rome and Oslo`."""
        if any(len(argument.values) > 1 for argument in self.arguments.values()):
            return
        for argument in list(self.arguments.values()):
            row = next((r for r in hearing.rows if argument.mentions & set(r.items)), None)
            if row is None or argument.leaf.array or len(self.used & set(row.items)) > 1:
                continue
            values = self._row(argument.leaf, row, hearing)
            if len(values) == len(row.items):
                self.add(msgspec.structs.replace(argument, values=values, mentions=frozenset(row.items)))
                return

    def complete(self, hearing: ClauseFeatures) -> None:
        """Give texts what goes on behind their value and is nobody else's: `the theory of numbers`."""
        for argument in list(self.arguments.values()):
            if argument.leaf.type is Type.TEXT and not argument.leaf.array and len(argument.mentions) == 1:
                (mention,) = argument.mentions
                self._complete(argument, mention, hearing.tails)

    def _complete(
        self, argument: Argument, last: Mention, tails: Mapping[Mention, tuple[Mention, str]]
    ) -> None:
        whole = str(argument.values[0])
        if not whole.endswith(str(last.value)) or len(argument.values) > 1:
            return
        while last in tails:
            tail, both = tails[last]
            if tail in self.used or (", " in both and not _takes_regions(argument.leaf)):
                break
            whole += both[len(str(last.value)) :]
            last = tail
            self.used.add(tail)
        self.arguments[argument.leaf.path] = msgspec.structs.replace(argument, values=(whole,))

    def place(
        self, hearing: ClauseFeatures, leaves: Sequence[ToolParameter], free: Sequence[EntityContext]
    ) -> None:
        """Bind values only one of these parameters can take, each where it is the only such value."""
        offers = [
            (leaf, said, evidence)
            for said in free
            for leaf in leaves
            if "enum" not in leaf.schema and not leaf.identifies
            if (evidence := hearing.score(leaf, said, self.sheet, self.spoken)) is not None
        ]
        if not offers:
            return
        claims = Counter(claim for leaf, said, _ in offers for claim in (leaf.path, said.mention))
        for leaf, said, evidence in offers:
            if claims[leaf.path] == claims[said.mention] == 1:
                self.add(self._heard(leaf, said, evidence, hearing))

    def unplaced(self, hearing: ClauseFeatures) -> list[EntityContext]:
        """What a clause says outright and nothing has taken."""
        return [
            said for said in hearing.said if said.mention.kind in OUTRIGHT and said.mention not in self.used
        ]

    def unnamed(self, hearing: ClauseFeatures) -> list[EntityContext]:
        """The names nothing has taken, but those that only go on from one before, and units."""
        tails = {tail for tail, _ in hearing.tails.values()}
        return [
            said
            for said in hearing.said
            if said.mention.kind is Kind.NAME and said.mention not in self.used | tails
            if not measures(stem(str(said.mention.value)))
        ]

    def _row(self, leaf: ToolParameter, row: Series, hearing: ClauseFeatures) -> tuple[Any, ...]:
        items = (said for said in hearing.said if said.mention in row.items)
        weighed = (hearing.score(leaf, said, self.sheet, self.spoken) for said in items)
        return tuple(evidence.value for evidence in weighed if evidence is not None)

    def read(self, hints: Hints) -> None:
        """Bind from the context by name."""
        for leaf in list(self.open()):
            hint = hints.find(leaf, self.sheet)
            if hint is not None:
                key, value = hint
                self.add(Argument(leaf=leaf, origin=Origin.CONTEXT, why=key, values=(value,), key=key))

    def settle(self) -> None:
        """Bind what the schema leaves no choice about, and the defaults of required parameters."""
        for leaf in self.missing():
            for why, value in _settled(leaf.schema):
                self.add(Argument(leaf=leaf, origin=Origin.SCHEMA, why=why, values=(value,)))
                break

    def phrase(self, phrasing: Phrasing) -> None:
        """Bind enumerations and booleans, which a sentence says in plain words."""
        for leaf in list(self.open()):
            found = phrasing.find(leaf, self.sheet)
            if found is not None:
                self.spoken |= found.words
                self.add(Argument(leaf=leaf, origin=Origin.INTENT, why=found.why, values=(found.value,)))


def _countable(leaf: ToolParameter, many: int | float) -> bool:
    return isinstance(many, int) and within(leaf, many)


def _takes_regions(leaf: ToolParameter) -> bool:
    """Whether a place is told with its region, by its name or by the form its description shows."""
    shown = _REGION.search(str(leaf.schema.get("description") or ""))
    return bool(leaf.words & PLACES) or shown is not None


def _settled(schema: Schema) -> Iterator[tuple[str, Any]]:
    yield from ((keyword, schema[keyword]) for keyword in ("const", "default") if keyword in schema)
    only = schema.get("enum")
    if isinstance(only, list) and len(only) == 1:
        yield "the only value", only[0]


def _outright(leaf: ToolParameter, mention: Mention, value: Any, why: str) -> Argument:
    return Argument(leaf=leaf, origin=Origin.INTENT, why=why, values=(value,), mentions=frozenset({mention}))


def _argument(
    leaf: ToolParameter, evidence: SlotScore, values: tuple[Any, ...], mentions: Iterable[Mention]
) -> Argument:
    return Argument(
        leaf=leaf,
        origin=Origin.INTENT,
        why=evidence.why,
        values=values,
        score=evidence.score,
        mentions=frozenset(mentions),
    )


_TEXTS: Final = frozenset({Type.TEXT, Type.ID})
_OWNERS: Final = stemmed("owner org organization user account namespace group workspace tenant")


def divide(binding: Binding, hearing: ClauseFeatures) -> None:
    """Give the two parameters for an owner and a name the first slug that is said.

    Everything that is done in one place names the same one, so another call may have it too.
    """
    slugs = [said for said in hearing.said if said.mention.kind is Kind.SLUG]
    pair = _pair(binding.sheet) if slugs else None
    if pair is None or not binding.arguments.keys().isdisjoint(leaf.path for leaf in pair):
        return
    others = {
        word for leaf in binding.sheet.takes if leaf not in pair for word in leaf.particular.union(leaf.forms)
    }
    slug = next((said.mention for said in slugs if said.noun not in others), None)
    if slug is None:
        return
    for leaf, value in zip(pair, str(slug.value).split("/"), strict=True):
        why = f"its part of {slug.value!r}"
        mentions = frozenset({slug})
        binding.add(Argument(leaf=leaf, origin=Origin.INTENT, why=why, values=(value,), mentions=mentions))


def _pair(sheet: ToolProfile) -> tuple[ToolParameter, ToolParameter] | None:
    """The first two texts that stand beside each other in the path; without a path, an owner and the next."""
    texts = [leaf for leaf in sheet.takes if leaf.required and leaf.type in _TEXTS and not leaf.array]
    path = sheet.tool.path
    for one, other in pairwise(texts):
        beside = f"{{{one.name}}}/{{{other.name}}}" in path if path else bool(one.words & _OWNERS)
        if beside and len(one.path) == len(other.path) == 1:
            return one, other
    return None
