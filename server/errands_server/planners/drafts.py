"""Drafts: the calls a plan will make, and what one call's answer can give another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Final

from msgspec import Struct

from .arguments import Binding
from .bound import Argument, Source
from .evidence import QUERIES
from .schemas import Leaf, Type
from .sheets import Sheet
from .words import GENERIC, SYNONYMS, stemmed, stems

# Facts everything has of its own: one thing's status is never another's.
_OWN: Final = GENERIC | stemmed(
    "status type state description quantity amount date title count total price q query limit page"
)
_NUMERIC: Final = frozenset({Type.INTEGER, Type.NUMBER})
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
            return _same(self.sheet.subject(leaf), self.sheet.resource)
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


def suppliers(leaf: Leaf, taker: Sheet, giver: Sheet) -> Iterator[Leaf]:
    """The values in a tool's answer that can be this argument of another tool."""
    if leaf.array:
        return
    wanted = taker.subject(leaf)
    for given in giver.gives:
        if given.array or (leaf.type in _NUMERIC) is not (given.type in _NUMERIC):
            continue
        if leaf.identifies and given.identifies and _same(wanted, giver.subject(given)):
            yield given
        elif not leaf.identifies and leaf.words == given.words and not leaf.words & _OWN:
            yield given


def _same(one: frozenset[str], other: frozenset[str]) -> bool:
    wide = other | synonyms(other)
    return bool(one) and bool(other) and (one <= wide or other <= one | synonyms(one))


def synonyms(words: Iterable[str]) -> frozenset[str]:
    """Other words for any of these."""
    return frozenset(other for word in words for other in SYNONYMS.get(word, ()))
