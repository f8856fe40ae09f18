"""Requests, read by the schemas of their operation; a problem reports everything that is wrong at once."""

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

from ..http.encoding import parse_time
from ..http.problems import Problem, Violation, invalid, problem
from ..http.validation import BodyValidator, shorten
from .dialect import JSON, Body, Operation, Parameter

_INTEGER: Final = re.compile(r"(-?[0-9]{1,18})(?:\.0+)?")  # 1.0 is a whole number in JSON Schema too
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
# The last is curl's default for -d, which says nothing about the body.
_MEDIA_TYPES: Final = ("", JSON, "application/x-www-form-urlencoded")
_INLINE: Final = 64 << 10  # bytes; what is larger is parsed in a thread
# Most clients read no response before they have sent all, and lose it where the connection is cut first.
_DISCARDED: Final = 64 << 20  # bytes that are read behind a body's limit
_CLOSE: Final = {"Connection": "close"}


class Read(msgspec.Struct, frozen=True):
    """The parameters and the body of a request, by name, as far as its operation takes them."""

    query: Mapping[str, Any]
    headers: Mapping[str, Any]
    body: Mapping[str, Any]


async def read_request(
    operation: Operation, request: Request, validator: BodyValidator, patience: float
) -> Read:
    """Query, headers and JSON body, as the operation's schemas say.

    `patience` is in seconds, for the body. Problems: FIELD_INVALID with all that is wrong in any
    of the three; BODY_TOO_LARGE, BODY_TOO_SLOW, MEDIA_TYPE_UNSUPPORTED.
    """
    errors: list[Violation] = []
    query = _query(operation, request.scope["query_string"], errors)
    headers = _headers(operation, request.headers, errors)
    body: Mapping[str, Any] = {}
    # Forms are read by their operation.
    if operation.body is not None and operation.body.media_type == JSON:
        body = await _body(operation.body, request, validator, patience, errors)
    if errors:
        raise invalid(errors)
    return Read(query, headers, body)


def _query(operation: Operation, text: bytes, errors: list[Violation]) -> Mapping[str, Any]:
    """The query parameters that an operation has; others are ignored."""
    # What is no UTF-8 becomes lone surrogates, which nothing else can become.
    decoded = text.decode("utf-8", "surrogateescape")
    pairs = parse_qsl(decoded, keep_blank_values=True, errors="surrogateescape") if text else []
    found: dict[str, Any] = {}
    for parameter in operation.parameters:
        if parameter.where != "query":
            continue
        given = [value for name, value in pairs if name == parameter.name]
        if given:
            found[parameter.name], wrong = _parse_parameter(parameter, given)
            errors += [Violation(parameter.name, message) for message in wrong]
        elif parameter.required:
            errors.append(Violation(parameter.name, "is required"))
    return found


def _parse_parameter(parameter: Parameter, given: Sequence[str]) -> tuple[Any, list[str]]:
    """The value of a parameter, and what is wrong with it."""
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
        elif schema.get("format") == "date-time" and not _is_time(text):
            yield "must be a moment of RFC 3339, such as 2027-01-31T12:00:00Z"


def _is_time(text: str) -> bool:
    try:
        parse_time(text)
    except ValueError:
        return False
    return True


def _headers(operation: Operation, headers: Headers, errors: list[Violation]) -> Mapping[str, Any]:
    """The headers of an operation whose parameters have `read`."""
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
    declared: Body, request: Request, validator: BodyValidator, patience: float, errors: list[Violation]
) -> Mapping[str, Any]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES and not media_type.endswith("+json"):
        detail = "send a JSON object as application/json"
        raise problem("MEDIA_TYPE_UNSUPPORTED", "INVALID_ARGUMENT", detail)
    raw = (await read_body(request, declared.limit, patience)).removeprefix(codecs.BOM_UTF8)
    if not raw.strip():
        if declared.required:
            errors.append(Violation("body", "is missing; send a JSON object"))
        return {}
    try:
        parsed = _parse(raw) if len(raw) <= _INLINE else await asyncio.to_thread(_parse, raw)
    except _Unreadable as error:
        errors.append(error.violation)
        return {}
    errors += validator.violations(declared.component, parsed)
    return parsed


async def read_body(request: Request, limit: int, patience: float) -> bytes:
    """The body, as long as it has at most `limit` bytes and comes within `patience` seconds."""
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > limit:
        raise _too_large(limit, ends=int(length) <= limit + _DISCARDED)
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(patience):
            async for piece in request.stream():
                size += len(piece)
                if size <= limit:
                    pieces.append(piece)
                elif size > limit + _DISCARDED:
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
    """`ends`: the rest of the body is small enough to read, so the connection stays open."""
    detail = f"the body may have {limit} bytes"
    return problem("BODY_TOO_LARGE", "RESOURCE_EXHAUSTED", detail, headers={} if ends else _CLOSE)


class _Unreadable(Exception):
    """The bytes are no JSON object."""

    def __init__(self, message: str, field: str = "body") -> None:
        super().__init__(message)
        self.violation = Violation(field, message)


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
        json.loads(raw, object_pairs_hook=_check_names)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        # msgspec names no places where no type is given: `$[...][...]`.
        text = str(error).removeprefix("JSON is malformed: ").partition(" - at `$")[0]
        raise _Unreadable(f"cannot be read as JSON: {text[:1].lower()}{text[1:]}") from None
    except RecursionError:
        raise _Unreadable("is nested too deeply") from None
    if not isinstance(found, dict):
        raise _Unreadable("must be a JSON object")
    return found


def _check_names(pairs: list[tuple[str, Any]]) -> None:
    """Refuse a member that is given twice: parsers differ in which of the two they take (RFC 7493)."""
    if len(dict(pairs)) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = counted.most_common(1)[0][0]
        raise _Unreadable("is given more than once in one object", shorten(twice))


# A weight above zero (RFC 9110, 12.4.2).
_WEIGHT: Final = re.compile(r"(?=.*[1-9])[01](\.[0-9]{0,3})?")


def accepts(headers: Headers, media_type: str) -> bool:
    """Whether `Accept` has `media_type` itself; wildcards do not count, because browsers send them."""
    ranges = ",".join(headers.getlist("accept")).split(",")
    return any(_is_range_of(media_range, media_type) for media_range in ranges)


def _is_range_of(media_range: str, media_type: str) -> bool:
    name, *parameters = (part.strip().lower() for part in media_range.split(";"))
    weights = [part.removeprefix("q=") for part in parameters if part.startswith("q=")]
    return name == media_type and all(_WEIGHT.fullmatch(weight) for weight in weights)
