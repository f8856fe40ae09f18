"""Writes the body of a request: JSON, a form, text or bytes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from .bodies import MULTIPART, URLENCODED, is_json, may_be_json
from .files import File, file_of
from .operation import Location, Operation, Parameter, Part
from .parameters import plain_text, query_pairs

_PLAIN: Final = Part()
# How form data writes what would end a name (HTML Standard, "multipart/form-data encoding").
_ESCAPES: Final = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


class Payload(Struct, frozen=True):
    """A body and its Content-Type."""

    content: bytes
    content_type: str


def payload(operation: Operation, body: Any) -> Payload:
    """The body an argument stands for. ValueError: it cannot be written; says what and why."""
    media_type = operation.body_type.partition(";")[0].strip().lower()
    if media_type == URLENCODED:
        pairs = [pair for name, value in _members(body) for pair in _pairs(operation, name, value)]
        return Payload("&".join(pairs).encode("ascii"), operation.body_type)
    if media_type == MULTIPART:
        return _multipart(operation, body)
    if is_json(media_type) or (isinstance(body, dict | list) and may_be_json(media_type)):
        return Payload(msgspec.json.encode(body), operation.body_type)
    file = _file("body", body)
    return Payload(file.content, file.content_type or operation.body_type)


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


def _multipart(operation: Operation, body: Any) -> Payload:
    written = [
        _written(name, part, item)
        for name, value in _members(body)
        for part in (operation.body_parts.get(name, _PLAIN),)
        for item in _items(name, part, value)
    ]
    boundary = secrets.token_hex(16)  # 128 random bits stand in no file
    lines = [b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in written]
    content = b"".join((*lines, b"--%s--\r\n" % boundary.encode()))
    return Payload(content, f"{MULTIPART}; boundary={boundary}")


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
    """A part that is no file. Text goes without a type, as every form sends it."""
    if is_json(part.content_type) or isinstance(value, dict | list):
        return File(content=msgspec.json.encode(value), content_type=part.content_type or "application/json")
    return File(content=plain_text(value).encode(), content_type=part.content_type)


def _written(name: str, part: Part, file: File) -> bytes:
    head = f'Content-Disposition: form-data; name="{name.translate(_ESCAPES)}"'
    if part.file:
        head += f'; filename="{file.name.translate(_ESCAPES)}"'
    if file.content_type:
        head += f"\r\nContent-Type: {file.content_type}"
    head += "".join(f"\r\n{header}: {value}" for header, value in part.headers.items())
    return head.encode() + b"\r\n\r\n" + file.content


def _members(body: Any) -> Iterator[tuple[str, Any]]:
    """The members of a form; null stands for an absent one."""
    if not isinstance(body, Mapping):
        raise ValueError("body: a form is an object")
    return ((name, value) for name, value in body.items() if value is not None)


def _file(place: str, value: Any) -> File:
    try:
        return file_of(value)
    except ValueError as problem:
        raise ValueError(f"{place}: {problem}") from None
