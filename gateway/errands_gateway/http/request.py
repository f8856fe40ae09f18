"""Reads requests by the schemas of their operation, and reports everything that is wrong at once."""

from __future__ import annotations

import asyncio
import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from ..v1 import values
from . import validation
from .operation import JSON, Body, Operation, Parameter
from .problems import Problem, Violation, invalid, problem

_INTEGER: Final = re.compile(r"(-?[0-9]{1,18})(?:\.0+)?")  # 1.0 is a whole number in JSON Schema too
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
# curl's default for -d, which says nothing about what was meant.
_TAKEN: Final = ("", JSON, "application/x-www-form-urlencoded")
_INLINE: Final = 64 << 10  # bytes; what is larger is parsed beside the event loop
# Most clients read no answer before all is sent, and lose it where the connection is cut meanwhile.
_THROWN_AWAY: Final = 64 << 20  # bytes that are read behind a body's limit
_CLOSE: Final = {"Connection": "close"}


class Read(msgspec.Struct, frozen=True):
    """What a request holds of what its operation takes, by name."""

    query: Mapping[str, Any]
    headers: Mapping[str, Any]
    body: Mapping[str, Any]


async def read_request(operation: Operation, request: Request, patience: float) -> Read:
    """Query, headers and JSON body, as the operation's schemas say.

    `patience` is in seconds, for the body. Problems: FIELD_INVALID, which names all that is
    wrong, wherever it stands; BODY_TOO_LARGE, BODY_TOO_SLOW, MEDIA_TYPE_UNSUPPORTED.
    """
    errors: list[Violation] = []
    query = _query(operation, request.scope["query_string"], errors)
    headers = _headers(operation, request.headers, errors)
    body: Mapping[str, Any] = {}
    # Other bodies than JSON are read by who asked for them.
    if operation.body is not None and operation.body.media_type == JSON:
        body = await _body(operation.body, request, patience, errors)
    if errors:
        raise invalid(errors)
    return Read(query, headers, body)


def _query(operation: Operation, text: bytes, errors: list[Violation]) -> Mapping[str, Any]:
    """The query parameters an operation knows; others are none of its business."""
    # What is no UTF-8 becomes lone surrogates, which nothing else can become.
    decoded = text.decode("utf-8", "surrogateescape")
    pairs = parse_qsl(decoded, keep_blank_values=True, errors="surrogateescape") if text else []
    found: dict[str, Any] = {}
    for parameter in operation.parameters:
        if parameter.where != "query":
            continue
        given = [value for name, value in pairs if name == parameter.name]
        if given:
            found[parameter.name], wrong = _value(parameter, given)
            errors += [Violation(parameter.name, message) for message in wrong]
        elif parameter.required:
            errors.append(Violation(parameter.name, "is required"))
    return found


def _value(parameter: Parameter, given: Sequence[str]) -> tuple[Any, list[str]]:
    if parameter.explode:
        return given, list(_faults(parameter.schema["items"], given))
    if len(given) > 1:
        return None, ["is given more than once"]
    schema, text = parameter.schema, given[0]
    match schema["type"]:
        case "boolean":
            value = _BOOLEANS.get(text)
            return value, [] if value is not None else ["must be true, false, 1 or 0"]
        case "integer":
            number = _INTEGER.fullmatch(text)
            if number is None:
                return None, ["must be a whole number"]
            return int(number[1]), list(_out_of_range(schema, int(number[1])))
        case _:
            return text, list(_faults(schema, given))


def _out_of_range(schema: Mapping[str, Any], number: int) -> Iterator[str]:
    if "minimum" in schema and number < schema["minimum"]:
        yield f"must be at least {schema['minimum']}"
    if "maximum" in schema and number > schema["maximum"]:
        yield f"must be at most {schema['maximum']}"


def _faults(schema: Mapping[str, Any], values: Sequence[str]) -> Iterator[str]:
    for text in values:
        if any("\ud800" <= character <= "\udfff" for character in text):
            yield "must be UTF-8"
        elif "enum" in schema and text not in schema["enum"]:
            yield f"must be one of {', '.join(schema['enum'])}"
        elif len(text) > schema.get("maxLength", len(text)):
            yield f"must have at most {schema['maxLength']} characters"
        elif len(text) < schema.get("minLength", 0):
            yield "must not be empty"
        elif schema.get("format") == "date-time" and not _is_moment(text):
            yield "must be a moment of RFC 3339, such as 2027-01-31T12:00:00Z"


