"""Entity extraction: the values in a sentence, each with its kind and its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import takewhile
from typing import Final

from .actions import QUESTIONS, VERBS
from .dates import find_hours, find_moments
from .entity import Kind, Mention
from .numbers import find_numbers, quantities_measured
from .tokens import STOP, VAGUE, lexicon, stem, words

_QUOTED: Final = re.compile(
    r""""([^"]+)"|\u201c([^\u201d]+)\u201d|\u2018([^\u2019]+)\u2019|`([^`]+)`|(?<!\w)'([^']+(?:'\w[^']*)*)'(?!\w)"""
)
# What JSON is made of: brackets, and texts, whose brackets are none.
_BRACKET: Final = re.compile(r"[][{}]|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'(?=\s*[]:,}])")
_CLOSES: Final = {"]": "[", "}": "{"}
# A sum of terms in variables of one letter: `3x^2 + 2x - 1`.
_TERM: Final = r"(?:\d++(?:\.\d++)?+)?+(?:[a-z](?:(?:\^|\*\*)[\w.]++)?+)?+"
_EXPRESSION: Final = re.compile(
    rf"(?<![\w/^.])(?=\w*+(?:[\^*]|\s?[-+=]))(?=[\da-z])(?:[a-z]\s?=\s?)?+{_TERM}(?:\s?[-+*]\s?(?=[\da-z]){_TERM})*+(?![\w^/])"
)
_VARIABLE: Final = re.compile(r"\d[a-z]\s?[-+*]|[a-z](?:\^|\*\*)\w|[-+*]\s?\d+[a-z]|[a-z]\s?[-+*]\s?\d")
_SPOKEN: Final = re.compile(r"^on\s+", re.IGNORECASE)
_SCIENTIFIC: Final = re.compile(r"[\d.]+e[-+]\d+")
_URL: Final = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_UUID: Final = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_FILE: Final = re.compile(r"(?<![\w/])(?:~|[A-Za-z]:)?/[\w./-]*\w")
# Letters and digits in one word (ORD-17, rs6034464), digits in groups (555-1234), 2022/AL2562.
_IDENTIFIER: Final = re.compile(
    r"(?<![\w.^-])(?:#?(?=[\w/-]*\d)[A-Za-z_]+(?:[-_/]?\w+)*|\d+(?:-\d+)+|\d+[-/_][A-Z]\w*)(?![\w^])"
)
# A word that begins with a digit and is no number: 7b, 5d8f7c9b6d-2xkqz, an ObjectId.
_MIXED: Final = re.compile(r"(?<![\w.,/^$€£-])\d(?=[\w-]*[A-Za-z_])\w*(?:-\w+)*(?![\w^/]|\.\d)")
_COUNTED: Final = re.compile(
    r"\d+(?:(?P<unit>[a-z°µ]{1,4})|e[-+]?\d+|-[a-z]{2,})", re.IGNORECASE
)  # 70kg, 3rd, 1e3, 5-star
_UNITS: Final = lexicon("st nd rd th am pm h hr hrs d s sec secs min mins ms x kb mb gb tb")
# Owner and name: ada/notes. Words of grammar and units have the same form: `and/or`, `km/h`.
_SLUG: Final = re.compile(r"(?<![\w./@:-])[A-Za-z][\w-]*/[A-Za-z][\w.-]*\w(?![\w/(])")
# Addresses of machines, versions, names of files: 192.0.2.1, 2.1.3, v1.2, api.example.com, report.pdf.
_DOTTED: Final = re.compile(
    r"(?<![\w./@-])(?:v\d+(?:\.\d+)+(?:-\w+(?:\.\d+)*)?|\d+(?:\.\d+){2,}|(?:[a-z][\w-]*\.){2,}[a-z]{2,6}|[A-Za-z][\w-]*\.(?=[a-z\d]*[a-z])[a-z\d]{2,4})(?![\w@]|\.\w)"
)
_PERIOD: Final = re.compile(
    r"\b(?:next|last|this|past|previous|coming|upcoming)\s(?:week(?:end)?|month|quarter|year|season|night|evening)\b",
    re.IGNORECASE,
)
# Words joined by underscores (cus_ada); what a value is given to (`rate=5`) names it.
_KEY: Final = re.compile(r"(?<![\w./-])[A-Za-z]+(?:_\w+)+(?![\w(]|\s?[=:])")
# What follows `called` is a name whatever its letters, up to the next small word or comma.
_TITLE: Final = re.compile(r"\b(?:called|named|titled)\s+(?P<rest>[^\0.,;:!?]+)", re.IGNORECASE)
# A word of a name: initials (J.K.), a title (St.), or a capitalised word.
_PROPER: Final = r"(?:(?:[A-Z]\.)+|(?:St|Dr|Mr|Mrs|Ms|Mt)\.|[A-Z][\w&+#-]*(?:['\u2019](?!s\b)\w+)?)"
# `12 Elm Street`, `221 St. James Rd`.
_STREET: Final = re.compile(
    r"\b\d{1,5}[A-Za-z]?\s(?:[A-Z][\w.'-]*\s){1,4}(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Way|Square|Place|Court)\b"
)
_NAME: Final = re.compile(rf"(?<![\w-]){_PROPER}(?:[ ]+(?:(?:of|the|de|van|von|&)[ ]+)*{_PROPER})*")
_SENTENCE: Final = re.compile(r"(?:^|[.!?:;\n])\W*\Z")
_OPENINGS: Final = STOP | VERBS | QUESTIONS | (VAGUE - {"new"})  # New York

