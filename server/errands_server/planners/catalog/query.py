"""Demands: what a clause asks for, as an action and weighted words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from .actions import COMMON, MAKING, NOUNS, VERBS, Action, spoken, taken_away
from .clauses import Clause
from .entity import Kind, Mention
from .tokens import STOP, SYNONYMS, Word, lexicon, stem
from .utterance import ClauseFeatures

_OPENING: Final = 2.0  # an uncommon verb, or the very subject: what opens a clause must be met
_ASIDE: Final = 0.4  # words beside the demand itself
_PREPOSITIONS: Final = lexicon("of for in at on with from to by about near between under using named called")
_KIND: Final = 0.3  # the kind of a value says a little of what is asked for
_EMAIL: Final = stem("email")
_WHETHER: Final = lexicon("is are was were has did does")
_AUXILIARIES: Final = lexicon("do have")
_PRONOUNS: Final = lexicon("i you we they")
_COMMON: Final = frozenset(map(stem, COMMON - NOUNS))
_BEFORE_NOUNS: Final = _PREPOSITIONS - {"to"} | lexicon(
    "a an the my our your his her its their this that these those no any some all each every more most"
)
_STOPS: Final = re.compile("[.,;:!?]")
_VALUES: Final = frozenset(Kind) - {Kind.PHRASE, Kind.NAME}


class ClauseQuery(Struct, frozen=True):
    """What a clause asks for: the action, and what each word of it weighs."""

    action: Action | None
    weights: Mapping[str, float]
    said: frozenset[str]
    verb: str = ""  # of a particular kind: only a tool that speaks of it will do
    opening: str = ""  # the stem of the first word
    command: str = ""  # that stem, where it is no common verb and may be one that tools have of their own
    taken: frozenset[str] | None = None  # what is to be deleted, where that is said


def demand(clause: Clause, hearing: ClauseFeatures, knows: Callable[[str], bool]) -> ClauseQuery:
    """What a clause asks for. Values weigh nothing, nor do names of which no tool `knows` the stem, nor
    what an order counts by number."""
    first, second = clause.opening
    action = asked(clause.text, hearing.words)
    if _asks(*clause.words[:2]):
        action = Action.READ
    elif first in MAKING and second not in _PREPOSITIONS:
        action = Action.CREATE
    found = [said.mention for said in hearing.said]
    loose = _loose(hearing, action)
    weights: dict[str, float] = {}
    for word, mention in hearing.words:
        weight = _weight(word, mention, mention not in loose or knows(word.stem))
        if word.plain == first and first not in COMMON:
            weight *= _OPENING
        if not _asked_in(clause, word):
            weight = weight * _ASIDE if knows(word.stem) else 0.0
        if weight:
            weights[word.stem] = max(weights.get(word.stem, 0.0), weight)
    if action is Action.READ and any(mention.kind is Kind.EMAIL for mention in found):
        weights.setdefault(_EMAIL, _KIND)
    return ClauseQuery(
        action=action,
        weights=weights,
        said=_with_synonyms(word.stem for word in clause.words),
        verb=stem(first) if first in VERBS - COMMON else "",
        opening=stem(first),
        command="" if first in COMMON else stem(first),
        taken=_taken(clause, hearing) if action is Action.DELETE else None,
    )


def _taken(clause: Clause, hearing: ClauseFeatures) -> frozenset[str] | None:
    taken = taken_away(clause.text, hearing.words)
    return None if taken is None else _with_synonyms(taken)


def asked(text: str, heard: Sequence[tuple[Word, Mention | None]]) -> Action | None:
    """The action a clause asks for, by its first verb. What is said in values asks for nothing; a word
    behind an article, a preposition or a noun is a noun itself, unless nothing else is a verb."""
    plain = [word for word, mention in heard if mention is None or mention.kind not in _VALUES]
    verbs = [word.plain for before, word in pairwise((None, *plain)) if word and _acts(text, before, word)]
    return spoken(verbs) if not COMMON.isdisjoint(verbs) else spoken(word.plain for word in plain)


def _acts(text: str, before: Word | None, word: Word) -> bool:
    if before is None or _STOPS.search(text, before.end, word.start):
        return True
    return before.plain in STOP and before.plain not in _BEFORE_NOUNS


def _loose(hearing: ClauseFeatures, action: Action | None) -> set[Mention]:
    """Mentions whose words are anybody's guess: names, and what is ordered by number."""
    counted = [line for row in hearing.counted for line in row if line.many.kind is not Kind.ARTICLE]
    names = {said.mention for said in hearing.said if said.mention.kind is Kind.NAME}
    return names if action is Action.READ else names | {line.thing for line in counted}


def _asked_in(clause: Clause, word: Word) -> bool:
    place = clause.start + word.start
    return not clause.asks or any(start <= place < end for start, end in clause.asks)


def _asks(first: Word | None = None, second: Word | None = None) -> bool:
    """Whether a clause opens as a question to be answered with yes or no: `has it been`, `do you have`."""
    if first is None or second is None:
        return False
    return first.plain in _WHETHER or (first.plain in _AUXILIARIES and second.plain in _PRONOUNS)


def _with_synonyms(said: Iterable[str]) -> frozenset[str]:
    own = frozenset(said)
    return own.union(*(SYNONYMS[word] for word in own & SYNONYMS.keys()))


def _weight(word: Word, mention: Mention | None, telling: bool) -> float:
    if word.plain in STOP or not telling:
        return 0.0
    if mention and mention.kind in _VALUES:
        return 0.0
    # A common verb is answered by the action; its word only helps.
    return 0.3 if word.stem in _COMMON else 1.0
