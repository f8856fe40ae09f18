"""Hints: the named values of a run's context, matched to parameters by name and type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from ...domain import context
from .parameters import ToolParameter, Type
from .tokens import stems
from .tool_profile import ToolProfile

_ZONES: Final = ("timezone", "time_zone", "timeZone", "tz")
_TRUTHS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_DEPTH: Final = 4


class Hints:
    """What a context offers. A key inside an object is written with a dot: `address.city`."""

    def __init__(self, text: str) -> None:
        self._values = dict(_flat(context.values(text), ""))
        self._keys = [(frozenset(stems(key)), key) for key in self._values]

    def find(self, leaf: ToolParameter, sheet: ToolProfile) -> tuple[str, Any] | None:
        """The key and value meant for a parameter; the fuller name wins: `customer_id` before `id`."""
        for words in _names(leaf, sheet):
            for spoken, key in self._keys:
                if spoken == words:
                    value = fitted(self._values[key], leaf)
                    if value is not None:
                        return key, value
        return None

    def local(self, now: datetime) -> datetime:
        """`now` in the timezone the context names, unchanged where it names none."""
        name = next((self._values[key] for key in _ZONES if key in self._values), None)
        try:
            return now.astimezone(ZoneInfo(str(name))) if name else now
        except (ValueError, OSError, LookupError, OverflowError):
            return now


def _names(leaf: ToolParameter, sheet: ToolProfile) -> Iterator[frozenset[str]]:
    owner = leaf.owners[0] if leaf.owners else sheet.owner(leaf)
    yield leaf.words | owner
    yield leaf.words


def _flat(document: Mapping[str, Any], prefix: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        yield f"{prefix}{key}", value
        if isinstance(value, Mapping) and depth < _DEPTH:
            yield from _flat(value, f"{prefix}{key}.", depth + 1)


def fitted(value: Any, leaf: ToolParameter) -> Any:
    """`value` as the parameter's type; None where it cannot be."""
    if leaf.array:
        return value if isinstance(value, list) else None
    if "enum" in leaf.schema and value not in leaf.schema["enum"]:
        return None
    if leaf.type is Type.BOOLEAN:
        return _TRUTHS.get(str(value).lower())
    if leaf.type in (Type.INTEGER, Type.NUMBER):
        return _number(value, leaf.type)
    if leaf.type is Type.OBJECT:
        return value if isinstance(value, Mapping) else None
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _number(value: Any, wanted: Type) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(value) if wanted is Type.INTEGER else float(value)
    except (ValueError, OverflowError):
        return None
