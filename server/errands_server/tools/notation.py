"""Reads the text of a document, JSON or YAML, into plain JSON values.

YAML is built from its events by the JSON schema of YAML 1.2, as OpenAPI asks (OAS 3.1 §4.3):
dates and `on` stay strings and keys are strings. Doing so also keeps hostile text away from
PyYAML's composer, which recurses in C and can take the process down. Merge keys (`<<`) are
not of that schema; they are read because people write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final

import msgspec
import yaml

from .node import DocumentError

MAX_TEXT: Final = 32 * 1024 * 1024  # characters
MAX_DEPTH: Final = 100  # of nested lists and objects; everything after this may recurse
MAX_VALUES: Final = 2_000_000  # with YAML aliases written out

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,300})")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,300})(\.[0-9]{1,300})?([eE][-+]?[0-9]{1,2})?")
_BYTE: Final = re.compile(r" \(byte ([0-9]{1,9})\)")
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def parse(text: str) -> Any:
    """Plain JSON values, at most MAX_DEPTH deep. DocumentError: this is neither JSON nor YAML."""
    if len(text) > MAX_TEXT:
        raise DocumentError("", f"the document is longer than {MAX_TEXT // 1024 // 1024} MiB")
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("<"):
        raise DocumentError("", "this is a page of HTML or XML; an OpenAPI document is JSON or YAML")
    value = _json(text) if text.lstrip().startswith(("{", "[")) else _yaml(text)
    _check_size(value)
    return value


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise DocumentError("", "the document is nested too deeply") from None
    except ValueError as error:
        raise DocumentError("", f"the document is not valid JSON: {_with_line(str(error), text)}") from None


def _with_line(problem: str, text: str) -> str:
    """A JSON parser's words with a line and column in place of a byte, for people."""
    found = _BYTE.search(problem)
    if not found:
        return problem
    before = text.encode()[: int(found[1])].decode(errors="ignore")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"{problem[: found.start()].removeprefix('JSON is malformed: ')} at line {line}, column {column}"


def _yaml(text: str) -> Any:
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        at = f" at line {place.line + 1}, column {place.column + 1}" if place else ""
        raise DocumentError(
            "", f"the document is not valid YAML: {error.problem or error.context}{at}"
        ) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise DocumentError("", f"the document is not valid YAML: {error}") from None
    return builder.document


class _Builder:
    """Puts YAML events together without recursion."""

    def __init__(self) -> None:
        self.document: Any = None
        self._open: list[list[Any] | dict[str, Any]] = []
        self._keys: list[str | None] = []  # the key waiting for its value, per open collection
        self._anchors: list[str | None] = []
        self._known: dict[str, Any] = {}
        self._documents = 0
        self._merged = 0

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._begin({}, event)
            case yaml.SequenceStartEvent():
                self._begin([], event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._end()
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self._start(event)

    def _start(self, event: yaml.Event) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _refused(event, "the text holds several documents; give one")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if self._wants_key():
            self._keys[-1] = event.value
            return
        value = _plain(event.value) if event.implicit[0] else event.value
        self._remember(event.anchor, value)
        self._place(value)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self._known or self._wants_key():
            raise _refused(event, f"the alias *{event.anchor} does not stand for an earlier value")
        self._place(self._known[event.anchor])

    def _begin(self, value: list[Any] | dict[str, Any], event: yaml.CollectionStartEvent) -> None:
        if self._wants_key():
            raise _refused(event, "a key must be a string")
        self._open.append(value)
        self._keys.append(None)
        self._anchors.append(event.anchor)

    def _end(self) -> None:
        value, anchor = self._open.pop(), self._anchors.pop()
        self._keys.pop()
        # Known only now, when it is complete: an alias cannot make a value contain itself.
        self._remember(anchor, value)
        self._place(value)

    def _remember(self, anchor: str | None, value: Any) -> None:
        if anchor is not None:
            self._known[anchor] = value

    def _wants_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1], dict) and self._keys[-1] is None

    def _place(self, value: Any) -> None:
        if not self._open:
            self.document = value
            return
        parent, key = self._open[-1], self._keys[-1]
        if isinstance(parent, list):
            parent.append(value)
        elif key is not None:
            self._keys[-1] = None
            if key == "<<" and isinstance(value, dict | list):
                self._merge(parent, value)
            else:
                parent[key] = value

    def _merge(self, parent: dict[str, Any], value: dict[str, Any] | list[Any]) -> None:
        """Add members that `parent` does not have. Those it is still to get replace them."""
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                raise DocumentError("", "a merge key (<<) takes an object or a list of objects")
            self._merged += len(source)
            if self._merged > MAX_VALUES:
                raise DocumentError("", f"the document holds more than {MAX_VALUES:,} values")
            for name, member in source.items():
                parent.setdefault(name, member)


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) and len(text) < 300 else text


def _refused(event: yaml.Event, message: str) -> DocumentError:
    return DocumentError(f"line {event.start_mark.line + 1}" if event.start_mark else "", message)


def _check_size(value: Any) -> None:
    for depth, left in enumerate(_left(value, MAX_VALUES)):
        if left < 0:
            raise DocumentError("", f"the document holds more than {MAX_VALUES:,} values")
        if depth > MAX_DEPTH:
            raise DocumentError("", "the document is nested too deeply")


def levels_within(value: Any, most: int) -> int:
    """How many levels below a value hold at most so many values together; MAX_DEPTH if all do."""
    return next((depth for depth, left in enumerate(_left(value, most)) if left < 0), MAX_DEPTH)


def _left(value: Any, most: int) -> Iterator[int]:
    """What is left of `most` values after each level of nesting, less than 0 at last if they are too few."""
    level, left = [value], most
    while level and left >= 0:
        # Aliases let a short text stand for a vast one, so no level is written out beyond the limit.
        level = list(islice(chain.from_iterable(map(_children, level)), left + 1))
        left -= len(level)
        yield left


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()
