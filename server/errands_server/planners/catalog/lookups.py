"""Look-ups: calls put before another one to find what it needs and nothing said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import islice
from typing import Final

from msgspec import Struct

from ...domain.explanation import ArgumentSource as Origin
from ...domain.tool import ToolRef
from .actions import Action
from .clauses import Clause
from .context import Hints
from .entity import POINTED, Kind, Mention
from .outputs import same, suppliers
from .parameters import ToolParameter, Type
from .scoring import FAIR, QUERIES
from .slot_filling import Argument, Binding, SlotSource, divide
from .tokens import lexicon, stems
from .tool_index import ToolIndex
from .tool_profile import ToolProfile
from .utterance import ClauseFeatures

_ADDRESSES: Final = frozenset({Type.EMAIL, Type.URL})


class DraftCall(Struct, frozen=True, kw_only=True):
    """One call in the making. `clause` is the number of the clause it serves."""

    sheet: ToolProfile
    arguments: tuple[Argument, ...]
    clause: int
    fan: int = 1  # how many calls it becomes
    after: tuple[int, ...] = ()  # drafts the intent puts before it

    @property
    def founded(self) -> bool:
        """Whether anything said or known leads to this call."""
        return any(argument.mentions or argument.key or argument.slot for argument in self.arguments)

    @property
    def given(self) -> tuple[object, ...]:
        """What makes this call the same as another of its tool: each parameter with what it is given."""
        return tuple((a.leaf.path, a.values, a.slot, a.key) for a in self.arguments)

    def asked_for(self, meant: Set[str]) -> bool:
        """Whether this call was made with these words, or more or fewer of them; no words mean anything."""
        values = (value for argument in self.arguments if argument.mentions for value in argument.values)
        said = {stem for value in values for stem in stems(str(value))}
        return not meant or (bool(said) and (meant <= said or said <= meant))

    @property
    def singles_out(self) -> bool:
        """Whether the first element of a list it answers can be meant: asked for by address, by name,
        by its own identifier. The orders of a customer, or of a day, are just some orders."""
        return any(self._names_one(argument) for argument in self.arguments)

    def _names_one(self, argument: Argument) -> bool:
        leaf = argument.leaf
        if not (argument.mentions or argument.key):
            return False
        if leaf.identifies:
            return same(self.sheet.subject(leaf), self.sheet.resource)
        return leaf.type in _ADDRESSES or bool(leaf.type is Type.TEXT and leaf.words & QUERIES)


def step_id(number: int) -> str:
    """The id of the step a draft becomes, by its place among the drafts."""
    return f"s{number + 1}"


def slot(leaf: ToolParameter, taker: Binding, drafts: Sequence[DraftCall]) -> SlotSource | None:
    """Where the latest draft that can give this argument has it in its answer."""
    meant = taker.meant(leaf)
    taken = [argument.slot for argument in taker.arguments.values() if meant]
    for number in range(len(drafts) - 1, -1, -1):
        giver = drafts[number]
        for given in suppliers(leaf, taker.sheet, giver.sheet) if giver.asked_for(meant) else ():
            source = SlotSource(number, given.path)
            one = giver.singles_out or not any(isinstance(part, int) for part in given.path)
            if one and source not in taken:
                return source
    return None


_TRIED: Final = 5  # tools per argument
_DEPTH: Final = 2  # look-ups may need look-ups, this deep
# Of `all orders` no look-up's first answer is meant.
_WHOLE: Final = lexicon("all every each any")


class ClauseContext(Struct, frozen=True):
    """What lies before the planner while it works on one clause."""

    catalog: ToolIndex
    hints: Hints
    clause: Clause
    number: int
    hearing: ClauseFeatures
    earlier: tuple[ClauseFeatures, ...]


class ClauseDraft(Struct, frozen=True):
    """What came of drafting one tool: every draft so far with its own last, and what is wrong with it."""

    drafts: tuple[DraftCall, ...]
    missing: tuple[ToolParameter, ...]
    unplaced: tuple[Mention, ...]
    overlooked: tuple[Mention, ...]
    score: float

    @property
    def complete(self) -> bool:
        """Whether the call can be made and says all that was said."""
        return not self.missing and not self.unplaced and not self.overlooked and not self._doubted

    @property
    def _doubted(self) -> bool:
        """Whether a name stands where an identifier is wanted."""
        return any(a.mentions and a.score < FAIR for a in self.drafts[-1].arguments)

    @property
    def idle(self) -> bool:
        """Whether the call changes something and is not given what."""
        last = self.drafts[-1]
        given = {argument.leaf.path for argument in last.arguments}
        return bool(last.sheet.changes) and last.sheet.changes.isdisjoint(given)

    @property
    def founded(self) -> bool:
        """Whether anything said or known leads to the call."""
        return self.drafts[-1].founded

    @property
    def ignored(self) -> tuple[Mention, ...]:
        """Values that must not be left out, and were: without them another thing would be done."""
        pointed = tuple(mention for mention in self.unplaced if mention.kind in POINTED)
        return tuple(dict.fromkeys((*pointed, *self.overlooked)))


def look_up(
    desk: ClauseContext, binding: Binding, drafts: tuple[DraftCall, ...], depth: int = _DEPTH
) -> tuple[DraftCall, ...]:
    """Put look-ups before the call for arguments nothing said, the best founded first."""
    whole = any(word.plain in _WHOLE for word in desk.clause.words)
    if depth == 0 or (whole and not binding.sheet.harmless):
        return drafts
    while wanted := _wanted(desk, binding):
        found = max(_finds(desk, binding, drafts, depth), key=lambda find: find.score, default=None)
        if found is None:
            break
        fresh = found.drafts[len(drafts) :]
        drafts = found.drafts
        binding.used |= {m for draft in fresh for argument in draft.arguments for m in argument.mentions}
        if not fill(binding, wanted, drafts):
            break
    return drafts


def fill(binding: Binding, leaves: Iterable[ToolParameter], drafts: tuple[DraftCall, ...]) -> bool:
    """Bind parameters to the answers of earlier drafts; whether any was."""
    filled = False
    for leaf in leaves:
        source = slot(leaf, binding, drafts)
        if source is not None:
            where = ".".join(map(str, source.path))
            why = f"{step_id(source.draft)}: {where}"
            binding.add(Argument(leaf=leaf, origin=Origin.STEP, why=why, slot=source))
            filled = True
    return filled


def close(desk: ClauseContext, binding: Binding, drafts: tuple[DraftCall, ...]) -> ClauseDraft:
    """The attempt a binding has come to. A row of values, or of looked-up ones, makes several calls."""
    fans = {drafts[a.slot.draft].fan for a in binding.arguments.values() if a.slot} - {1}
    if not fans:
        binding.repeat(desk.hearing)
        fans = {len(a.values) for a in binding.arguments.values()} - {0, 1}
    order = {leaf.path: place for place, leaf in enumerate(binding.sheet.takes)}
    arguments = tuple(sorted(binding.arguments.values(), key=lambda a: order[a.leaf.path]))
    draft = DraftCall(sheet=binding.sheet, arguments=arguments, clause=desk.number, fan=min(fans, default=1))
    return ClauseDraft(
        drafts=(*drafts, draft),
        missing=tuple(binding.missing()),
        unplaced=tuple(said.mention for said in binding.unplaced(desk.hearing)),
        overlooked=tuple(binding.overlooked(desk.hearing)),
        score=sum(argument.score for argument in arguments if argument.mentions),
    )


def _wanted(desk: ClauseContext, binding: Binding) -> list[ToolParameter]:
    """What a look-up may find: missing arguments, and an identifier for a value with no place of its own."""
    missing = binding.missing()
    if binding.sheet.action is Action.DELETE:  # of what is deleted nothing is found but what identifies it
        missing = [leaf for leaf in missing if leaf.identifies]
    if not _unplaced(desk, binding):
        return missing
    return missing + [leaf for leaf in binding.open() if leaf.identifies and leaf not in missing]


def _unplaced(desk: ClauseContext, binding: Binding) -> set[Mention]:
    """What a look-up may place: what is said outright, and names that are no words of the catalog."""
    names = {
        said.mention
        for said in desk.hearing.said
        if said.mention.kind is Kind.NAME and said.mention not in binding.used
        if not all(map(desk.catalog.knows, stems(str(said.mention.value))))
    }
    return names | {said.mention for said in binding.unplaced(desk.hearing)}


def _finds(
    desk: ClauseContext, binding: Binding, drafts: tuple[DraftCall, ...], depth: int
) -> Iterator[ClauseDraft]:
    """The look-ups that could be made; those for optional arguments only if they place a value."""
    unplaced = _unplaced(desk, binding)
    needed = _givers(desk.catalog, binding.missing(), binding.sheet)
    wanted = _wanted(desk, binding)
    for ref, sheet in _givers(desk.catalog, wanted, binding.sheet).items():
        found = _find(desk, sheet, binding, drafts, depth)
        placed = {m for argument in found.drafts[-1].arguments for m in argument.mentions}
        if (ref in needed or placed & unplaced) and not found.missing and _serves(found, wanted, binding):
            yield found


def _serves(found: ClauseDraft, wanted: Iterable[ToolParameter], binding: Binding) -> bool:
    own = len(found.drafts) - 1
    sources = (slot(leaf, binding, found.drafts) for leaf in wanted)
    return found.drafts[own].founded and any(source and source.draft == own for source in sources)


def _givers(
    catalog: ToolIndex, leaves: Iterable[ToolParameter], taker: ToolProfile
) -> dict[ToolRef, ToolProfile]:
    """The plainest few tools for each parameter whose answers can give it."""
    found: dict[ToolRef, ToolProfile] = {}
    for leaf in leaves:
        others = (sheet for sheet in catalog.answers.givers(leaf, taker) if sheet is not taker)
        found |= {sheet.candidate.ref: sheet for sheet in islice(others, _TRIED)}
    return found


def _find(
    desk: ClauseContext, sheet: ToolProfile, taker: Binding, drafts: tuple[DraftCall, ...], depth: int
) -> ClauseDraft:
    """Draft one look-up from what the call it serves leaves unsaid."""
    mine = [thing for leaf, thing in taker.sought() if next(suppliers(leaf, taker.sheet, sheet), None)][:1]
    binding = Binding(sheet, taker.used.difference(mine))
    queries = [leaf for leaf in binding.open() if leaf.type is Type.TEXT and leaf.words & QUERIES][:1]
    for thing in mine:
        binding.hear(desk.hearing.only(thing), least=FAIR, only=queries)
    binding.used.update(mine)
    divide(binding, desk.hearing)
    binding.hear(desk.hearing)
    binding.read(desk.hints)
    if not any(argument.mentions for argument in binding.arguments.values()):
        binding.hear(desk.hearing, least=FAIR, only=queries)
    binding.hear(desk.hearing, least=FAIR, only=binding.missing())
    drafts = look_up(desk, binding, drafts, depth - 1)
    binding.settle()
    return close(desk, binding, drafts)
