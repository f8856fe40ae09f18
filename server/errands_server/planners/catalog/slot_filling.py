"""Slot filling: binds a tool's parameters to values of a clause and of the run's context."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec
from msgspec import Struct

from ...domain.explanation import ArgumentSource as Origin
from ...domain.plan import Path
from .assignment import assign
from .context import RunContext
from .cues import EntityContext
from .entity import OUTRIGHT, Kind, Mention
from .numbers import Counted, Row, quantities_measured
from .parameters import Schema, ToolParameter, Type
from .scoring import GOOD, PLACES, SlotScore, is_within_bounds
from .tokens import stem, stemmed
from .tool_profile import ToolProfile
from .utterance import ClauseFeatures, Phrasing, documented_values


class SlotSource(Struct, frozen=True):
    """A value in the output of an earlier step, which is given by its place among the drafts."""

    draft: int
    path: Path


class Argument(Struct, frozen=True, kw_only=True):
    """One bound parameter. Several `values` make several calls; `origin` and `why` are for the account."""

    parameter: ToolParameter
    origin: Origin
    why: str
    values: tuple[Any, ...] = ()
    slot: SlotSource | None = None
    key: str | None = None  # of the context, where that gave the value
    score: float = GOOD
    mentions: frozenset[Mention] = frozenset()

    @property
    def source(self) -> str:
        """The origin of the value, in words."""
        return f"{self.origin}: {self.why}"


# Kinds of mentions that can be a documented value word for word.
_CHOSEN: Final = frozenset({Kind.QUOTED, Kind.IDENTIFIER, Kind.NUMBER})


_REGION: Final = re.compile(r"\b[A-Z]\w+, [A-Z]")  # `City, State`
_LONG: Final = 3  # values in a row that are a list, where a list is wanted


class Binding:
    """The arguments of one call so far. Each mention is used once."""

    def __init__(self, profile: ToolProfile, taken: Iterable[Mention] = ()) -> None:
        self.profile = profile
        self.counted: tuple[tuple[ToolParameter, Counted], ...] = ()
        self.arguments: dict[Path, Argument] = {}
        self.used = set(taken)
        self.spoken: frozenset[str] = frozenset()  # stems that are part of a bound value

    def add(self, argument: Argument) -> None:
        """Bind one parameter."""
        self.arguments[argument.parameter.path] = argument
        self.used |= argument.mentions

    def bind_quantities(self, row: Row) -> None:
        """Bind quantities to counts of the clause, and identifiers to what is counted if it is one."""
        lines = zip(self.profile.quantities, row, strict=False)
        self.counted = tuple(
            (p, line)
            for p, line in lines
            if isinstance(line.many.value, int) and is_within_bounds(p, line.many.value)
        )
        for quantity, line in self.counted:
            self.add(_outright(quantity, line.many, line.many.value, "how many are meant"))
            thing = self.profile.counted_identifier(quantity)
            if thing and line.thing.kind in (Kind.IDENTIFIER, Kind.UUID):
                self.add(_outright(thing, line.thing, line.thing.value, "what is counted"))
        self.used |= {thing for _, thing in self.unidentified()}

    def unidentified(self) -> Iterator[tuple[ToolParameter, Mention]]:
        """Yield what is counted and not identified yet, with the parameter that identifies it."""
        for quantity, line in self.counted:
            thing = self.profile.counted_identifier(quantity)
            if thing and thing.path not in self.arguments and line.stems:
                yield thing, line.thing

    def words_for(self, parameter: ToolParameter) -> frozenset[str]:
        """The stems of the counted thing that a parameter identifies; empty: nothing is counted."""
        lines = (
            line for quantity, line in self.counted if self.profile.counted_identifier(quantity) is parameter
        )
        return frozenset(next((line.stems for line in lines), ()))

    def left_out(self, features: ClauseFeatures) -> Iterator[Mention]:
        """Yield counted things that a call with quantities leaves out."""
        if not self.counted:
            return
        numbers = [
            entity.mention for entity in features.entities if entity.mention.kind in (Kind.NUMBER, Kind.COUNT)
        ]
        yield from (number for number in numbers if number not in self.used)
        for line in (line for row in features.counted for line in row):
            if line.many.kind is Kind.ARTICLE and line.more and line.many not in self.used:
                yield line.thing

    def unset(self) -> Iterator[ToolParameter]:
        """The parameters without a value."""
        return (parameter for parameter in self.profile.inputs if parameter.path not in self.arguments)

    def skip_parameter_names(self, features: ClauseFeatures) -> None:
        """Mark names of parameters as used: `user_id is 5` has one value, not two."""
        self.used |= {
            entity.mention
            for entity in features.entities
            if entity.mention.kind is Kind.IDENTIFIER
            and str(entity.mention.value).lower() in self.profile.names
        }

    def bind_documented_values(self, features: ClauseFeatures) -> None:
        """Bind enumerations to documented values in quotes, or written as identifiers or numbers."""
        for parameter in list(self.unset()):
            options = {str(option).lower(): option for option in documented_values(parameter)}
            outright = (entity.mention for entity in features.entities if entity.mention.kind in _CHOSEN)
            chosen = (m for m in outright if str(m.value).lower() in options and m not in self.used)
            if not parameter.array and (mention := next(chosen, None)):
                value = options[str(mention.value).lower()]
                self.add(_outright(parameter, mention, value, "a documented value"))

    def missing(self) -> list[ToolParameter]:
        """The required parameters without a value; those of an optional object only if another part of
        the object has one."""
        return [
            p
            for p in self.profile.inputs
            if p.required and p.path not in self.arguments
            if all(map(self._is_begun, p.optional_parents))
        ]

    def _is_begun(self, parent: Path) -> bool:
        return any(path[: len(parent)] == parent for path in self.arguments)

    def bind_entities(
        self, features: ClauseFeatures, *, least: float = GOOD, only: Iterable[ToolParameter] | None = None
    ) -> None:
        """Bind values of a clause with at least this score, the best total first."""
        parameters = [p for p in (self.unset() if only is None else only) if "enum" not in p.schema]
        if not parameters:
            return
        offers = dict(self._offers(features, parameters, least))
        given = assign(
            {pair: self._bid(parameters[pair[0]], offer, features) for pair, offer in offers.items()}
        )
        for place, number in sorted(given.items()):
            entity = features.entities[number]
            if entity.mention not in self.used:  # a list may have taken the whole row
                self.add(self._argument_from(parameters[place], entity, offers[place, number], features))

    def _bid(self, parameter: ToolParameter, slot_score: SlotScore, features: ClauseFeatures) -> float:
        """The weight of a pair: more for required parameters, and for lists with a series."""
        in_row = parameter.array and any(
            slot_score.mention in r.items for r in (*features.rows, *features.pairs)
        )
        return slot_score.score + (0.3 if parameter.required else 0.0) + (1.0 if in_row else 0.0)

    def _offers(
        self, features: ClauseFeatures, parameters: Sequence[ToolParameter], least: float
    ) -> Iterator[tuple[tuple[int, int], SlotScore]]:
        free = [
            (number, entity)
            for number, entity in enumerate(features.entities)
            if entity.mention not in self.used
        ]
        listed = self._reserved_for_lists(features, parameters)
        for place, parameter in enumerate(parameters):
            for number, entity in free:
                if entity.mention in listed and not parameter.array:
                    continue
                slot_score = features.score(parameter, entity, self.profile, self.spoken)
                if slot_score is not None and slot_score.score >= least:
                    yield (place, number), slot_score

    def _reserved_for_lists(
        self, features: ClauseFeatures, parameters: Iterable[ToolParameter]
    ) -> frozenset[Mention]:
        """The items of long series, if one of the parameters is a list: they belong to it."""
        if not any(parameter.array for parameter in parameters):
            return frozenset()
        return frozenset(item for row in features.rows if len(row.items) >= _LONG for item in row.items)

    def _argument_from(
        self, parameter: ToolParameter, entity: EntityContext, slot_score: SlotScore, features: ClauseFeatures
    ) -> Argument:
        if not parameter.array or entity.mention.kind is Kind.LITERAL:
            return _argument(parameter, slot_score, (slot_score.value,), (entity.mention,))
        rows = (*features.rows, *features.pairs)
        row = next((r.items for r in rows if entity.mention in r.items), (entity.mention,))
        free = [s for s in features.entities if s.mention in row and s.mention not in self.used]
        values = [
            e.value
            for s in free
            if (e := features.score(parameter, s, self.profile, self.spoken)) is not None
        ]
        return _argument(parameter, slot_score, (values,), row)

    def fan_out(self, features: ClauseFeatures) -> None:
        """Make several calls for a series of which only one value is bound: `Rome and Oslo`."""
        if any(len(argument.values) > 1 for argument in self.arguments.values()):
            return
        for argument in list(self.arguments.values()):
            row = next((r for r in features.rows if argument.mentions & set(r.items)), None)
            if row is None or argument.parameter.array or len(self.used & set(row.items)) > 1:
                continue
            items = (entity for entity in features.entities if entity.mention in row.items)
            scores = (features.score(argument.parameter, e, self.profile, self.spoken) for e in items)
            values = tuple(slot_score.value for slot_score in scores if slot_score is not None)
            if len(values) == len(row.items):
                self.add(msgspec.structs.replace(argument, values=values, mentions=frozenset(row.items)))
                return

    def extend_texts(self, features: ClauseFeatures) -> None:
        """Extend texts by the unused continuation of their value: `the theory of numbers`."""
        for argument in list(self.arguments.values()):
            if (
                argument.parameter.type is Type.TEXT
                and not argument.parameter.array
                and len(argument.mentions) == 1
            ):
                (mention,) = argument.mentions
                self._extend_text(argument, mention, features.tails)

    def _extend_text(
        self, argument: Argument, last: Mention, tails: Mapping[Mention, tuple[Mention, str]]
    ) -> None:
        whole = str(argument.values[0])
        if not whole.endswith(str(last.value)) or len(argument.values) > 1:
            return
        while last in tails:
            tail, both = tails[last]
            if tail in self.used or (", " in both and not _takes_regions(argument.parameter)):
                break
            whole += both[len(str(last.value)) :]
            last = tail
            self.used.add(tail)
        self.arguments[argument.parameter.path] = msgspec.structs.replace(argument, values=(whole,))

    def bind_unambiguous(
        self, features: ClauseFeatures, parameters: Sequence[ToolParameter], free: Sequence[EntityContext]
    ) -> None:
        """Bind each value that fits only one of these parameters, which fits no other value."""
        offers = [
            (p, entity, slot_score)
            for entity in free
            for p in parameters
            if "enum" not in p.schema and not p.identifies
            if (slot_score := features.score(p, entity, self.profile, self.spoken)) is not None
        ]
        if not offers:
            return
        claims = Counter(claim for p, entity, _ in offers for claim in (p.path, entity.mention))
        for parameter, entity, slot_score in offers:
            if claims[parameter.path] == claims[entity.mention] == 1:
                self.add(self._argument_from(parameter, entity, slot_score, features))

    def unbound(self, features: ClauseFeatures) -> list[EntityContext]:
        """The unused values of a clause that a call must use."""
        return [
            entity
            for entity in features.entities
            if entity.mention.kind in OUTRIGHT and entity.mention not in self.used
        ]

    def unbound_names(self, features: ClauseFeatures) -> list[EntityContext]:
        """The unused names, without units and continuations of other names."""
        tails = {tail for tail, _ in features.tails.values()}
        return [
            entity
            for entity in features.entities
            if entity.mention.kind is Kind.NAME and entity.mention not in self.used | tails
            if not quantities_measured(stem(str(entity.mention.value)))
        ]

    def bind_context(self, run_context: RunContext) -> None:
        """Bind from the context by name."""
        for parameter in list(self.unset()):
            found = run_context.find(parameter, self.profile)
            if found is not None:
                key, value = found
                self.add(
                    Argument(parameter=parameter, origin=Origin.CONTEXT, why=key, values=(value,), key=key)
                )

    def bind_defaults(self) -> None:
        """Bind required parameters to their constant, their default or their only value."""
        for parameter in self.missing():
            for why, value in _defaults(parameter.schema):
                self.add(Argument(parameter=parameter, origin=Origin.SCHEMA, why=why, values=(value,)))
                break

    def bind_phrases(self, phrasing: Phrasing) -> None:
        """Bind enumerations and booleans to values in plain words."""
        for parameter in list(self.unset()):
            found = phrasing.find(parameter, self.profile)
            if found is not None:
                self.spoken |= found.words
                self.add(
                    Argument(parameter=parameter, origin=Origin.INTENT, why=found.why, values=(found.value,))
                )


def _takes_regions(parameter: ToolParameter) -> bool:
    """Whether a parameter takes a place with its region, by its name or by its description."""
    shown = _REGION.search(str(parameter.schema.get("description") or ""))
    return bool(parameter.words & PLACES) or shown is not None


def _defaults(schema: Schema) -> Iterator[tuple[str, Any]]:
    yield from ((keyword, schema[keyword]) for keyword in ("const", "default") if keyword in schema)
    only = schema.get("enum")
    if isinstance(only, list) and len(only) == 1:
        yield "the only value", only[0]


def _outright(parameter: ToolParameter, mention: Mention, value: Any, why: str) -> Argument:
    return Argument(
        parameter=parameter, origin=Origin.INTENT, why=why, values=(value,), mentions=frozenset({mention})
    )


def _argument(
    parameter: ToolParameter, slot_score: SlotScore, values: tuple[Any, ...], mentions: Iterable[Mention]
) -> Argument:
    return Argument(
        parameter=parameter,
        origin=Origin.INTENT,
        why=slot_score.why,
        values=values,
        score=slot_score.score,
        mentions=frozenset(mentions),
    )


_TEXTS: Final = frozenset({Type.TEXT, Type.ID})
_OWNERS: Final = stemmed("owner org organization user account namespace group workspace tenant")


def bind_slugs(binding: Binding, features: ClauseFeatures) -> None:
    """Bind the two parameters for an owner and a name to the first slug of the clause.

    A slug may be used by several calls: they act in the same place.
    """
    slugs = [entity for entity in features.entities if entity.mention.kind is Kind.SLUG]
    pair = _pair(binding.profile) if slugs else None
    if pair is None or not binding.arguments.keys().isdisjoint(parameter.path for parameter in pair):
        return
    others = {word for p in binding.profile.inputs if p not in pair for word in p.particular.union(p.forms)}
    slug = next((entity.mention for entity in slugs if entity.noun not in others), None)
    if slug is None:
        return
    for parameter, value in zip(pair, str(slug.value).split("/"), strict=True):
        why = f"its part of {slug.value!r}"
        mentions = frozenset({slug})
        binding.add(
            Argument(parameter=parameter, origin=Origin.INTENT, why=why, values=(value,), mentions=mentions)
        )


def _pair(profile: ToolProfile) -> tuple[ToolParameter, ToolParameter] | None:
    """The first two texts next to each other in the path; without a path, an owner and the next."""
    texts = [p for p in profile.inputs if p.required and p.type in _TEXTS and not p.array]
    path = profile.tool.path
    for one, other in pairwise(texts):
        beside = f"{{{one.name}}}/{{{other.name}}}" in path if path else bool(one.words & _OWNERS)
        if beside and len(one.path) == len(other.path) == 1:
            return one, other
    return None
