"""Demands: what a clause asks for, as an action and weighted words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from .actions import COMMON, NOUNS, VERBS, Action, spoken
from .clauses import Clause, opening
from .mentions import Kind, Mention, covering
from .words import STOP, SYNONYMS, Word, lexicon, stem, words

_BEHIND: Final = 0.4  # words behind a preposition say with what, not what
_OPENING: Final = 2.0  # an uncommon verb, or the very subject: what opens a clause must be met
_PREPOSITIONS: Final = lexicon("of for in at on with from to by about near between under using named called")
_VALUES: Final = frozenset(Kind) - {Kind.PHRASE, Kind.NAME}


class Demand(Struct, frozen=True):
    """What a clause asks for: the action, and what each word of it weighs."""

    action: Action | None
    weights: Mapping[str, float]
    said: frozenset[str]
    verb: str = ""  # of a particular kind: only a tool that speaks of it will do


def demand(clause: Clause, found: Sequence[Mention], knows: Callable[[str], bool]) -> Demand:
    """What a clause asks for. Values weigh nothing, nor do names of which no tool `knows` the stem."""
    first, _ = opening(clause.text)
    spoken_words = list(words(clause.text))
    weights: dict[str, float] = {}
    share = 1.0
    for word in spoken_words:
        share = _BEHIND if weights and word.plain in _PREPOSITIONS else share
        weight = share * _weight(word, covering(found, clause.start + word.start), knows)
        if word.plain == first and first not in COMMON:
            weight *= _OPENING
        if weight:
            weights[word.stem] = max(weights.get(word.stem, 0.0), weight)
    return Demand(
        action=spoken(word.plain for word in spoken_words),
        weights=weights,
        said=_with_synonyms(word.stem for word in spoken_words),
        verb=stem(first) if first in VERBS - COMMON else "",
    )


def _with_synonyms(said: Iterable[str]) -> frozenset[str]:
    own = frozenset(said)
    return own.union(*(SYNONYMS.get(word, ()) for word in own))


def _weight(word: Word, mention: Mention | None, knows: Callable[[str], bool]) -> float:
    if word.plain in STOP:
        return 0.0
    if mention and mention.kind in _VALUES:
        return 0.0
    if mention and mention.kind is Kind.NAME and not knows(word.stem):
        return 0.0
    # A common verb is answered by the action; its word only helps.
    return 0.3 if word.plain in COMMON - NOUNS else 1.0
