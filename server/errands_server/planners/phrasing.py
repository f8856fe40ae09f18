"""Phrasing: enumerations and booleans, which a sentence says in plain words rather than as values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Final

from .clauses import Clause
from .mention import Kind, Mention
from .schemas import Leaf, Type
from .sheets import Sheet
from .words import Word, lexicon, stemmed, stems

_NEGATIONS: Final = lexicon("not no without exclude excluding except never don doesn skip")
# Words that ask for a thing without naming it: `include_owner` is said by "owner".
_ASKING: Final = stemmed("include is has with want show get return only require need use")
_PLAIN: Final = frozenset({Kind.PHRASE, Kind.NAME})
_EXAMPLE: Final = re.compile(r"(?<!\w)['\"]([^'\"]{2,40})['\"](?!\w)")


class Phrasing:
    """The plain words of one clause: outside of values, without the verb that opens it."""

    def __init__(self, clause: Clause, spoken: Iterable[tuple[Word, Mention | None]]) -> None:
        self._first, _ = clause.opening
        self._spoken = spoken

    @cached_property
    def _words(self) -> list[Word]:
        plain = [word for word, mention in self._spoken if mention is None or mention.kind in _PLAIN]
        return [word for n, word in enumerate(plain) if not (n < 4 and word.plain == self._first)]

    @cached_property
    def _stems(self) -> list[str]:
        return [word.stem for word in self._words]

    def find(self, leaf: Leaf, sheet: Sheet) -> tuple[Any, str] | None:
        """The value the words say for an enumeration or a boolean, and why."""
        if leaf.type is Type.BOOLEAN:
            return self._boolean(leaf)
        options = _options(leaf)
        said = [
            option for option in options if self._says(option) and not set(stems(str(option))) <= sheet.nouns
        ]
        if not said:
            return None
        if leaf.array:
            return said, "among the documented values"
        return max(said, key=self._closeness), "a documented value"

    def _closeness(self, option: Any) -> tuple[bool, int]:
        said = str(option).lower()
        return any(word.plain == said for word in self._words), len(said)

    def _says(self, option: Any) -> bool:
        wanted = list(stems(str(option)))
        return self._at(wanted) is not None

    def _at(self, wanted: list[str]) -> int | None:
        places = range(len(self._stems) - len(wanted) + 1)
        return next((n for n in places if wanted and self._stems[n : n + len(wanted)] == wanted), None)

    def _boolean(self, leaf: Leaf) -> tuple[bool, str] | None:
        wanted = leaf.words - _ASKING or leaf.words
        places = [self._stems.index(word) for word in wanted if word in self._stems]
        if len(places) < len(wanted):
            return None
        before = self._words[max(0, min(places) - 3) : min(places)]
        denied = any(word.plain in _NEGATIONS for word in before)
        return not denied, "denied by its name" if denied else "said by its name"


def documented(leaf: Leaf) -> list[Any]:
    """The values of a parameter's enumeration."""
    listed = leaf.schema.get("enum")
    return [option for option in listed if option is not None] if isinstance(listed, list) else []


def _options(leaf: Leaf) -> list[Any]:
    """The values a parameter documents: its enumeration, or what its description quotes."""
    if leaf.type is not Type.TEXT or isinstance(leaf.schema.get("enum"), list):
        return documented(leaf)
    return _EXAMPLE.findall(str(leaf.schema.get("description") or ""))
