"""Reading: an intent clause by clause, with the tools considered for each and the calls they lead to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from ...domain.tool import Effect
from ...ports import Brief
from .actions import COMMON, VERBS, Action, spoken
from .clauses import Clause, clauses
from .context import Hints
from .entities import mentions
from .entity import Kind, Mention
from .lookups import ClauseContext, ClauseDraft, DraftCall, close, fill, look_up
from .parameters import ToolParameter, Type
from .query import demand
from .scoring import FAINT, FAIR, QUERIES, SORTED, SURE
from .slot_filling import Binding, divide
from .tokens import lexicon, stems
from .tool_index import FITS, Ranked, ToolIndex
from .tool_profile import ToolProfile
from .utterance import ClauseFeatures, hearing

_NUMERIC: Final = frozenset({Type.INTEGER, Type.NUMBER})
_SEEKING: Final = lexicon("find search look lookup query browse")
_POINTERS: Final = lexicon("it its them they their that those this these him his her he she there")


def attempt(desk: ClauseContext, sheet: ToolProfile, drafts: tuple[DraftCall, ...]) -> ClauseDraft:
    """Draft the call of `sheet` that a clause asks for, behind the drafts so far.

    The clause itself comes first, then the context, then answers of earlier steps; what is
    still missing is taken from looser evidence, earlier clauses and look-ups, in this order.
    """
    row = desk.hearing.row(sheet)
    binding = Binding(sheet.repeated(len(row)))
    binding.count(row)
    binding.skip_names(desk.hearing)
    divide(binding, desk.hearing)
    binding.choose(desk.hearing)
    binding.phrase(desk.hearing.phrasing)
    binding.hear(desk.hearing)
    binding.place(desk.hearing, binding.missing(), binding.unplaced(desk.hearing))
    binding.read(desk.hints)
    fill(binding, _referred(desk, binding), drafts)
    binding.hear(desk.hearing, least=FAIR, only=binding.missing())
    for earlier in reversed(desk.earlier):
        binding.hear(earlier, least=SURE, only=binding.missing())
    _seek(desk, binding)
    drafts = look_up(desk, binding, drafts)
    _gather(desk, binding)
    binding.place(desk.hearing, list(binding.open()), binding.unplaced(desk.hearing))
    if binding.sheet.action in (None, Action.READ):  # what writes is given nothing on suspicion
        named = [leaf for leaf in binding.open() if leaf.type is Type.TEXT and not leaf.words & SORTED]
        binding.place(desk.hearing, named, binding.unnamed(desk.hearing))
    binding.hear(desk.hearing, least=FAINT, only=binding.missing())
    binding.complete(desk.hearing)
    binding.settle()
    return close(desk, binding, drafts)


def _gather(desk: ClauseContext, binding: Binding) -> None:
    """Give the only list of numbers every number said, where no single parameter misses one."""
    lists = [a for a in binding.arguments.values() if a.leaf.array and a.leaf.type in _NUMERIC and a.mentions]
    if len(lists) != 1 or any(leaf.type in _NUMERIC for leaf in binding.missing()):
        return
    (found,) = lists
    free = {said.mention for said in binding.unplaced(desk.hearing) if said.mention.kind is Kind.NUMBER}
    taken = [said for said in desk.hearing.said if said.mention in free | found.mentions]
    weighed = [desk.hearing.score(found.leaf, said, binding.sheet, binding.spoken) for said in taken]
    values = [evidence.value for evidence in weighed if evidence is not None]
    if free and len(values) == len(taken):
        mentions = frozenset(said.mention for said in taken)
        binding.add(msgspec.structs.replace(found, values=(values,), mentions=mentions))


def _seek(desk: ClauseContext, binding: Binding) -> None:
    """Bind what a tool that reads searches by to what a clause speaks of in words no tool knows."""
    if not binding.sheet.harmless or any(argument.mentions for argument in binding.arguments.values()):
        return
    verb, _ = desk.clause.opening
    kinds = {Kind.NAME, Kind.PHRASE} if verb in _SEEKING else {Kind.NAME}
    queries = [leaf for leaf in binding.open() if leaf.type is Type.TEXT and leaf.words & QUERIES]
    for said in desk.hearing.said:
        if said.mention.kind in kinds and not all(map(desk.catalog.knows, stems(str(said.mention.value)))):
            binding.hear(desk.hearing.only(said.mention), least=FAIR, only=queries[:1])
            return


def _referred(desk: ClauseContext, binding: Binding) -> list[ToolParameter]:
    """The parameters earlier answers may fill: the missing ones, and identifiers the clause points to."""
    spoken = desk.clause.words
    points = any(word.plain in _POINTERS for word in spoken)
    named = {word.stem for word in spoken}
    optional = [leaf for leaf in binding.open() if leaf.identifies and (points or leaf.particular & named)]
    return [*binding.missing(), *optional]


MOST: Final = 20  # demands in one intent, and things one counts; more would hold up the event loop
_TRIED: Final = 3  # tools per clause whose arguments are looked at
_CLOSE: Final = 0.75  # of the best score, for a tool to be tried beside it
_MAY_FIT: Final = 0.15  # enough where every argument of the call is given, and nothing said is left over
_ARGUMENT: Final = 0.04  # what one point of evidence for an argument adds to a tool's score
_LOOK_UP: Final = 0.1  # what a look-up takes off it: of two ways the shorter
_JOINS: Final = 4  # clauses tried as additions to others; each is read once more for it
_SETTING: Final = frozenset({"set", "make", "use", "adjust"})


class Reading(Struct, frozen=True, kw_only=True):
    """How one clause was read: the tools considered, best first, and the calls it led to.

    Its drafts include those of the readings before it.
    """

    clause: Clause
    ranked: tuple[Ranked, ...]
    fits: bool = False  # whether a tool answers the clause well enough
    drafts: tuple[DraftCall, ...] = ()
    missing: tuple[ToolParameter, ...] = ()
    ignored: tuple[Mention, ...] = ()  # what must not be left out, and was
    crowded: bool = False  # counts more things than are worked on at once

    @property
    def served(self) -> bool:
        """Whether calls were found that do what the clause asks."""
        return self.fits and not self.missing and not self.ignored and not self.crowded

    @property
    def draft(self) -> DraftCall | None:
        """The call that does what the clause asks; look-ups stand before it."""
        return self.drafts[-1] if self.drafts else None


class Interpreter:
    """Reads one intent."""

    def __init__(self, brief: Brief, catalog: ToolIndex) -> None:
        self._intent = brief.intent
        self.catalog = catalog
        self._hints = Hints(brief.context)
        self.mentions = mentions(brief.intent, self._hints.local(brief.now))
        self._joins = 0
        self._heard: dict[tuple[int, int], ClauseFeatures] = {}

    def readings(self) -> tuple[Reading, ...]:
        """How each clause is read, up to the first that cannot be served or is one too many."""
        kept: list[Reading] = []
        rest = list(clauses(self._intent, self.mentions)[: MOST + 1])
        while rest:
            clause = rest.pop(0)
            reading = self._read(clause, kept)
            if kept and _repeats(reading, kept[-1]):
                continue
            if not reading.served and kept and (both := self._joined(kept[-1], clause, kept[:-1])):
                kept[-1] = both
                continue
            if not reading.served and rest and (both := self._joined(reading, rest[0], kept)):
                reading = both
                rest.pop(0)
            kept.append(reading)
            if not reading.served:
                break
        return tuple(kept)

    def _joined(self, reading: Reading, clause: Clause, kept: Sequence[Reading]) -> Reading | None:
        """A reading together with the clause behind it, where that only adds to what its call is given."""
        if reading.draft is None or self._joins == _JOINS or not _adds(clause, reading.clause):
            return None
        self._joins += 1
        start, end = reading.clause.start, clause.end
        asks = reading.clause.asks + clause.asks
        both = self._read(Clause(self._intent[start:end], start, end, reading.clause.after, asks), kept)
        return both if both.served and both.draft and _extends(both.draft, reading.draft) else None

    def _read(self, clause: Clause, kept: Sequence[Reading]) -> Reading:
        said = self._hearing(clause)
        earlier = tuple(self._hearing(reading.clause) for reading in kept)
        desk = ClauseContext(self.catalog, self._hints, clause, len(kept), said, earlier)
        return _read(desk, kept[-1].drafts if kept else ())

    def _hearing(self, clause: Clause) -> ClauseFeatures:
        place = (clause.start, clause.end)
        if place not in self._heard:
            self._heard[place] = hearing(self._intent, clause, self.mentions)
        return self._heard[place]


def _repeats(reading: Reading, before: Reading) -> bool:
    """Whether a demand leads to the call the one before made: said again in other words. Things are
    created as often as they are asked for."""
    one, other = reading.draft, before.draft
    if not (reading.served and one and other) or one.sheet.action is Action.CREATE:
        return False
    return one.sheet is other.sheet and one.given == other.given


def _adds(clause: Clause, to: Clause) -> bool:
    """Whether a clause may only say more of what the one before asks: it asks for no other action."""
    first, _ = clause.opening
    if clause.after or first in VERBS - COMMON:
        return False
    action = spoken(word.plain for word in clause.words)
    return first in _SETTING or action in (None, Action.READ, spoken(word.plain for word in to.words))


def _extends(both: DraftCall, one: DraftCall) -> bool:
    """Whether a call is given all that another is given, and more."""
    mine = {argument.leaf.path: argument.values for argument in one.arguments if argument.mentions}
    given = {argument.leaf.path: argument.values for argument in both.arguments}
    same = all(given.get(path) == values for path, values in mine.items())
    return same and both.sheet is one.sheet and len(given) > len(one.arguments)


def _read(desk: ClauseContext, drafts: tuple[DraftCall, ...]) -> Reading:
    asked = demand(desk.clause, desk.hearing, desk.catalog.knows)
    ranked = tuple(desk.catalog.rank(asked, _TRIED))
    reading = Reading(clause=desk.clause, ranked=ranked)
    best = ranked[0].score if ranked else 0.0
    if best < _MAY_FIT:
        return reading
    close = [r for r in ranked if r.score >= max(min(best, FITS), best * _CLOSE)]
    # Nothing is deleted on a middling fit, be the call ever so complete.
    close = [r for r in close if r.score >= FITS or r.sheet.action is not Action.DELETE]
    if not close:
        return reading
    if any(len(desk.hearing.row(r.sheet)) > MOST for r in close):
        return msgspec.structs.replace(reading, fits=True, crowded=True)
    tried = _best(desk, close, drafts)
    if (best < FITS and not (tried.complete and tried.founded)) or tried.idle:
        return reading
    return msgspec.structs.replace(
        reading,
        fits=True,
        drafts=_ordered(desk, tried.drafts, len(drafts)),
        missing=tried.missing,
        ignored=tried.ignored,
    )


def _best(desk: ClauseContext, ranked: Sequence[Ranked], drafts: tuple[DraftCall, ...]) -> ClauseDraft:
    """Of the tools that fit about as well, the one whose arguments are given best."""
    tried = [(attempt(desk, r.sheet, drafts), r.score) for r in ranked]
    return max(tried, key=lambda pair: _worth(pair[0], pair[1], len(drafts)))[0]


def _worth(tried: ClauseDraft, fit: float, earlier: int) -> tuple[bool, bool, float]:
    look_ups = len(tried.drafts) - earlier - 1
    return not tried.missing, tried.complete, fit + tried.score * _ARGUMENT - look_ups * _LOOK_UP


def _ordered(desk: ClauseContext, drafts: tuple[DraftCall, ...], earlier: int) -> tuple[DraftCall, ...]:
    """A call the intent puts behind another demand waits for what does that, unless both only read."""
    last = drafts[-1]
    if not desk.clause.after or not earlier:
        return drafts
    # Look-ups stand before the call they serve: the last draft is the demand's own.
    before = drafts[earlier - 1]
    if last.sheet.tool.effect is before.sheet.tool.effect is Effect.READ:
        return drafts
    return (*drafts[:-1], msgspec.structs.replace(last, after=(earlier - 1,)))