# A word behind one of these is their verb, not a thing.
_LABELS: Final = frozenset({"id", "uuid", "url", "no"})  # capitalised, and still no names
_PARTICIPLE: Final = re.compile(r"\w+[^\We]ed|found|made|built|written|given")
_SUBJECTS: Final = lexicon("i you he she we they who that can could will would should may might must")
Finder = Callable[[str], Iterable[Mention]]
_NEAR: Final = 4  # characters between sentences
_DIGIT: Final = "0"  # represents every digit among the marks of a text


def extract_mentions(text: str, now: datetime) -> tuple[Mention, ...]:
    """Find the values in `text`, from left to right, without overlaps; surer kinds take precedence."""
    found: list[Mention] = []
    # Each finder with the characters of which a text must have one: most patterns are skipped.
    finders: tuple[tuple[str, Finder], ...] = (
        ("[{", _literals),
        ("\"'`\u201c\u2018", _quoted),
        (":", lambda rest: _matches(_URL, Kind.URL, rest)),
        ("@", lambda rest: _matches(_EMAIL, Kind.EMAIL, rest)),
        ("-", lambda rest: _matches(_UUID, Kind.UUID, rest)),
        ("^*+-=", _expressions),
        ("/", lambda rest: _matches(_FILE, Kind.IDENTIFIER, rest)),
        (_DIGIT, lambda rest: _matches(_STREET, Kind.NAME, rest)),
        ("", lambda rest: _dates(rest, now)),
        (_DIGIT, _clocks),
        ("/", _slugs),
        (".", lambda rest: _matches(_DOTTED, Kind.IDENTIFIER, rest)),
        (_DIGIT, lambda rest: _matches(_IDENTIFIER, Kind.IDENTIFIER, rest)),
        (_DIGIT, _mixed),
        ("_", lambda rest: _matches(_KEY, Kind.IDENTIFIER, rest)),
        ("", find_numbers),
        ("", lambda rest: _matches(_PERIOD, Kind.PERIOD, rest)),
        ("", _titles),
        ("", _names),
        ("", _phrases),
    )
    marks = {_DIGIT if mark.isdecimal() else mark for mark in set(text)}
    for needed, find in finders:
        if needed and marks.isdisjoint(needed):
            continue
        if fresh := _apart(text, find(text)):
            found += fresh
            text = _blank(text, fresh)
    return tuple(sorted(found, key=lambda mention: mention.start))


def _apart(text: str, found: Iterable[Mention]) -> list[Mention]:
    """The mentions that touch no earlier one, nor each other; of two at one place the longer."""
    apart: list[Mention] = []
    for mention in sorted(found, key=lambda m: (m.start, -m.end)):
        free = not apart or apart[-1].end <= mention.start
        if free and "\0" not in text[mention.start : mention.end]:
            apart.append(mention)
    return apart


def _blank(text: str, found: Iterable[Mention]) -> str:
    """`text` with these mentions made unreadable for later finders, places unchanged."""
    pieces, end = [], 0
    for mention in found:
        pieces += [text[end : mention.start], "\0" * (mention.end - mention.start)]
        end = mention.end
    return "".join([*pieces, text[end:]])


def _matches(pattern: re.Pattern[str], kind: Kind, text: str) -> Iterator[Mention]:
    for match in pattern.finditer(text):
        yield Mention(kind, match.group().lstrip("#"), match.start(), match.end())