def _is_moment(text: str) -> bool:
    try:
        values.parsed_moment(text)
    except ValueError:
        return False
    return True


def _headers(operation: Operation, headers: Headers, errors: list[Violation]) -> Mapping[str, Any]:
    """The headers an operation reads by a rule of its own."""
    found: dict[str, Any] = {}
    for parameter in operation.parameters:
        if parameter.read is None or parameter.name not in headers:
            continue
        given = [line.strip(" \t") for line in headers.getlist(parameter.name)]
        try:
            found[parameter.name] = parameter.read(given)
        except ValueError as error:
            errors.append(Violation(parameter.name, str(error)))
    return found


async def _body(
    declared: Body, request: Request, patience: float, errors: list[Violation]
) -> Mapping[str, Any]:
    _check_media_type(request.headers.get("content-type", ""))
    raw = (await read_body(request, declared.limit, patience)).removeprefix(codecs.BOM_UTF8)
    if not raw.strip():
        if declared.required:
            errors.append(Violation("body", "is missing; send a JSON object"))
        return {}
    try:
        parsed = _parsed(raw) if len(raw) <= _INLINE else await asyncio.to_thread(_parsed, raw)
    except _Unreadable as error:
        errors.append(error.violation)
        return {}
    errors += validation.violations(declared.component, parsed)
    return parsed


def _check_media_type(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in _TAKEN and not media_type.endswith("+json"):
        detail = "send a JSON object as application/json"
        raise problem("MEDIA_TYPE_UNSUPPORTED", "INVALID_ARGUMENT", detail)


async def read_body(request: Request, limit: int, patience: float) -> bytes:
    """The body, as long as it has at most `limit` bytes and comes within `patience` seconds."""
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > limit:
        raise _too_large(limit, ends=int(length) <= limit + _THROWN_AWAY)
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(patience):
            async for piece in request.stream():
                size += len(piece)
                if size <= limit:
                    pieces.append(piece)
                elif size > limit + _THROWN_AWAY:
                    raise _too_large(limit, ends=False)
    except TimeoutError:
        detail = f"the body did not come within {patience:g} s"
        raise problem("BODY_TOO_SLOW", "DEADLINE_EXCEEDED", detail, headers=_CLOSE) from None
    except ClientDisconnect:
        raise problem("BODY_TOO_SLOW", "CANCELLED", "the caller went away") from None
    if size > limit:
        raise _too_large(limit, ends=True)
    return b"".join(pieces)


def _too_large(limit: int, *, ends: bool) -> Problem:
    """`ends`: the rest of the body is bearable, so the connection can go on behind it."""
    detail = f"the body may have {limit} bytes"
    return problem("BODY_TOO_LARGE", "RESOURCE_EXHAUSTED", detail, headers={} if ends else _CLOSE)


class _Unreadable(Exception):
    """Bytes that are no JSON object."""

    def __init__(self, message: str, field: str = "body") -> None:
        super().__init__(message)
        self.violation = Violation(field, message)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
        json.loads(raw, object_pairs_hook=_object)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _Unreadable(f"cannot be read as JSON: {_lower(str(error))}") from None
    except RecursionError:
        raise _Unreadable("is nested too deeply") from None
    if not isinstance(found, dict):
        raise _Unreadable("must be a JSON object")
    return found


def _object(pairs: list[tuple[str, Any]]) -> None:
    """Readers differ in which member of two they take, so nobody may send two (RFC 7493)."""
    if len(dict(pairs)) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = counted.most_common(1)[0][0]
        raise _Unreadable("is given more than once in one object", validation.shown(twice))


def _lower(text: str) -> str:
    # Where nothing is expected, places have no names: `$[...][...]`.
    text = text.removeprefix("JSON is malformed: ").partition(" - at `$")[0]
    return text[:1].lower() + text[1:]


# A weight that is not nothing.
_WEIGHT: Final = re.compile(r"(?=.*[1-9])[01](\.[0-9]{0,3})?")


def names(headers: Headers, media_type: str) -> bool:
    """Whether `media_type` is accepted by its name."""
    ranges = ",".join(headers.getlist("accept")).split(",")
    return any(_is(media_range, media_type) for media_range in ranges)


def _is(media_range: str, media_type: str) -> bool:
    name, *parameters = (part.strip().lower() for part in media_range.split(";"))
    weights = [part.removeprefix("q=") for part in parameters if part.startswith("q=")]
    return name == media_type and all(_WEIGHT.fullmatch(weight) for weight in weights)
