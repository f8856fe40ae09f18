"""Forms a server would have a person fill in, told in a line: nobody here fills them in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

_MOST: Final = 10  # fields and choices that are told


def in_words(message: str, schema: Mapping[str, Any]) -> str:
    """What a form asks: its message, and its fields with what may be chosen (MCP, `requestedSchema`)."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        return message
    required = schema.get("required")
    needed = required if isinstance(required, list) else list(properties)
    told = [_field(name, of, optional=name not in needed) for name, of in properties.items()]
    return f"{message} ({'; '.join(_few(told))})"


def _field(name: str, of: Any, *, optional: bool) -> str:
    choices = ", ".join(_few(_choices(of)))
    return name + (f": {choices}" if choices else "") + (", optional" if optional else "")


def _choices(of: Any) -> list[str]:
    """The values of a field that has a list of them, each alone or several of them together."""
    if not isinstance(of, Mapping):
        return []
    if isinstance(of.get("items"), Mapping):
        return _choices(of["items"])
    if isinstance(of.get("enum"), list):
        return [str(value) for value in of["enum"]]
    titled = of.get("oneOf") or of.get("anyOf")
    if not isinstance(titled, list):
        return []
    return [str(one["const"]) for one in titled if isinstance(one, Mapping) and "const" in one]


def _few(words: Iterable[str]) -> list[str]:
    found = list(words)
    return found if len(found) <= _MOST else [*found[:_MOST], "…"]
