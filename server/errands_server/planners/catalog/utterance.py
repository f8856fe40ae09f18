"""Features of a clause: its entities, its words and its plain-word values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from ...domain.plan import Path
from ...domain.tool import ToolRef
from .actions import Action, action_of
from .clauses import Clause
from .cues import EntityContext, extract_contexts
from .entity import Kind, Mention, Series
from .numbers import Row, find_counts
from .parameters import ToolParameter, Type
from .scoring import SlotScore, score
from .sequences import find_pairs, find_series, find_tails, words_with_mentions
from .tokens import Word, lexicon, stem, stemmed, stems
from .tool_profile import ToolProfile

_NEGATIONS: Final = lexicon("not no without exclude excluding except never don doesn skip")
# Words that a clause may leave out: `include_owner` matches "owner".
_ASKING: Final = stemmed("include is has with want show get return only require need use")
# Literal values are never words of an option.
_SOLID: Final = frozenset({Kind.QUOTED, Kind.URL, Kind.EMAIL, Kind.UUID, Kind.EXPRESSION, Kind.IDENTIFIER})
_SEVERAL: Final = 2  # actions that an enumeration of actions has at least
_EXAMPLE: Final = re.compile(r"(?<!\w)['\"]([^'\"]{2,40})['\"](?!\w)")


class PhrasedValue(Struct, frozen=True):
    """A value in plain words, the reason for it, and the stems of these words."""

    value: Any
    why: str
    words: frozenset[str]


class Phrasing:
    """The plain words of one clause: without literal values and the opening verb."""

    def __init__(self, clause: Clause, words: Iterable[tuple[Word, Mention | None]]) -> None:
        self._first, _ = clause.opening
        self._words_spoken = words

    @cached_property
    def _words(self) -> list[Word]:
        plain = [
            word for word, mention in self._words_spoken if mention is None or mention.kind not in _SOLID
        ]
        return [word for n, word in enumerate(plain) if not (n < 4 and word.plain == self._first)]

    @cached_property
    def _stems(self) -> list[str]:
        return [word.stem for word in self._words]

    def find(self, parameter: ToolParameter, profile: ToolProfile) -> PhrasedValue | None:
        """The value in plain words for an enumeration or a boolean."""
        if parameter.type is Type.BOOLEAN:
            return self._boolean(parameter, {"true": True, "false": False})
        options = _options(parameter)
        truths = {str(option).lower(): option for option in options}
        if "true" in truths and "false" in truths:
            return self._boolean(parameter, truths)
        brought = filter(self._brings_about, parameter.states if profile.action is Action.UPDATE else ())
        if (state := next(brought, None)) is not None:
            return PhrasedValue(state, f"what {self._first!r} brings about", frozenset({stem(self._first)}))
        said = [
            option
            for option in options
            if self._says(option) and not set(stems(str(option))) <= profile.nouns
        ]
        if not said:
            return self._chosen_action(options)
        if parameter.array:
            words = frozenset(word for option in said for word in stems(str(option)))
            return PhrasedValue(said, "among the documented values", words)
        chosen = max(said, key=self._closeness)
        return PhrasedValue(chosen, "a documented value", frozenset(stems(str(chosen))))

    def _chosen_action(self, options: list[Any]) -> PhrasedValue | None:
        """The option for the action that the clause opens with: `remove` is delete."""
        asked = action_of([self._first])
        actions = [action_of([str(option).lower()]) for option in options]
        if asked is None or actions.count(asked) != 1 or len({*actions} - {None}) < _SEVERAL:
            return None
        return PhrasedValue(options[actions.index(asked)], "the action asked for", frozenset())

    def _brings_about(self, state: str) -> bool:
        """Whether the clause opens with the verb of a state: `close` of `closed`."""
        return state.lower() != self._first and stem(state) == stem(self._first)

    def _closeness(self, option: Any) -> tuple[bool, int]:
        said = str(option).lower()
        return any(word.plain == said for word in self._words), len(said)

    def _says(self, option: Any) -> bool:
        wanted = list(stems(str(option)))
        return self._position_of(wanted) is not None

    def _position_of(self, wanted: list[str]) -> int | None:
        places = range(len(self._stems) - len(wanted) + 1)
        return next((n for n in places if wanted and self._stems[n : n + len(wanted)] == wanted), None)

    def _boolean(self, parameter: ToolParameter, truths: Mapping[str, Any]) -> PhrasedValue | None:
        wanted = parameter.words - _ASKING or parameter.words
        places = [self._stems.index(word) for word in wanted if word in self._stems]
        if not places or (len(places) < len(wanted) and not parameter.required):
            return None
        before = self._words[max(0, min(places) - 3) : min(places)]
        denied = any(word.plain in _NEGATIONS for word in before)
        if denied:
            return PhrasedValue(truths["false"], "denied by its name", wanted)
        return PhrasedValue(truths["true"], "said by its name", wanted)


def documented_values(parameter: ToolParameter) -> list[Any]:
    """The values of a parameter's enumeration."""
    listed = parameter.schema.get("enum")
    return [option for option in listed if option is not None] if isinstance(listed, list) else []


