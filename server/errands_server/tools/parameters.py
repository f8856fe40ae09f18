"""Writes arguments into a request the way a document's parameter styles ask (OAS 3.1 §4.8.12).

Null has no form in any style, so it is left out wherever it stands. What OpenAPI leaves
undefined is written as most services read it: a list or object inside another is JSON text,
except under `deepObject`, where its members get brackets of their own (`a[b][0]=c`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import msgspec

from .operation import Parameter

_JOINTS: Final = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}

# What may stand in a query without ending a pair, starting another or being read as a space.
_RESERVED: Final = ":/?@!$'()*"

_Write = Callable[[Any], str]


def path_text(parameter: Parameter, value: Any) -> str:
    """The value for a path, percent-encoded: no slash or dot of it can become a segment's end."""
    if parameter.encoded:
        return _quoted(_json(value))
    match parameter.style:
        case "label":
            joint = "." if parameter.explode else ","
            return "." + joint.join(_members(value, _quoted, pairs=parameter.explode))
        case "matrix":
            return _matrix(parameter, value)
    return ",".join(_members(value, _quoted, pairs=parameter.explode))


def header_text(parameter: Parameter, value: Any) -> str:
    """The value for a header, as it is."""
    if parameter.encoded:
        return _json(value)
    return ",".join(_members(value, plain_text, pairs=parameter.explode))


def query_pairs(parameter: Parameter, value: Any) -> Iterator[str]:
    """The percent-encoded `name=value` pairs; none for null and for what has no members."""
    name = _quoted(parameter.name)
    write = partial(_quoted, safe=_RESERVED) if parameter.reserved else _quoted
    match value:
        case None:
            return
        case _ if parameter.encoded:
            yield f"{name}={write(_json(value))}"
        case list() | dict() if parameter.style == "deepObject":
            yield from _deep(parameter.name, value, write)
        case list() if parameter.explode:
            yield from (f"{name}={item}" for item in _members(value, write))
        case dict() if parameter.explode:
            yield from _members(value, write, pairs=True)
        case list() | dict():
            if members := list(_members(value, write)):
                yield f"{name}={_JOINTS.get(parameter.style, ',').join(members)}"
        case _ if parameter.reserved:  # a comma joins lists, so only in a value of its own can it stay
            yield f"{name}={_quoted(value, safe=_RESERVED + ',')}"
        case _:
            yield f"{name}={write(value)}"


def _matrix(parameter: Parameter, value: Any) -> str:
    name = _quoted(parameter.name)
    if parameter.explode and isinstance(value, dict):
        return "".join(f";{pair}" for pair in _members(value, _quoted, pairs=True))
    if parameter.explode and isinstance(value, list):
        return "".join(f";{name}={item}" for item in _members(value, _quoted))
    text = ",".join(_members(value, _quoted))
    return f";{name}={text}" if text else f";{name}"


def _members(value: Any, write: _Write, *, pairs: bool = False) -> Iterator[str]:
    """Every item of a list, every key and value of an object (`pairs` joins the two), or the value."""
    match value:
        case None:
            return
        case list():
            yield from (write(item) for item in value if item is not None)
        case dict():
            for key, item in value.items():
                if item is not None:
                    yield from (f"{write(key)}={write(item)}",) if pairs else (write(key), write(item))
        case _:
            yield write(value)


def _deep(name: str, value: Any, write: _Write) -> Iterator[str]:
    if isinstance(value, list | dict):
        for key, item in enumerate(value) if isinstance(value, list) else value.items():
            yield from _deep(f"{name}[{key}]", item, write)
    elif value is not None:
        yield f"{_quoted(name)}={write(value)}"


def _quoted(value: Any, *, safe: str = "") -> str:
    return quote(plain_text(value), safe=safe)


def plain_text(value: Any) -> str:
    """A string as it is, anything else as JSON text."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # 1.0 is an integer in JSON Schema, and few services think so
    return _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
