"""Splits an intent into clauses: the separate requests in it, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import dropwhile, islice
from typing import Final

from msgspec import Struct

from .actions import MAKING, NOUNS, QUESTIONS, VERBS
from .entity import Kind, Mention
from .sequences import mention_at
from .tokens import STOP, VAGUE, Word, lexicon, words


class Clause(Struct, frozen=True, dict=True):
    """One request. `text` is `intent[start:end]`; `after`: it must follow the clause before (`then`);
    `asks`: the ranges that hold the request, the rest gives details."""

    text: str
    start: int
    end: int
    after: bool = False
    asks: tuple[tuple[int, int], ...] = ()

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """Its words; their places count from its start."""
        return tuple(words(self.text))

    @cached_property
    def opening(self) -> tuple[str, str]:
        """The first two words of its request, without courtesies."""
        start = self.asks[0][0] - self.start if self.asks else 0
        return opening(self.text[start:])


class _Fragment(Struct, frozen=True):
    start: int
    end: int
    is_request: bool
    after: bool
    asks: tuple[tuple[int, int], ...]


_SEPARATOR: Final = re.compile(
    r"(?P<after>[,;.]?\s{0,3}\b(?:and\s+then|after\s+that|afterwards|finally|then)\b,?\s*)"
    r"|(?P<hard>;\s*|[.!?]+(?=\s|$)\s*|\n+)"
    r"|(?P<soft>,\s*(?:and\s+)?(?:also\s+)?|\s{1,3}and\s+(?:also\s+)?)",
    re.IGNORECASE,
)
_POLITE: Final = lexicon(
    """please kindly i we want need would like to you can could just also id d ll help me us know be able
    go ahead good morning afternoon evening"""
)
# Sentences with these openings give details of a request next to them; they are no request.
_DETAILS: Final = lexicon(
    """include including use using assume assuming consider considering ensure sort limit note given thanks
    thank format return answer apply round explain express don let hello hi hey dear cheers"""
)
_SPEAKERS: Final = lexicon("i we it he she they there my our")
_WISHES: Final = lexicon(
    "want need like would wish d ll love require prefer looking trying interested wondering"
)
_WISHED: Final = 4  # words within which a wish is expressed
_COPULA: Final = re.compile(r"\b(?:is|are|was|were|am|has|have|had)\b|['\u2019](?:m|ve|re)\b", re.IGNORECASE)
# `To plan my trip, ...` and `While in Rome, ...` give a reason or a time.
_CIRCUMSTANCE: Final = re.compile(
    r"^\s*(?:(?:to|while|during|after|before|since|as|if|for|with|in|on|when|whenever|because)\s"
    r"[^,?]*(?:,\s*|$))+",
    re.IGNORECASE,
)
# Words of a request without an object: `could you find that information for me`.
_ASKING: Final = lexicon(
    """help work figure find get give provide show tell look search see check calculate compute determine do
    calculation task request options option suggestions ideas results result right"""
)
_SHORTEST: Final = 12  # words; a longer fragment has an object
_BARE: Final = STOP | VAGUE | QUESTIONS | _ASKING
_OBJECTS: Final = lexicon("it them him")
_ABBREVIATION: Final = re.compile(r"(?:\b[A-Z]|\b(?:Inc|Dr|Mr|Mrs|Ms|St|vs|e\.g|i\.e|No|Ltd|Co))$")
_SHORT: Final = 4  # characters of the longest abbreviation, and one for a line's end


def split_clauses(intent: str, found: Sequence[Mention]) -> tuple[Clause, ...]:
    """Split an intent into its requests, each with its details. Text in quotes is never split."""
    solid = [m for m in found if m.kind not in (Kind.PHRASE, Kind.NAME)]
    merged: list[_Fragment] = []
    for fragment in _fragments(intent, solid):
        if merged and not (fragment.is_request and merged[-1].is_request):
            merged[-1] = _join(merged[-1], fragment)
        else:
            merged.append(fragment)
    return tuple(Clause(intent[f.start : f.end], f.start, f.end, f.after, f.asks) for f in merged)


def _join(left: _Fragment, right: _Fragment) -> _Fragment:
    is_request = left.is_request or right.is_request
    return _Fragment(left.start, right.end, is_request, left.after, left.asks + right.asks)


def _fragments(intent: str, solid: Sequence[Mention]) -> Iterator[_Fragment]:
    start, after = 0, False
    for match in _SEPARATOR.finditer(intent):
        if mention_at(solid, match.start()) or not _is_separator(intent, start, match):
            continue
        if intent[start : match.start()].strip():
            yield _fragment(intent, start, match.start(), after)
        start, after = match.end(), match["after"] is not None
    if intent[start:].strip():
        yield _fragment(intent, start, len(intent), after)


def _is_separator(intent: str, start: int, match: re.Match[str]) -> bool:
    if match["hard"]:
        return not _ABBREVIATION.search(intent, max(0, match.start() - _SHORT), match.start())
    if match["after"]:
        return True
    # A verb behind a comma begins a request only after another request: `Given x, find y` is one.
    return _is_command(intent[match.end() : match.end() + 80]) and _is_request(intent[start : match.start()])


def _is_command(text: str) -> bool:
    first, second = opening(text)
    if first in NOUNS | MAKING:
        return second in STOP or second.isdigit()
    return first in VERBS or second in _OBJECTS


def _fragment(intent: str, start: int, end: int, after: bool) -> _Fragment:
    is_request = _is_request(intent[start:end], question=intent[end : end + 1] == "?")
    return _Fragment(start, end, is_request, after, ((start, end),) if is_request else ())


def _is_request(text: str, *, question: bool = False) -> bool:
    """Whether a fragment is a request, not a detail of one. A question is a request."""
    text = _CIRCUMSTANCE.sub("", text)
    first, _ = opening(text)
    if not first or first in _DETAILS or _is_bare(text):
        return False
    if question or first in QUESTIONS:
        return True
    return not _is_statement(text) and (first in VERBS or first not in STOP)


def _is_bare(text: str) -> bool:
    """Whether a fragment is short and has no object."""
    spoken = [word.plain for word in islice(words(text), _SHORTEST)]
    return len(spoken) < _SHORTEST and all(plain in _BARE or plain.isdigit() for plain in spoken)


def _is_statement(text: str) -> bool:
    """Whether a fragment only states a fact: `I am in Rome`, `my budget is 5`, `today is Friday`."""
    spoken = list(islice((word.plain for word in words(text)), _WISHED))
    if not _WISHES.isdisjoint(spoken):
        return False
    return spoken[0] in _SPEAKERS or (_COPULA.search(text) is not None and opening(text)[0] not in VERBS)


def opening(text: str) -> tuple[str, str]:
    """The first two words without courtesies, lower-cased; empty where there are none."""
    rest = dropwhile(_POLITE.__contains__, (word.plain for word in words(text)))
    return next(rest, ""), next(rest, "")


def opening_of_request(text: str) -> tuple[str, str]:
    """The same, behind what only gives a reason or a time."""
    return opening(_CIRCUMSTANCE.sub("", text))