def _literals(text: str) -> Iterator[Mention]:
    """JSON values beyond a plain list of values, whole: whatever stands in a balanced bracket."""
    opened: list[str] = []
    start, nested = 0, False
    for match in _BRACKET.finditer(text):
        mark = match.group()
        if mark in _CLOSES.values():
            start = start if opened else match.start()
            nested = bool(opened) or mark == "{"
            opened.append(mark)
        elif mark in _CLOSES and opened:
            if opened.pop() != _CLOSES[mark]:
                return  # what is not balanced is no value
            nested |= bool(opened)
            if not opened and nested:
                yield Mention(Kind.LITERAL, text[start : match.end()], start, match.end())


def _quoted(text: str) -> Iterator[Mention]:
    for match in _QUOTED.finditer(text):
        value = next(group for group in match.groups() if group is not None)
        yield Mention(Kind.QUOTED, value, match.start(), match.end())


def _mixed(text: str) -> Iterator[Mention]:
    for match in _MIXED.finditer(text):
        counted = _COUNTED.fullmatch(match.group())
        unit = (counted["unit"] or "").lower() if counted else ""
        if counted is None or (unit and unit not in _UNITS and not quantities_measured(stem(unit))):
            yield Mention(Kind.IDENTIFIER, match.group(), match.start(), match.end())


def _slugs(text: str) -> Iterator[Mention]:
    for mention in _matches(_SLUG, Kind.SLUG, text):
        sides = {stem(side) for side in mention.value.split("/")}
        if not any(side in STOP or quantities_measured(side) for side in sides):
            yield mention


def _dates(text: str, now: datetime) -> Iterator[Mention]:
    for moment in find_moments(text, now):
        if moment.at is None:
            said = _SPOKEN.sub("", text[moment.start : moment.end])
            yield Mention(Kind.DATE, moment.day.isoformat(), moment.start, moment.end, said)
        else:
            yield Mention(Kind.TIME, moment.at.isoformat(), moment.start, moment.end)


def _clocks(text: str) -> Iterator[Mention]:
    return (Mention(Kind.CLOCK, value, start, end) for value, start, end in find_hours(text))


def _expressions(text: str) -> Iterator[Mention]:
    for match in _EXPRESSION.finditer(text):
        if _VARIABLE.search(match.group()) and not _SCIENTIFIC.fullmatch(match.group()):
            yield Mention(Kind.EXPRESSION, match.group(), match.start(), match.end())


def _names(text: str) -> Iterator[Mention]:
    shouted = text.isupper()
    for match in _NAME.finditer(text):
        titled = match.group().startswith("The ") and not _opens(text, match.start())
        start = match.start() + (0 if titled else _common_opening(match.group(), shouted=shouted))
        name = text[start : match.end()].rstrip(",'\u2019&+-")
        if any(letter.isupper() for letter in name) and name.lower() not in _LABELS:
            yield Mention(Kind.NAME, name, start, start + len(name))


def _opens(text: str, place: int) -> bool:
    """Whether a sentence begins at a place, where a capital does not mark a name."""
    return _SENTENCE.search(text, max(0, place - _NEAR), place) is not None


def _titles(text: str) -> Iterator[Mention]:
    for match in _TITLE.finditer(text):
        run = list(takewhile(lambda word: word.plain not in STOP, words(match["rest"])))
        if run:
            start, end = match.start("rest") + run[0].start, match.start("rest") + run[-1].end
            yield Mention(Kind.NAME, text[start:end], start, end)


def _common_opening(name: str, *, shouted: bool) -> int:
    """How much of a capitalised run only opens a sentence: `Create`, `What`, `The` name nothing.
    Capitals do, as in `US`, unless the whole text is in capitals."""
    for word in words(name):
        initials = len(word.text) > 1 and word.text.isupper() and not shouted
        if word.plain not in _OPENINGS or initials or name[word.end : word.end + 1] == "&":
            return word.start
    return len(name)


def _phrases(text: str) -> Iterator[Mention]:
    """Runs of plain words that are neither grammar nor, at the start of a run, a verb."""
    run: list[tuple[int, int]] = []
    before = ""
    for word in words(text):
        goes_on = bool(run) and text[run[-1][1] : word.start] in (" ", "-") and word.plain not in STOP
        if run and not goes_on:
            yield from _phrase(text, run)
            run = []
        if goes_on or not (word.plain in _OPENINGS or before in _SUBJECTS or word.plain.isdigit()):
            run.append((word.start, word.end))
        before = word.plain
    if run:
        yield from _phrase(text, run)


def _phrase(text: str, run: list[tuple[int, int]]) -> Iterator[Mention]:
    """A run without the participle that ends it: `the bridge built in 1900` is about a bridge."""
    if len(run) > 1 and _PARTICIPLE.fullmatch(text, *run[-1]):
        run = run[:-1]
    yield Mention(Kind.PHRASE, text[run[0][0] : run[-1][1]], run[0][0], run[-1][1])
