"""Writes arguments into a request the way a document's parameter styles ask (OAS 3.1 §4.8.12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from .operation import Parameter

_SEPARATORS: Final[Mapping[str, str]] = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}


def path_text(parameter: Parameter, value: Any) -> str:
    """The value for a path, percent-encoded: no slash or dot of it can become a segment's end."""
    return _simple(parameter, value, _quoted)


def header_text(parameter: Parameter, value: Any) -> str:
    """The value for a header, as it is."""
    return _simple(parameter, value, _text)


def query_pairs(parameter: Parameter, value: Any) -> Iterator[str]:
    """The percent-encoded `name=value` pairs; none for null, which a query cannot say."""
    name = _quoted(parameter.name)
    match value:
        case None:
            return
        case list() | dict() if parameter.encoded:
            yield f"{name}={_quoted(_json(value))}"
        case dict():
            yield from _query_object(parameter, name, value)
        case list() if not parameter.explode and parameter.style != "deepObject":
            yield f"{name}={_SEPARATORS.get(parameter.style, ',').join(map(_quoted, value))}"
        case list():
            yield from (f"{name}={_quoted(item)}" for item in value)
        case _:
            yield f"{name}={_quoted(_json(value) if parameter.encoded else value)}"


def _query_object(parameter: Parameter, name: str, value: Mapping[str, Any]) -> Iterator[str]:
    if parameter.style == "deepObject":
        yield from _deep(parameter.name, value)
    elif parameter.explode:
        yield from (f"{_quoted(key)}={_quoted(item)}" for key, item in value.items())
    else:
        flat = (_quoted(part) for pair in value.items() for part in pair)
        yield f"{name}={_SEPARATORS.get(parameter.style, ',').join(flat)}"


def _deep(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _deep(f"{name}[{key}]", item)
    elif isinstance(value, list):
        for item in value:
            yield from _deep(name, item)
    elif value is not None:
        yield f"{_quoted(name)}={_quoted(value)}"


def _simple(parameter: Parameter, value: Any, write: Callable[[Any], str]) -> str:
    if parameter.encoded:
        return write(_json(value))
    if isinstance(value, list):
        return ",".join(map(write, value))
    if isinstance(value, dict):
        joint = "=" if parameter.explode else ","
        return ",".join(f"{write(key)}{joint}{write(item)}" for key, item in value.items())
    return write(value)


def _quoted(value: Any) -> str:
    return quote(_text(value), safe="")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # 1.0 is an integer in JSON Schema, and few services think so
    return _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