def _options(parameter: ToolParameter) -> list[Any]:
    """The documented values of a parameter: its enumeration, or quotes in its description."""
    if parameter.type is not Type.TEXT or isinstance(parameter.schema.get("enum"), list):
        return documented_values(parameter)
    return _EXAMPLE.findall(str(parameter.schema.get("description") or ""))


ScoreCache: TypeAlias = dict[tuple[Path, int, frozenset[str]], SlotScore | None]


class ClauseFeatures(Struct, frozen=True):
    """What slot filling needs of one clause."""

    entities: tuple[EntityContext, ...]
    words: tuple[tuple[Word, Mention | None], ...]  # each with the mention it is part of
    rows: tuple[Series, ...]
    pairs: tuple[Series, ...]
    tails: Mapping[Mention, tuple[Mention, str]]  # the continuation of a mention, and the text of both
    phrasing: Phrasing
    counted: tuple[Row, ...]
    scores: dict[ToolRef, ScoreCache] = msgspec.field(default_factory=dict)  # cache of `score`

    def score(
        self, parameter: ToolParameter, entity: EntityContext, profile: ToolProfile, spent: frozenset[str]
    ) -> SlotScore | None:
        """The score of a mention for a parameter, without words spent on other values; cached."""
        known = self.scores.setdefault(profile.candidate.ref, {})
        key = (parameter.path, entity.mention.start, spent)
        if key not in known:
            known[key] = score(parameter, entity, profile, spent)
        return known[key]

    def restricted_to(self, mention: Mention) -> ClauseFeatures:
        """These features with this mention only."""
        entities = tuple(entity for entity in self.entities if entity.mention == mention)
        return msgspec.structs.replace(self, entities=entities, rows=())

    def counts_for(self, profile: ToolProfile) -> Row:
        """The counts for a tool that takes quantities: the series with most numbers, the first of such."""
        if not profile.quantities:
            return ()
        rows = [
            row
            for row in self.counted
            if not any(profile.subject_words.intersection(line.stems[-1:]) for line in row)
        ]
        return max(rows, key=_numbers, default=())


def _numbers(row: Row) -> int:
    return sum(line.many.kind is not Kind.ARTICLE for line in row)


def extract_features(intent: str, clause: Clause, found: Sequence[Mention]) -> ClauseFeatures:
    """Extract the features of one clause of an intent."""
    inside = tuple(m for m in found if clause.start <= m.start and m.end <= clause.end)
    words = tuple(words_with_mentions(clause.words, inside, clause.start))
    in_rows = tuple(find_series(intent, inside))
    return ClauseFeatures(
        entities=tuple(extract_contexts(intent, clause, inside, in_rows)),
        words=words,
        rows=in_rows,
        pairs=tuple(find_pairs(intent, inside)),
        tails=find_tails(intent, inside),
        phrasing=Phrasing(clause, words),
        counted=find_counts(intent, inside),
    )
