"""Objects: what it is that a tool takes away, and what a clause asks to be taken away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import dropwhile, pairwise, takewhile
from typing import Final

from ..domain.tool import Tool
from .actions import VERBS, Action, spoken
from .mention import Kind, Mention
from .words import GENERIC, STOP, Word, lexicon, parts, stem

SIDES: Final = lexicon("of for in at on with from to by about under using behind where whose that which")
_LEADING: Final = STOP - SIDES
_JOINTS: Final = lexicon("and or")  # `a branch or tag policy` is a policy
_STOPS: Final = re.compile(r"[,;:.!?]\s")
_WHOLE: Final = lexicon("all every each bulk multiple")
_SENTENCE: Final = re.compile(r"[.,;:\n]")


def heads(tool: Tool, named: list[str]) -> frozenset[str]:
    """The nouns of which one must be said where a tool is to delete something: `/branches/{name}/protection`
    takes a protection and leaves the branch. None where its description does not tell."""
    told = [parts(tool.title), named]
    if not (tool.method == "DELETE" and tool.path):
        told.append(parts(_SENTENCE.split(tool.description)[0]))
    found = frozenset(stem(word) for words in told for word in _object(words))
    return found | _last_segment(tool.path) if tool.method == "DELETE" else found


def sweeps(tool: Tool) -> bool:
    """Whether a tool is for all there is of something, by its title or name."""
    return not _WHOLE.isdisjoint([*parts(tool.title), *parts(tool.name)])


def verbs(tool: Tool, named: list[str]) -> frozenset[str]:
    """The stem of the word a tool's title opens with, which may be a verb of its own; without a title, of
    its name."""
    titled = parts(tool.title) if tool.title != tool.name else []
    return frozenset(stem(word) for word in (titled or named)[:1])


def _object(words: list[str]) -> Iterator[str]:
    """The noun behind a verb that deletes; a name may have its verb behind: `order_delete`."""
    if words and not _deletes(words[0]):
        words = words[-1:] + words[:-1]
    if not words or not _deletes(words[0]):
        return
    nouns = takewhile(lambda word: word not in STOP - _JOINTS, dropwhile(_LEADING.__contains__, words[1:]))
    yield from [word for word in nouns if word not in _JOINTS and stem(word) not in GENERIC][-1:]


def _deletes(word: str) -> bool:
    return spoken([word]) is Action.DELETE or (word.endswith("s") and spoken([word[:-1]]) is Action.DELETE)


def _last_segment(path: str) -> frozenset[str]:
    plain = [words for part in path.split("/") if "{" not in part and (words := _nouns(part))]
    return frozenset(stem(word) for word in plain[-1][-1:]) if plain else frozenset()


def _nouns(segment: str) -> list[str]:
    return [word for word in parts(segment) if word not in VERBS and word not in STOP]


def taken_away(text: str, heard: Sequence[tuple[Word, Mention | None]]) -> frozenset[str] | None:
    """The stems of what a clause asks to be deleted: what stands behind the verb, up to where that is, or
    whose. Empty: it says something else first. None: it only points, or gives a value."""
    behind = list(dropwhile(lambda pair: not _deletes(pair[0].plain), heard))
    if len(behind) > 1 and behind[1][0].plain in SIDES:
        return frozenset()
    said = _up_to_a_side(text, behind)
    plain = (w for w, mention in said if mention is None or mention.kind is Kind.PHRASE)
    return frozenset(w.stem for w in plain if w.plain not in STOP and not _owns(w)) or None


def _up_to_a_side(
    text: str, behind: Sequence[tuple[Word, Mention | None]]
) -> Iterator[tuple[Word, Mention | None]]:
    for (before, _), (word, mention) in pairwise(behind):
        if word.plain in SIDES or _STOPS.search(text, before.end, word.start):
            return
        yield word, mention


def _owns(word: Word) -> bool:
    return "'" in word.text or "\u2019" in word.text
