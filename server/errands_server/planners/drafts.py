"""Drafts: the calls a plan will make, and what one call's answer can give another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from .arguments import Argument, Source
from .schemas import GENERIC_STEMS, Leaf, Type
from .sheets import Sheet
from .words import SYNONYMS, stem

# Names under which lists are wrapped; they say nothing about what is in the list.
_WRAPPERS: Final = frozenset(
    stem(word) for word in "data items item results result records record values entries list content response".split()
)
# Facts everything has of its own: one thing's status is never another's.
_OWN: Final = GENERIC_STEMS | frozenset(
    stem(word)
    for word in "status type state description quantity amount date title count total price q query limit page".split()
)
_NUMERIC: Final = frozenset({Type.INTEGER, Type.NUMBER})
_VAGUE: Final = frozenset({Type.INTEGER, Type.NUMBER, Type.BOOLEAN})


class Draft(Struct, frozen=True, kw_only=True):
    """One call in the making. `clause` is the number of the clause it serves."""

    sheet: Sheet
    arguments: tuple[Argument, ...]
    clause: int
    fan: int = 1  # how many calls it becomes
    after: tuple[int, ...] = ()  # drafts the intent puts before it

    @property
    def particular(self) -> bool:
        """Whether something said narrows the answer, so that its first element can be meant."""
        return any(_narrows(argument) for argument in self.arguments)


def _narrows(argument: Argument) -> bool:
    vague = argument.leaf.type in _VAGUE and not argument.leaf.identifies
    return not vague and bool(argument.mentions or argument.key or argument.slot)


def slot(leaf: Leaf, taker: Sheet, drafts: Sequence[Draft]) -> Source | None:
    """Where the latest draft that can give this argument has it in its answer."""
    for number in range(len(drafts) - 1, -1, -1):
        giver = drafts[number]
        for given in suppliers(leaf, taker, giver.sheet):
            # The first of an unfiltered list is nobody's choice.
            if giver.particular or not any(isinstance(part, int) for part in given.path):
                return Source(number, given.path)
    return None


def suppliers(leaf: Leaf, taker: Sheet, giver: Sheet) -> Iterator[Leaf]:
    """The values in a tool's answer that can be this argument of another tool."""
    if leaf.array:
        return
    wanted = _subject(leaf, taker)
    for given in giver.gives:
        if given.array or (leaf.type in _NUMERIC) is not (given.type in _NUMERIC):
            continue
        if leaf.identifies and given.identifies and _same(wanted, _subject(given, giver)):
            yield given
        elif not leaf.identifies and leaf.words == given.words and not leaf.words & _OWN:
            yield given


def _subject(leaf: Leaf, sheet: Sheet) -> frozenset[str]:
    """What an identifier identifies: `customer_id` a customer, a bare `id` what it lies in."""
    if particular := leaf.words - GENERIC_STEMS:
        return particular
    return next((owner for owner in leaf.owners if not owner & _WRAPPERS), sheet.owner(leaf))


def _same(one: frozenset[str], other: frozenset[str]) -> bool:
    wide = other | _synonyms(other)
    return bool(one) and bool(other) and (one <= wide or other <= one | _synonyms(one))


def _synonyms(words: Iterable[str]) -> frozenset[str]:
    return frozenset(other for word in words for other in SYNONYMS.get(word, ()))
