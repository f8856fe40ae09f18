"""Answers: which values in the answer of one tool another tool can be given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from .parameters import ToolParameter, Type
from .tokens import GENERIC, SYNONYMS, stemmed
from .tool_profile import ToolProfile

# Facts everything has of its own: one thing's status is never another's.
_OWN: Final = GENERIC | stemmed(
    "status type state description quantity amount date title count total price q query limit page"
)
_NUMERIC: Final = frozenset({Type.INTEGER, Type.NUMBER})

_Words: TypeAlias = tuple[frozenset[str], bool]  # what a value is called or is of, and whether it is a number


def suppliers(leaf: ToolParameter, taker: ToolProfile, giver: ToolProfile) -> Iterator[ToolParameter]:
    """The values in a tool's answer that can be this argument of another tool."""
    if leaf.array:
        return
    wanted = taker.subject(leaf)
    for given in giver.gives:
        if given.array or _numeric(leaf) is not _numeric(given):
            continue
        if leaf.identifies and given.identifies and same(wanted, giver.subject(given)):
            yield given
        elif not leaf.identifies and leaf.words == given.words and not leaf.words & _OWN:
            yield given


class OutputIndex:
    """The answers of the tools that only read, by what is in them."""

    def __init__(self, sheets: Sequence[ToolProfile]) -> None:
        self._sheets = sheets
        self._named: dict[_Words, list[int]] = defaultdict(list)
        self._identified: dict[_Words, list[int]] = defaultdict(list)
        self._known: dict[_Words, Sequence[int]] = {}
        for number, sheet in enumerate(sheets):
            self._index(number, sheet)

    def _index(self, number: int, sheet: ToolProfile) -> None:
        given = [leaf for leaf in sheet.gives if not leaf.array] if sheet.harmless else []
        for key in {(leaf.words, _numeric(leaf)) for leaf in given}:
            self._named[key].append(number)
        for key in {(sheet.subject(leaf), _numeric(leaf)) for leaf in given if leaf.identifies}:
            self._identified[key].append(number)

    def givers(self, leaf: ToolParameter, taker: ToolProfile) -> Iterator[ToolProfile]:
        """The tools whose answers hold what can be this argument, the plainest first."""
        if leaf.array or (not leaf.identifies and leaf.words & _OWN):
            return iter(())
        numbers = self._subject(leaf, taker) if leaf.identifies else self._named.get(_key(leaf), ())
        return map(self._sheets.__getitem__, sorted(numbers, key=self._plainness))

    def _subject(self, leaf: ToolParameter, taker: ToolProfile) -> Sequence[int]:
        wanted = (taker.subject(leaf), _numeric(leaf))
        if wanted not in self._known:
            fitting = (
                found
                for (subject, numeric), found in self._identified.items()
                if numeric is wanted[1] and same(wanted[0], subject)
            )
            self._known[wanted] = sorted({number for found in fitting for number in found})
        return self._known[wanted]

    def _plainness(self, number: int) -> int:
        return len(self._sheets[number].nouns)


def _key(leaf: ToolParameter) -> _Words:
    return leaf.words, _numeric(leaf)


def _numeric(leaf: ToolParameter) -> bool:
    return leaf.type in _NUMERIC


def same(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether these words and those are said of the same thing."""
    wide = other | _synonyms(other)
    return bool(one) and bool(other) and (one <= wide or other <= one | _synonyms(one))


def _synonyms(words: Iterable[str]) -> frozenset[str]:
    return frozenset(other for word in words for other in SYNONYMS.get(word, ()))
