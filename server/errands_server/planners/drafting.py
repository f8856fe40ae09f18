"""Drafting: binds one tool for one clause from its words, the context and earlier answers."""

from __future__ import annotations

from typing import Final

import msgspec

from .actions import Action
from .arguments import Binding
from .drafts import Draft
from .evidence import FAINT, FAIR, QUERIES, SURE
from .lookups import Attempt, Desk, close, fill, look_up
from .mention import Kind
from .schemas import Leaf, Type
from .sheets import Sheet
from .slugs import divide
from .texts import SORTED
from .words import lexicon, stems

_NUMERIC: Final = frozenset({Type.INTEGER, Type.NUMBER})
_SEEKING: Final = lexicon("find search look lookup query browse")
_POINTERS: Final = lexicon("it its them they their that those this these him his her he she there")


def attempt(desk: Desk, sheet: Sheet, drafts: tuple[Draft, ...]) -> Attempt:
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


def _gather(desk: Desk, binding: Binding) -> None:
    """Give the only list of numbers every number said, where no single parameter misses one."""
    lists = [a for a in binding.arguments.values() if a.leaf.array and a.leaf.type in _NUMERIC and a.mentions]
    if len(lists) != 1 or any(leaf.type in _NUMERIC for leaf in binding.missing()):
        return
    (found,) = lists
    free = {said.mention for said in binding.unplaced(desk.hearing) if said.mention.kind is Kind.NUMBER}
    taken = [said for said in desk.hearing.said if said.mention in free | found.mentions]
    weighed = [desk.hearing.weigh(found.leaf, said, binding.sheet, binding.spoken) for said in taken]
    values = [evidence.value for evidence in weighed if evidence is not None]
    if free and len(values) == len(taken):
        mentions = frozenset(said.mention for said in taken)
        binding.add(msgspec.structs.replace(found, values=(values,), mentions=mentions))


def _seek(desk: Desk, binding: Binding) -> None:
    """Bind what a tool that reads searches by to what a clause speaks of in words no tool knows."""
    if not binding.sheet.harmless or any(argument.mentions for argument in binding.arguments.values()):
        return
    verb, _ = desk.clause.opening
    kinds = {Kind.NAME, Kind.PHRASE} if verb in _SEEKING else {Kind.NAME}
    queries = [leaf for leaf in binding.open() if leaf.type is Type.TEXT and leaf.words & QUERIES]
    for said in desk.hearing.said:
        if said.mention.kind in kinds and not all(map(desk.catalogue.knows, stems(str(said.mention.value)))):
            binding.hear(desk.hearing.only(said.mention), least=FAIR, only=queries[:1])
            return


def _referred(desk: Desk, binding: Binding) -> list[Leaf]:
    """The parameters earlier answers may fill: the missing ones, and identifiers the clause points to."""
    spoken = desk.clause.words
    points = any(word.plain in _POINTERS for word in spoken)
    named = {word.stem for word in spoken}
    optional = [leaf for leaf in binding.open() if leaf.identifies and (points or leaf.particular & named)]
    return [*binding.missing(), *optional]
