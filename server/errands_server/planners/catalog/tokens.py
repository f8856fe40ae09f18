"""Words: how identifiers and sentences become comparable stems."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import snowballstemmer  # type: ignore[import-untyped]  # ships no types
from msgspec import Struct

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PART: Final = re.compile(r"[^\W\d_]+|\d+")
_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_STEMMER: Final = snowballstemmer.stemmer("english")
# Irregular plurals.
_PLURALS: Final = {
    "children": "child",
    "people": "person",
    "men": "man",
    "women": "woman",
    "feet": "foot",
    "teeth": "tooth",
    "mice": "mouse",
}
# No English ending ends in one of these, so what does is its own stem.
_ENDLESS: Final = frozenset("abfhjkopquvwxz0123456789")


def lexicon(text: str) -> frozenset[str]:
    """A set of words, written as one text."""
    return frozenset(text.split())


def base(word: str) -> str:
    """A word in lower case, ended by its first apostrophe: `What's` is what."""
    return word.lower().replace("\u2019", "'").partition("'")[0]


@lru_cache(maxsize=32_768)
def stem(word: str) -> str:
    """The stem under which forms of one word meet."""
    plain = _PLURALS.get(base(word)) or base(word)
    return plain if plain[-1:] in _ENDLESS else str(_STEMMER.stemWord(plain))


@lru_cache(maxsize=8_192)
def _forms(written: str) -> tuple[str, str]:
    plain = base(written)
    return plain, stem(plain)


def stemmed(text: str) -> frozenset[str]:
    """A set of stems, written as one text."""
    return frozenset(map(stem, text.split()))


# Words that are never content.
STOP: Final = lexicon(
    """a about above after all also an and any are as at be been before being below between both but by can
    could did do does each every for from given had has have having he her here hers him his how i if many
    much in into is it its just kindly let like me mine more most my need no not now of off on onto or our
    out over per please she should so some such than thank thanks that the their them then there these
    they this those through to under until up us using via want was we were what when where which while
    who whom whose why will with within without would you your near nearby around during against least e.g
    based related according s t d ll re ve m hi hey hello dear ok okay yes sure sorry"""
)
# Words before a noun that add nothing to it.
VAGUE: Final = lexicon(
    """information info detail details data current currently latest next last upcoming recent following
    provided total one certain specific particular various different new"""
)
# Words a name carries without becoming more particular: `customer_name` is about customers.
GENERIC: Final = stemmed("id name number num value code key of the in is")

# Synonyms.
_SAME: Final = tuple(
    tuple(group.split())
    for group in """customer client buyer
    email mail
    meeting appointment event
    task todo reminder
    product item article
    purchase buy order
    price cost
    picture image photo
    film movie
    location place city town
    person contact
    user account
    weather forecast
    message note
    invoice bill
    ticket issue
    repository repo
    organization organisation org
    application app
    environment env
    configuration config
    directory dir
    reference ref
    database db""".splitlines()
)


class Word(Struct, frozen=True):
    """One word of a sentence, with its place in it."""

    text: str
    plain: str  # lower case, without 's and the like
    stem: str
    start: int
    end: int


def parts(identifier: str) -> list[str]:
    """The words of an identifier or free text, lower-cased: `customerId2` is customer, id, 2."""
    return [part.lower() for part in _PART.findall(_HUMP.sub(" ", identifier))]


@lru_cache(maxsize=4_096)
def spelled(identifier: str) -> str:
    """An identifier as people write it: `customerId` is customer id."""
    return " ".join(parts(identifier))


def stems(text: str) -> tuple[str, ...]:
    """The stems of an identifier or free text, in order, repeats kept."""
    return tuple(stem(part) for part in parts(text))


def content(text: str) -> tuple[str, ...]:
    """The stems of the content words of a text."""
    return tuple(stem(part) for part in parts(text) if part not in STOP)


def words(text: str) -> Iterator[Word]:
    """The words of a sentence; `Ada's` is one, `pet-friendly` two."""
    for match in _WORD.finditer(text):
        written = match.group()
        yield Word(written, *_forms(written), *match.span())


def _synonyms() -> dict[str, tuple[str, ...]]:
    groups = [tuple(stem(word) for word in group) for group in _SAME]
    return {word: tuple(other for other in group if other != word) for group in groups for word in group}


SYNONYMS: Final = _synonyms()
