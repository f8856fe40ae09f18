"""Hearing: what one clause of an intent offers to the parameters of tools."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from ...domain.plan import Path
from ...domain.tool import ToolRef
from .actions import Action, spoken
from .clauses import Clause
from .cues import EntityContext, surroundings
from .entity import Kind, Mention, Series
from .numbers import Row, rows
from .parameters import ToolParameter, Type
from .scoring import SlotScore, score
from .sequences import beneath, pairs, series, tails
from .tokens import Word, lexicon, stem, stemmed, stems
from .tool_profile import ToolProfile

_NEGATIONS: Final = lexicon("not no without exclude excluding except never don doesn skip")
# Words that ask for a thing without naming it: `include_owner` is said by "owner".
_ASKING: Final = stemmed("include is has with want show get return only require need use")
# What is said word for word means itself, and chooses nothing.
_SOLID: Final = frozenset({Kind.QUOTED, Kind.URL, Kind.EMAIL, Kind.UUID, Kind.EXPRESSION, Kind.IDENTIFIER})
_SEVERAL: Final = 2  # actions an enumeration of them has at least
_EXAMPLE: Final = re.compile(r"(?<!\w)['\"]([^'\"]{2,40})['\"](?!\w)")


class Phrased(Struct, frozen=True):
    """A value said in plain words, why it is meant, and the stems of the words it is said in."""

    value: Any
    why: str
    words: frozenset[str]


class Phrasing:
    """The plain words of one clause: outside of values, without the verb that opens it."""

    def __init__(self, clause: Clause, spoken: Iterable[tuple[Word, Mention | None]]) -> None:
        self._first, _ = clause.opening
        self._spoken = spoken

    @cached_property
    def _words(self) -> list[Word]:
        plain = [word for word, mention in self._spoken if mention is None or mention.kind not in _SOLID]
        return [word for n, word in enumerate(plain) if not (n < 4 and word.plain == self._first)]

    @cached_property
    def _stems(self) -> list[str]:
        return [word.stem for word in self._words]

    def find(self, leaf: ToolParameter, sheet: ToolProfile) -> Phrased | None:
        """The value the words say for an enumeration or a boolean."""
        if leaf.type is Type.BOOLEAN:
            return self._boolean(leaf, {"true": True, "false": False})
        options = _options(leaf)
        truths = {str(option).lower(): option for option in options}
        if "true" in truths and "false" in truths:
            return self._boolean(leaf, truths)
        brought = filter(self._brings, leaf.states if sheet.action is Action.UPDATE else ())
        if (state := next(brought, None)) is not None:
            return Phrased(state, f"what {self._first!r} brings about", frozenset({stem(self._first)}))
        said = [
            option for option in options if self._says(option) and not set(stems(str(option))) <= sheet.nouns
        ]
        if not said:
            return self._done(options)
        if leaf.array:
            words = frozenset(word for option in said for word in stems(str(option)))
            return Phrased(said, "among the documented values", words)
        chosen = max(said, key=self._closeness)
        return Phrased(chosen, "a documented value", frozenset(stems(str(chosen))))

    def _done(self, options: list[Any]) -> Phrased | None:
        """The one of several actions the clause opens with: `remove` is delete."""
        asked = spoken([self._first])
        actions = [spoken([str(option).lower()]) for option in options]
        if asked is None or actions.count(asked) != 1 or len({*actions} - {None}) < _SEVERAL:
            return None
        return Phrased(options[actions.index(asked)], "the action asked for", frozenset())

    def _brings(self, state: str) -> bool:
        """Whether the clause opens with the verb of which a state is the participle: `close`, `closed`."""
        return state.lower() != self._first and stem(state) == stem(self._first)

    def _closeness(self, option: Any) -> tuple[bool, int]:
        said = str(option).lower()
        return any(word.plain == said for word in self._words), len(said)

    def _says(self, option: Any) -> bool:
        wanted = list(stems(str(option)))
        return self._at(wanted) is not None

    def _at(self, wanted: list[str]) -> int | None:
        places = range(len(self._stems) - len(wanted) + 1)
        return next((n for n in places if wanted and self._stems[n : n + len(wanted)] == wanted), None)

    def _boolean(self, leaf: ToolParameter, truths: Mapping[str, Any]) -> Phrased | None:
        wanted = leaf.words - _ASKING or leaf.words
        places = [self._stems.index(word) for word in wanted if word in self._stems]
        if not places or (len(places) < len(wanted) and not leaf.required):
            return None
        before = self._words[max(0, min(places) - 3) : min(places)]
        denied = any(word.plain in _NEGATIONS for word in before)
        if denied:
            return Phrased(truths["false"], "denied by its name", wanted)
        return Phrased(truths["true"], "said by its name", wanted)


def documented(leaf: ToolParameter) -> list[Any]:
    """The values of a parameter's enumeration."""
    listed = leaf.schema.get("enum")
    return [option for option in listed if option is not None] if isinstance(listed, list) else []


