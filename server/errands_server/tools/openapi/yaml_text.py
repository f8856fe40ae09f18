"""Parses YAML into JSON values, by the JSON schema of YAML 1.2 (OAS 3.1 §4.3).

Dates and `on` stay strings, and keys are strings. The values are built from the parser's
events: PyYAML's composer recurses in C, and hostile text can crash the process through it.
Merge keys (`<<`) are not of that schema; they are read because documents use them.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from .json_node import MAX_VALUES, DocumentError

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,300})")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,300})(\.[0-9]{1,300})?([eE][-+]?[0-9]{1,2})?")
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def parse_yaml(text: str) -> Any:
    """JSON values, of any depth. DocumentError: the text is not YAML."""
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
    """Builds a value from YAML events, without recursion."""

    def __init__(self) -> None:
        self.document: Any = None
        self._open: list[list[Any] | dict[str, Any]] = []
        self._keys: list[str | None] = []  # of each open collection, the key whose value is next
        self._anchors: list[str | None] = []
        self._anchored: dict[str, Any] = {}
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
                self._documents += 1
                if self._documents > 1:
                    raise _error_at(event, "the text holds several documents; give one")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if self._expects_key():
            self._keys[-1] = event.value
            return
        value = _parse_scalar(event.value) if event.implicit[0] else event.value
        self._keep_anchor(event.anchor, value)
        self._place(value)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self._anchored or self._expects_key():
            raise _error_at(event, f"the alias *{event.anchor} does not stand for an earlier value")
        self._place(self._anchored[event.anchor])

    def _begin(self, value: list[Any] | dict[str, Any], event: yaml.CollectionStartEvent) -> None:
        if self._expects_key():
            raise _error_at(event, "a key must be a string")
        self._open.append(value)
        self._keys.append(None)
        self._anchors.append(event.anchor)

    def _end(self) -> None:
        value, anchor = self._open.pop(), self._anchors.pop()
        self._keys.pop()
        # Aliases find a value only once it is complete, so that none can contain itself.
        self._keep_anchor(anchor, value)
        self._place(value)

    def _keep_anchor(self, anchor: str | None, value: Any) -> None:
        if anchor is not None:
            self._anchored[anchor] = value

    def _expects_key(self) -> bool:
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
        """Add the members that `parent` does not have. Its own later members replace them."""
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                raise DocumentError("", "a merge key (<<) takes an object or a list of objects")
            self._merged += len(source)
            if self._merged > MAX_VALUES:
                raise DocumentError("", f"the document holds more than {MAX_VALUES:,} values")
            for name, member in source.items():
                parent.setdefault(name, member)


def _parse_scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) and len(text) < 300 else text


def _error_at(event: yaml.Event, message: str) -> DocumentError:
    return DocumentError(f"line {event.start_mark.line + 1}" if event.start_mark else "", message)
