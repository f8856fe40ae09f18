"""Encodes arguments as parameters and bodies, by the styles of the document (OAS 3.1 §4.8.12, §4.8.15).

Null has no form in any style, so it is omitted. What OpenAPI leaves undefined is written as
most services read it: a list or object inside another is JSON text, except under `deepObject`,
where its members get brackets of their own (`a[b][0]=c`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import msgspec
from msgspec import Struct

from ..operation import Location, Operation, Parameter, Part
from .file_fields import File, file_of
from .request_bodies import MULTIPART, URLENCODED, is_json, may_be_json

_DELIMITERS: Final = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}

# Characters that a query may hold without ending a pair, starting another or being read as a space.
_RESERVED: Final = ":/?@!$'()*"

_PLAIN: Final = Part()
# Characters that would end a name in form data (HTML Standard, "multipart/form-data encoding").
_ESCAPES: Final = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})

_Write: TypeAlias = Callable[[Any], str]


class EncodedBody(Struct, frozen=True):
    """A body and its Content-Type."""

    content: bytes
    content_type: str


def path_text(parameter: Parameter, value: Any) -> str:
    """The value for a path, percent-encoded: no slash in it can end a segment."""
    if parameter.encoded:
        return _quote(_json(value))
    match parameter.style:
        case "label":
            delimiter = "." if parameter.explode else ","
            return "." + delimiter.join(_members(value, _quote, pairs=parameter.explode))
        case "matrix":
            return _matrix(parameter, value)
    return ",".join(_members(value, _quote, pairs=parameter.explode))


def header_text(parameter: Parameter, value: Any) -> str:
    """The value for a header, not escaped."""
    if parameter.encoded:
        return _json(value)
    return ",".join(_members(value, plain_text, pairs=parameter.explode))


def query_pairs(parameter: Parameter, value: Any) -> Iterator[str]:
    """The percent-encoded `name=value` pairs; none for null and for an empty list or object."""
    name = _quote(parameter.name)
    write = partial(_quote, safe=_RESERVED) if parameter.reserved else _quote
    match value:
        case None:
            return
        case _ if parameter.encoded:
            yield f"{name}={write(_json(value))}"
        case list() | dict() if parameter.style == "deepObject":
            yield from _deep_object_pairs(parameter.name, value, write)
        case list() if parameter.explode:
            yield from (f"{name}={item}" for item in _members(value, write))
        case dict() if parameter.explode:
            yield from _members(value, write, pairs=True)
        case list() | dict():
            if members := list(_members(value, write)):
                yield f"{name}={_DELIMITERS.get(parameter.style, ',').join(members)}"
        case _ if parameter.reserved:  # a comma joins lists, so only in a value of its own can it stay
            yield f"{name}={_quote(value, safe=_RESERVED + ',')}"
        case _:
            yield f"{name}={write(value)}"


def _matrix(parameter: Parameter, value: Any) -> str:
    name = _quote(parameter.name)
    if parameter.explode and isinstance(value, dict):
        return "".join(f";{pair}" for pair in _members(value, _quote, pairs=True))
    if parameter.explode and isinstance(value, list):
        return "".join(f";{name}={item}" for item in _members(value, _quote))
    text = ",".join(_members(value, _quote))
    return f";{name}={text}" if text else f";{name}"


def _members(value: Any, write: _Write, *, pairs: bool = False) -> Iterator[str]:
    """Every item of a list, every key and value of an object (as one text if `pairs`), or the value."""
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


def _deep_object_pairs(name: str, value: Any, write: _Write) -> Iterator[str]:
    if isinstance(value, list | dict):
        for key, item in enumerate(value) if isinstance(value, list) else value.items():
            yield from _deep_object_pairs(f"{name}[{key}]", item, write)
    elif value is not None:
        yield f"{_quote(name)}={write(value)}"


def _quote(value: Any, *, safe: str = "") -> str:
    return quote(plain_text(value), safe=safe)


def plain_text(value: Any) -> str:
    """A string unchanged, any other value as JSON text."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # 1.0 is an integer in JSON Schema, and few services think so
    return _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def encode_body(operation: Operation, body: Any) -> EncodedBody:
    """The body for an argument. ValueError: it cannot be written; the message says what and why."""
    media_type = operation.body_type.partition(";")[0].strip().lower()
    if media_type == URLENCODED:
        pairs = [pair for name, value in _body_members(body) for pair in _pairs(operation, name, value)]
        return EncodedBody("&".join(pairs).encode("ascii"), operation.body_type)
    if media_type == MULTIPART:
        return _multipart(operation, body)
    if is_json(media_type) or (isinstance(body, dict | list) and may_be_json(media_type)):
        return EncodedBody(msgspec.json.encode(body), operation.body_type)
    file = _file("body", body)
    return EncodedBody(file.content, file.content_type or operation.body_type)


def _pairs(operation: Operation, name: str, value: Any) -> Iterator[str]:
    part = operation.body_parts.get(name, _PLAIN)
    return query_pairs(
        Parameter(
            argument=name,
            name=name,
            location=Location.QUERY,
            style=part.style or "form",
            explode=part.explode,
            # An object has no other form of its own (OAS 3.1 §4.8.15.1).
            encoded=is_json(part.content_type) or (not part.style and isinstance(value, dict)),
            reserved=part.reserved,
        ),
        value,
    )


def _multipart(operation: Operation, body: Any) -> EncodedBody:
    parts = [
        _write_part(name, part, item)
        for name, value in _body_members(body)
        for part in (operation.body_parts.get(name, _PLAIN),)
        for item in _items(name, part, value)
    ]
    boundary = secrets.token_hex(16)  # 128 random bits occur in no file
    lines = [b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in parts]
    content = b"".join((*lines, b"--%s--\r\n" % boundary.encode()))
    return EncodedBody(content, f"{MULTIPART}; boundary={boundary}")


def _items(name: str, part: Part, value: Any) -> Iterator[File]:
    """The value as one part, or a list as one for each item."""
    if part.file:
        for item in value if isinstance(value, list) else [value]:
            file = _file(f"body.{name}", item)
            yield File(
                content=file.content,
                name=file.name or name,
                content_type=file.content_type or part.content_type or "application/octet-stream",
            )
    elif isinstance(value, list) and not is_json(part.content_type):
        for item in value:
            if item is not None:
                yield _field(part, item)
    else:
        yield _field(part, value)


def _field(part: Part, value: Any) -> File:
    """A part that is no file. Text has no content type, as browsers send it."""
    if is_json(part.content_type) or isinstance(value, dict | list):
        return File(content=msgspec.json.encode(value), content_type=part.content_type or "application/json")
    return File(content=plain_text(value).encode(), content_type=part.content_type)


def _write_part(name: str, part: Part, file: File) -> bytes:
    head = f'Content-Disposition: form-data; name="{name.translate(_ESCAPES)}"'
    if part.file:
        head += f'; filename="{file.name.translate(_ESCAPES)}"'
    if file.content_type:
        head += f"\r\nContent-Type: {file.content_type}"
    head += "".join(f"\r\n{header}: {value}" for header, value in part.headers.items())
    return head.encode() + b"\r\n\r\n" + file.content


def _body_members(body: Any) -> Iterator[tuple[str, Any]]:
    """The members of a form; one that is null is absent. ValueError: the body is no object."""
    if not isinstance(body, Mapping):
        raise ValueError("body: a form is an object")
    return ((name, value) for name, value in body.items() if value is not None)


def _file(place: str, value: Any) -> File:
    try:
        return file_of(value)
    except ValueError as problem:
        raise ValueError(f"{place}: {problem}") from None