def _options(leaf: ToolParameter) -> list[Any]:
    """The values a parameter documents: its enumeration, or what its description quotes."""
    if leaf.type is not Type.TEXT or isinstance(leaf.schema.get("enum"), list):
        return documented(leaf)
    return _EXAMPLE.findall(str(leaf.schema.get("description") or ""))


Weighed: TypeAlias = dict[tuple[Path, int, frozenset[str]], SlotScore | None]


class ClauseFeatures(Struct, frozen=True):
    """What one clause offers: its mentions in their surroundings, their rows, its plain words."""

    said: tuple[EntityContext, ...]
    words: tuple[tuple[Word, Mention | None], ...]  # each with the mention it is part of
    rows: tuple[Series, ...]
    pairs: tuple[Series, ...]
    tails: Mapping[Mention, tuple[Mention, str]]  # what may go on behind a mention, and the whole text
    phrasing: Phrasing
    counted: tuple[Row, ...]
    weighed: dict[ToolRef, Weighed] = msgspec.field(default_factory=dict)  # what is known already

    def score(
        self, leaf: ToolParameter, said: EntityContext, sheet: ToolProfile, spent: frozenset[str]
    ) -> SlotScore | None:
        """What speaks for giving a mention to a parameter, without words spent on other values; asked
        again it answers from memory."""
        known = self.weighed.setdefault(sheet.candidate.ref, {})
        key = (leaf.path, said.mention.start, spent)
        if key not in known:
            known[key] = score(leaf, said, sheet, spent)
        return known[key]

    def only(self, mention: Mention) -> ClauseFeatures:
        """Nothing but this mention of it."""
        said = tuple(said for said in self.said if said.mention == mention)
        return msgspec.structs.replace(self, said=said, rows=())

    def row(self, sheet: ToolProfile) -> Row:
        """What a tool that takes quantities is asked for: the row with most numbers, the first of such."""
        if not sheet.quantities:
            return ()
        rows = [
            row for row in self.counted if not any(sheet.known.intersection(line.stems[-1:]) for line in row)
        ]
        return max(rows, key=_numbers, default=())


def _numbers(row: Row) -> int:
    return sum(line.many.kind is not Kind.ARTICLE for line in row)


def hearing(intent: str, clause: Clause, found: Sequence[Mention]) -> ClauseFeatures:
    """What one clause of an intent offers."""
    inside = tuple(m for m in found if clause.start <= m.start and m.end <= clause.end)
    spoken = tuple(beneath(clause.words, inside, clause.start))
    in_rows = tuple(series(intent, inside))
    return ClauseFeatures(
        said=tuple(surroundings(intent, clause, inside, in_rows)),
        words=spoken,
        rows=in_rows,
        pairs=tuple(pairs(intent, inside)),
        tails=tails(intent, inside),
        phrasing=Phrasing(clause, spoken),
        counted=rows(intent, inside),
    )
