"""Look-ups: calls before another one that find its arguments which the intent does not give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import islice
from typing import Final

from msgspec import Struct

from ...domain.explanation import ArgumentSource as Origin
from ...domain.tool import ToolRef
from .actions import Action
from .clauses import Clause
from .context import RunContext
from .entity import POINTED, Kind, Mention
from .outputs import is_same_subject, matching_outputs
from .parameters import ToolParameter, Type
from .scoring import FAIR, QUERIES
from .slot_filling import Argument, Binding, SlotSource, bind_slugs
from .tokens import lexicon, stems
from .tool_index import ToolIndex
from .tool_profile import ToolProfile
from .utterance import ClauseFeatures

_ADDRESSES: Final = frozenset({Type.EMAIL, Type.URL})


class DraftCall(Struct, frozen=True, kw_only=True):
    """A call in the making, for clause number `clause`."""

    profile: ToolProfile
    arguments: tuple[Argument, ...]
    clause: int
    fan: int = 1  # how many calls it becomes
    after: tuple[int, ...] = ()  # drafts the intent puts before it

    @property
    def is_grounded(self) -> bool:
        """Whether an argument comes from the intent, the context or an earlier step."""
        return any(argument.mentions or argument.key or argument.slot for argument in self.arguments)

    @property
    def given(self) -> tuple[object, ...]:
        """Each parameter with its values: two calls of a tool are the same if these are equal."""
        return tuple((a.parameter.path, a.values, a.slot, a.key) for a in self.arguments)

    def was_asked_for(self, meant: Set[str]) -> bool:
        """Whether this call was made with these words, or more or fewer of them; without words, True."""
        values = (value for argument in self.arguments if argument.mentions for value in argument.values)
        spoken = {stem for value in values for stem in stems(str(value))}
        return not meant or (bool(spoken) and (meant <= spoken or spoken <= meant))

    @property
    def is_singular(self) -> bool:
        """Whether the first element of its output list is the one asked for: by address, by name, or by
        its own identifier. The orders of a customer, or of a day, are any orders."""
        return any(self._identifies_one(argument) for argument in self.arguments)

    def _identifies_one(self, argument: Argument) -> bool:
        parameter = argument.parameter
        if not (argument.mentions or argument.key):
            return False
        if parameter.identifies:
            return is_same_subject(self.profile.subject(parameter), self.profile.resource)
        return parameter.type in _ADDRESSES or bool(parameter.type is Type.TEXT and parameter.words & QUERIES)


def step_id(number: int) -> str:
    """The id of the step a draft becomes, by its place among the drafts."""
    return f"s{number + 1}"


def find_source(parameter: ToolParameter, taker: Binding, drafts: Sequence[DraftCall]) -> SlotSource | None:
    """Where the output of the latest draft that has this argument has it."""
    meant = taker.words_for(parameter)
    taken = [argument.slot for argument in taker.arguments.values() if meant]
    for number in range(len(drafts) - 1, -1, -1):
        giver = drafts[number]
        for given in (
            matching_outputs(parameter, taker.profile, giver.profile) if giver.was_asked_for(meant) else ()
        ):
            source = SlotSource(number, given.path)
            one = giver.is_singular or not any(isinstance(part, int) for part in given.path)
            if one and source not in taken:
                return source
    return None


_TRIED: Final = 5  # tools per argument
_DEPTH: Final = 2  # look-ups may need look-ups, this deep
# A look-up's first result is not `all orders`.
_WHOLE: Final = lexicon("all every each any")


class ClauseContext(Struct, frozen=True):
    """What the planner knows while it works on one clause."""

    index: ToolIndex
    run_context: RunContext
    clause: Clause
    number: int
    features: ClauseFeatures
    earlier: tuple[ClauseFeatures, ...]


class ClauseDraft(Struct, frozen=True):
    """The drafts so far with that of one tool last, and what is wrong with it."""

    drafts: tuple[DraftCall, ...]
    missing: tuple[ToolParameter, ...]
    unbound: tuple[Mention, ...]
    left_out: tuple[Mention, ...]
    score: float

    @property
    def is_complete(self) -> bool:
        """Whether the call can be made and uses every value of the clause."""
        return not self.missing and not self.unbound and not self.left_out and not self._is_doubtful

    @property
    def _is_doubtful(self) -> bool:
        """Whether a name was taken for an identifier."""
        return any(a.mentions and a.score < FAIR for a in self.drafts[-1].arguments)

    @property
    def changes_nothing(self) -> bool:
        """Whether the call is a PATCH without a change."""
        last = self.drafts[-1]
        given = {argument.parameter.path for argument in last.arguments}
        return bool(last.profile.changeable) and last.profile.changeable.isdisjoint(given)

    @property
    def is_grounded(self) -> bool:
        """Whether an argument of the call comes from the intent, the context or an earlier step."""
        return self.drafts[-1].is_grounded

    @property
    def ignored(self) -> tuple[Mention, ...]:
        """Values that the call must use and does not: without them it would do something else."""
        pointed = tuple(mention for mention in self.unbound if mention.kind in POINTED)
        return tuple(dict.fromkeys((*pointed, *self.left_out)))


def add_look_ups(
    context: ClauseContext, binding: Binding, drafts: tuple[DraftCall, ...], depth: int = _DEPTH
) -> tuple[DraftCall, ...]:
    """Put look-ups before the call for its missing arguments, the best score first."""
    whole = any(word.plain in _WHOLE for word in context.clause.words)
    if depth == 0 or (whole and not binding.profile.only_reads):
        return drafts
    while wanted := _look_up_targets(context, binding):
        found = max(
            _possible_look_ups(context, binding, drafts, depth), key=lambda find: find.score, default=None
        )
        if found is None:
            break
        fresh = found.drafts[len(drafts) :]
        drafts = found.drafts
        binding.used |= {m for draft in fresh for argument in draft.arguments for m in argument.mentions}
        if not bind_outputs(binding, wanted, drafts):
            break
    return drafts


def bind_outputs(
    binding: Binding, parameters: Iterable[ToolParameter], drafts: tuple[DraftCall, ...]
) -> bool:
    """Bind parameters to outputs of earlier drafts. Returns whether any was bound."""
    filled = False
    for parameter in parameters:
        source = find_source(parameter, binding, drafts)
        if source is not None:
            where = ".".join(map(str, source.path))
            why = f"{step_id(source.draft)}: {where}"
            binding.add(Argument(parameter=parameter, origin=Origin.STEP, why=why, slot=source))
            filled = True
    return filled


def finish_draft(context: ClauseContext, binding: Binding, drafts: tuple[DraftCall, ...]) -> ClauseDraft:
    """The draft for a finished binding. A series of values, or of looked-up ones, makes several calls."""
    fans = {drafts[a.slot.draft].fan for a in binding.arguments.values() if a.slot} - {1}
    if not fans:
        binding.fan_out(context.features)
        fans = {len(a.values) for a in binding.arguments.values()} - {0, 1}
    order = {parameter.path: place for place, parameter in enumerate(binding.profile.inputs)}
    arguments = tuple(sorted(binding.arguments.values(), key=lambda a: order[a.parameter.path]))
    draft = DraftCall(
        profile=binding.profile, arguments=arguments, clause=context.number, fan=min(fans, default=1)
    )
    return ClauseDraft(
        drafts=(*drafts, draft),
        missing=tuple(binding.missing()),
        unbound=tuple(entity.mention for entity in binding.unbound(context.features)),
        left_out=tuple(binding.left_out(context.features)),
        score=sum(argument.score for argument in arguments if argument.mentions),
    )


def _look_up_targets(context: ClauseContext, binding: Binding) -> list[ToolParameter]:
    """What a look-up may find: missing arguments, and an identifier for a value without a parameter."""
    missing = binding.missing()
    if binding.profile.action is Action.DELETE:  # for a deletion only identifiers are looked up
        missing = [parameter for parameter in missing if parameter.identifies]
    if not _unbound(context, binding):
        return missing
    return missing + [p for p in binding.unset() if p.identifies and p not in missing]


def _unbound(context: ClauseContext, binding: Binding) -> set[Mention]:
    """The unbound values a look-up may use: explicit ones, and names with words unknown to the index."""
    names = {
        entity.mention
        for entity in context.features.entities
        if entity.mention.kind is Kind.NAME and entity.mention not in binding.used
        if not all(map(context.index.has_word, stems(str(entity.mention.value))))
    }
    return names | {entity.mention for entity in binding.unbound(context.features)}


def _possible_look_ups(
    context: ClauseContext, binding: Binding, drafts: tuple[DraftCall, ...], depth: int
) -> Iterator[ClauseDraft]:
    """Yield possible look-ups; those for optional arguments only if they use an unbound value."""
    unbound = _unbound(context, binding)
    needed = _suppliers(context.index, binding.missing(), binding.profile)
    wanted = _look_up_targets(context, binding)
    for ref, profile in _suppliers(context.index, wanted, binding.profile).items():
        found = _draft_look_up(context, profile, binding, drafts, depth)
        placed = {m for argument in found.drafts[-1].arguments for m in argument.mentions}
        if (ref in needed or placed & unbound) and not found.missing and _supplies(found, wanted, binding):
            yield found


def _supplies(found: ClauseDraft, wanted: Iterable[ToolParameter], binding: Binding) -> bool:
    own = len(found.drafts) - 1
    sources = (find_source(parameter, binding, found.drafts) for parameter in wanted)
    return found.drafts[own].is_grounded and any(source and source.draft == own for source in sources)


def _suppliers(
    index: ToolIndex, parameters: Iterable[ToolParameter], taker: ToolProfile
) -> dict[ToolRef, ToolProfile]:
    """A few tools for each parameter whose outputs have it, those with the fewest nouns first."""
    found: dict[ToolRef, ToolProfile] = {}
    for parameter in parameters:
        others = (profile for profile in index.outputs.suppliers(parameter, taker) if profile is not taker)
        found |= {profile.candidate.ref: profile for profile in islice(others, _TRIED)}
    return found


def _draft_look_up(
    context: ClauseContext, profile: ToolProfile, taker: Binding, drafts: tuple[DraftCall, ...], depth: int
) -> ClauseDraft:
    """Draft one look-up from the values that the call it serves leaves unbound."""
    mine = [
        thing for p, thing in taker.unidentified() if next(matching_outputs(p, taker.profile, profile), None)
    ][:1]
    binding = Binding(profile, taker.used.difference(mine))
    queries = [p for p in binding.unset() if p.type is Type.TEXT and p.words & QUERIES][:1]
    for thing in mine:
        binding.bind_entities(context.features.restricted_to(thing), least=FAIR, only=queries)
    binding.used.update(mine)
    bind_slugs(binding, context.features)
    binding.bind_entities(context.features)
    binding.bind_context(context.run_context)
    if not any(argument.mentions for argument in binding.arguments.values()):
        binding.bind_entities(context.features, least=FAIR, only=queries)
    binding.bind_entities(context.features, least=FAIR, only=binding.missing())
    drafts = add_look_ups(context, binding, drafts, depth - 1)
    binding.bind_defaults()
    return finish_draft(context, binding, drafts)
