"""Drafts: the calls a plan will make, and what one call's answer can give another."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final

from msgspec import Struct

from .answers import same, suppliers
from .arguments import Binding
from .bound import Argument, Source
from .evidence import QUERIES
from .schemas import Leaf, Type
from .sheets import Sheet
from .words import stems

_ADDRESSES: Final = frozenset({Type.EMAIL, Type.URL})


class Draft(Struct, frozen=True, kw_only=True):
    """One call in the making. `clause` is the number of the clause it serves."""

    sheet: Sheet
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


def slot(leaf: Leaf, taker: Binding, drafts: Sequence[Draft]) -> Source | None:
    """Where the latest draft that can give this argument has it in its answer."""
    meant = taker.meant(leaf)
    taken = [argument.slot for argument in taker.arguments.values() if meant]
    for number in range(len(drafts) - 1, -1, -1):
        giver = drafts[number]
        for given in suppliers(leaf, taker.sheet, giver.sheet) if giver.asked_for(meant) else ():
            source = Source(number, given.path)
            one = giver.singles_out or not any(isinstance(part, int) for part in given.path)
            if one and source not in taken:
                return source
    return None
