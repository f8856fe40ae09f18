"""Queries: what a clause asks for, as an action and weighted words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from .actions import COMMON, MAKING, NOUNS, VERBS, Action, action_of, deleted_words
from .clauses import Clause
from .entity import Kind, Mention
from .tokens import STOP, SYNONYMS, Word, lexicon, stem
from .utterance import ClauseFeatures

_OPENING: Final = 2.0  # an uncommon verb or the subject opens a clause: it must match
_ASIDE: Final = 0.4  # words in details of the request
_PREPOSITIONS: Final = lexicon("of for in at on with from to by about near between under using named called")
_KIND: Final = 0.3  # the kind of a value is a weak cue of what is asked for
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
    """What a clause asks for, for ranking tools."""

    action: Action | None
    weights: Mapping[str, float]  # of its stems
    stems: frozenset[str]
    verb: str = ""  # a particular one: only a tool whose text has it can serve
    opening: str = ""  # the stem of the first word
    command: str = ""  # that stem, if it is no common verb: it may be the own verb of a tool
    deleted: frozenset[str] | None = None  # what is to be deleted, if that is named


def build_query(clause: Clause, features: ClauseFeatures, has_word: Callable[[str], bool]) -> ClauseQuery:
    """The query of a clause. These weigh nothing: values, names with a stem that no tool `knows`, and
    things that an order counts by number."""
    first, second = clause.opening
    action = asked_action(clause.text, features.words)
    if _is_yes_no_question(*clause.words[:2]):
        action = Action.READ
    elif first in MAKING and second not in _PREPOSITIONS:
        action = Action.CREATE
    found = [entity.mention for entity in features.entities]
    loose = _guessed_mentions(features, action)
    weights: dict[str, float] = {}
    for word, mention in features.words:
        weight = _weight(word, mention, mention not in loose or has_word(word.stem))
        if word.plain == first and first not in COMMON:
            weight *= _OPENING
        if not _is_in_question(clause, word):
            weight = weight * _ASIDE if has_word(word.stem) else 0.0
        if weight:
            weights[word.stem] = max(weights.get(word.stem, 0.0), weight)
    if action is Action.READ and any(mention.kind is Kind.EMAIL for mention in found):
        weights.setdefault(_EMAIL, _KIND)
    return ClauseQuery(
        action=action,
        weights=weights,
        stems=_with_synonyms(word.stem for word in clause.words),
        verb=stem(first) if first in VERBS - COMMON else "",
        opening=stem(first),
        command="" if first in COMMON else stem(first),
        deleted=_deleted(clause, features) if action is Action.DELETE else None,
    )


def _deleted(clause: Clause, features: ClauseFeatures) -> frozenset[str] | None:
    deleted = deleted_words(clause.text, features.words)
    return None if deleted is None else _with_synonyms(deleted)


def asked_action(text: str, heard: Sequence[tuple[Word, Mention | None]]) -> Action | None:
    """The action a clause asks for, by its first verb. Words of values do not count; a word behind an
    article, a preposition or a noun is a noun, unless there is no other verb."""
    plain = [word for word, mention in heard if mention is None or mention.kind not in _VALUES]
    verbs = [word.plain for before, word in pairwise((None, *plain)) if word and _is_verb(text, before, word)]
    return action_of(verbs) if not COMMON.isdisjoint(verbs) else action_of(word.plain for word in plain)


def _is_verb(text: str, before: Word | None, word: Word) -> bool:
    if before is None or _STOPS.search(text, before.end, word.start):
        return True
    return before.plain in STOP and before.plain not in _BEFORE_NOUNS


def _guessed_mentions(features: ClauseFeatures, action: Action | None) -> set[Mention]:
    """Mentions whose words count only if a tool knows them: names, and things ordered by number."""
    counted = [line for row in features.counted for line in row if line.many.kind is not Kind.ARTICLE]
    names = {entity.mention for entity in features.entities if entity.mention.kind is Kind.NAME}
    return names if action is Action.READ else names | {line.thing for line in counted}


def _is_in_question(clause: Clause, word: Word) -> bool:
    place = clause.start + word.start
    return not clause.asks or any(start <= place < end for start, end in clause.asks)


def _is_yes_no_question(first: Word | None = None, second: Word | None = None) -> bool:
    """Whether a clause opens as a yes-no question: `has it been`, `do you have`."""
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
    # A common verb is matched by the action; its word only helps.
    return 0.3 if word.stem in _COMMON else 1.0
