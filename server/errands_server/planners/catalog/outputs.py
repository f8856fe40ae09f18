"""Outputs: which values in the output of one tool can be arguments of another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from .parameters import ToolParameter, Type
from .tokens import GENERIC, SYNONYMS, stemmed
from .tool_profile import ToolProfile

# Attributes that everything has: the status of one thing is never that of another.
_OWN: Final = GENERIC | stemmed(
    "status type state description quantity amount date title count total price q query limit page"
)
_NUMERIC: Final = frozenset({Type.INTEGER, Type.NUMBER})

_Words: TypeAlias = tuple[
    frozenset[str], bool
]  # the name or the subject of a value, and whether it is a number


def matching_outputs(
    parameter: ToolParameter, taker: ToolProfile, giver: ToolProfile
) -> Iterator[ToolParameter]:
    """Yield the values in a tool's output that can be this argument of another tool."""
    if parameter.array:
        return
    wanted = taker.subject(parameter)
    for given in giver.outputs:
        if given.array or _numeric(parameter) is not _numeric(given):
            continue
        if parameter.identifies and given.identifies and is_same_subject(wanted, giver.subject(given)):
            yield given
        elif not parameter.identifies and parameter.words == given.words and not parameter.words & _OWN:
            yield given


class OutputIndex:
    """The outputs of the tools that only read, by what is in them."""

    def __init__(self, profiles: Sequence[ToolProfile]) -> None:
        self._profiles = profiles
        self._named: dict[_Words, list[int]] = defaultdict(list)
        self._identified: dict[_Words, list[int]] = defaultdict(list)
        self._known: dict[_Words, Sequence[int]] = {}
        for number, profile in enumerate(profiles):
            self._index(number, profile)

    def _index(self, number: int, profile: ToolProfile) -> None:
        given = (
            [parameter for parameter in profile.outputs if not parameter.array] if profile.only_reads else []
        )
        for key in {(parameter.words, _numeric(parameter)) for parameter in given}:
            self._named[key].append(number)
        for key in {(profile.subject(p), _numeric(p)) for p in given if p.identifies}:
            self._identified[key].append(number)

    def suppliers(self, parameter: ToolParameter, taker: ToolProfile) -> Iterator[ToolProfile]:
        """The tools whose outputs have this argument, those with the fewest nouns first."""
        if parameter.array or (not parameter.identifies and parameter.words & _OWN):
            return iter(())
        numbers = (
            self._subject(parameter, taker) if parameter.identifies else self._named.get(_key(parameter), ())
        )
        return map(self._profiles.__getitem__, sorted(numbers, key=self._plainness))

    def _subject(self, parameter: ToolParameter, taker: ToolProfile) -> Sequence[int]:
        wanted = (taker.subject(parameter), _numeric(parameter))
        if wanted not in self._known:
            fitting = (
                found
                for (subject, numeric), found in self._identified.items()
                if numeric is wanted[1] and is_same_subject(wanted[0], subject)
            )
            self._known[wanted] = sorted({number for found in fitting for number in found})
        return self._known[wanted]

    def _plainness(self, number: int) -> int:
        return len(self._profiles[number].nouns)


def _key(parameter: ToolParameter) -> _Words:
    return parameter.words, _numeric(parameter)


def _numeric(parameter: ToolParameter) -> bool:
    return parameter.type in _NUMERIC


def is_same_subject(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two sets of words name the same thing."""
    wide = other | _synonyms(other)
    return bool(one) and bool(other) and (one <= wide or other <= one | _synonyms(one))


def _synonyms(words: Iterable[str]) -> frozenset[str]:
    return frozenset(other for word in words for other in SYNONYMS.get(word, ()))
