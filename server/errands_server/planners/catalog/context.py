"""Finds values for parameters in a run's context, by name and type."""

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


class RunContext:
    """The named values of a run's context. A key inside an object has a dot: `address.city`."""

    def __init__(self, text: str) -> None:
        self._values = dict(_flat(context.values(text), ""))
        self._keys = [(frozenset(stems(key)), key) for key in self._values]

    def find(self, parameter: ToolParameter, profile: ToolProfile) -> tuple[str, Any] | None:
        """The key and value for a parameter; the fuller name wins: `customer_id` before `id`."""
        for words in _names(parameter, profile):
            for spoken, key in self._keys:
                if spoken == words:
                    value = coerce(self._values[key], parameter)
                    if value is not None:
                        return key, value
        return None

    def localize(self, now: datetime) -> datetime:
        """Convert `now` to the timezone in the context; unchanged without one."""
        name = next((self._values[key] for key in _ZONES if key in self._values), None)
        try:
            return now.astimezone(ZoneInfo(str(name))) if name else now
        except (ValueError, OSError, LookupError, OverflowError):
            return now


def _names(parameter: ToolParameter, profile: ToolProfile) -> Iterator[frozenset[str]]:
    owner = parameter.owners[0] if parameter.owners else profile.owner(parameter)
    yield parameter.words | owner
    yield parameter.words


def _flat(document: Mapping[str, Any], prefix: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        yield f"{prefix}{key}", value
        if isinstance(value, Mapping) and depth < _DEPTH:
            yield from _flat(value, f"{prefix}{key}.", depth + 1)


def coerce(value: Any, parameter: ToolParameter) -> Any:
    """Convert `value` to the parameter's type. None: impossible."""
    if parameter.array:
        return value if isinstance(value, list) else None
    if "enum" in parameter.schema and value not in parameter.schema["enum"]:
        return None
    if parameter.type is Type.BOOLEAN:
        return _TRUTHS.get(str(value).lower())
    if parameter.type in (Type.INTEGER, Type.NUMBER):
        return _number(value, parameter.type)
    if parameter.type is Type.OBJECT:
        return value if isinstance(value, Mapping) else None
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _number(value: Any, wanted: Type) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(value) if wanted is Type.INTEGER else float(value)
    except (ValueError, OverflowError):
        return None
