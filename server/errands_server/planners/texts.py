"""Texts: which words of a sentence a parameter for text wants, where nothing names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .mention import Kind
from .schemas import Leaf
from .sheets import Sheet
from .surroundings import Said
from .words import lexicon, stemmed, stems, words

# Things that have names of their own, and words that only sort things.
_NAMED: Final = stemmed(
    """name person player artist author actor director composer celebrity team company brand league store
    city country state region location place address destination origin station airport museum hotel
    restaurant landmark title"""
)
SORTED: Final = stemmed("type kind genre category material color style format unit level mode field")
_PREPOSITIONS: Final = lexicon("of for about on in with from to")

_PROPER: Final = 0.5  # a name, where something with a name is wanted; a phrase loses half of it
_OBJECT: Final = 0.15  # a phrase behind a preposition: `the history of tea`
_HACKNEYED: Final = 0.2  # what a phrase loses all of whose words the tool itself uses


def leaning(leaf: Leaf, said: Said, value: str, sheet: Sheet) -> float:
    """How much rather, or less, a text parameter wants these words than others of their kind."""
    named = bool(leaf.words & _NAMED)
    if said.mention.kind is Kind.NAME:
        return _PROPER if named else 0.0
    if said.mention.kind is not Kind.PHRASE:
        return 0.0
    behind = _OBJECT if said.cues & _PREPOSITIONS else 0.0
    hackneyed = _HACKNEYED * _share(value, sheet.terms)
    return behind - hackneyed - (_PROPER / 2 if named else 0.0)


def _share(text: str, terms: Mapping[str, float]) -> float:
    found = stems(text)
    return sum(word in terms for word in found) / max(len(found), 1)


def trimmed(phrase: str, own: frozenset[str], known: frozenset[str]) -> tuple[str | None, bool]:
    """A phrase without the argument's `own` and other `known` words at its ends; whether an own one went."""
    inner = list(words(phrase))
    stripped = False
    for at in (-1, 0):
        while inner and inner[at].stem in own | known:
            stripped = stripped or inner[at].stem in own
            inner.pop(at)
    return (phrase[inner[0].start : inner[-1].end], stripped) if inner else (None, False)
