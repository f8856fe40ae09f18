"""Reads requests by the schemas of their operation, and reports everything that is wrong at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request

from . import checking
from .operation import Body, Operation, Parameter
from .problems import Problem, Violation, invalid, problem

_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
# curl's default for -d, which says nothing about what was meant.
_TAKEN: Final = ("", "application/json", "application/x-www-form-urlencoded")
_INLINE: Final = 64 << 10  # bytes; what is larger is parsed beside the event loop
_CHECKED: Final = 1 << 20  # bytes; what is larger is a description, which the server checks


def query(operation: Operation, text: bytes) -> Mapping[str, Any]:
    """The query parameters an operation knows. Problem FIELD_INVALID names all that are wrong."""
    declared = [parameter for parameter in operation.parameters if parameter.where == "query"]
    pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True) if text else []
    found: dict[str, Any] = {}
    errors: list[Violation] = []
    for parameter in declared:
        given = [value for name, value in pairs if name == parameter.name]
        if not given:
            if parameter.required:
                errors.append(Violation(parameter.name, "is required"))
            continue
        value, wrong = _value(parameter, given)
        errors += [Violation(parameter.name, message) for message in wrong]
        found[parameter.name] = value
    if errors:
        raise invalid(errors)
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
            if not _INTEGER.fullmatch(text):
                return None, ["must be a whole number"]
            return int(text), list(_out_of_range(schema, int(text)))
        case _:
            return text, list(_faults(schema, given))


def _out_of_range(schema: Mapping[str, Any], number: int) -> Iterator[str]:
    if "minimum" in schema and number < schema["minimum"]:
        yield f"must be at least {schema['minimum']}"
    if "maximum" in schema and number > schema["maximum"]:
        yield f"must be at most {schema['maximum']}"


def _faults(schema: Mapping[str, Any], values: Sequence[str]) -> Iterator[str]:
    for text in values:
        if "enum" in schema and text not in schema["enum"]:
            yield f"must be one of {', '.join(schema['enum'])}"
        if len(text) > schema.get("maxLength", len(text)):
            yield f"must have at most {schema['maxLength']} characters"
        if len(text) < schema.get("minLength", 0):
            yield "must not be empty"
        if "\ufffd" in text or not text.isprintable():
            yield "must be printable text in UTF-8"


async def body(declared: Body, request: Request, patience: float) -> Mapping[str, Any]:
    """The JSON object of a request, as its schema says.

    `patience` is in seconds. Problems: BODY_TOO_LARGE, BODY_TOO_SLOW, MEDIA_TYPE_UNSUPPORTED,
    FIELD_INVALID with everything that is wrong.
    """
    _check_media_type(request.headers.get("content-type", ""))
    raw = await received(request, declared.limit, patience)
    if not raw.strip():
        if declared.required:
            raise invalid([Violation("body", "must be a JSON object")])
        return {}
    parsed = _parsed(raw) if len(raw) <= _INLINE else await asyncio.to_thread(_parsed, raw)
    errors = checking.violations(declared.component, parsed)
    if errors:
        raise invalid(errors)
    return parsed


def _check_media_type(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in _TAKEN and not media_type.endswith("+json"):
        detail = "send a JSON object as application/json"
        raise problem("MEDIA_TYPE_UNSUPPORTED", "INVALID_ARGUMENT", detail)


async def received(request: Request, limit: int, patience: float) -> bytes:
    """The body, as long as it has at most `limit` bytes and comes within `patience` seconds."""
    too_large = problem(
        "BODY_TOO_LARGE", "RESOURCE_EXHAUSTED", f"the body may have {limit} bytes", headers=_CLOSE
    )
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > limit:
        raise too_large
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(patience):
            async for piece in request.stream():
                size += len(piece)
                if size > limit:
                    raise too_large
                pieces.append(piece)
    except TimeoutError:
        detail = f"the body did not come within {patience:g} s"
        raise problem("BODY_TOO_SLOW", "DEADLINE_EXCEEDED", detail, headers=_CLOSE) from None
    except ClientDisconnect:
        raise problem("BODY_TOO_SLOW", "CANCELLED", "the caller went away") from None
    return b"".join(pieces)


_CLOSE: Final = {"Connection": "close"}


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _no_object(f"is no JSON: {error}") from None
    except RecursionError:
        raise _no_object("is nested too deeply") from None
    if not isinstance(found, dict):
        raise _no_object("must be a JSON object")
    return found


def _no_object(message: str) -> Problem:
    return invalid([Violation("body", message)])
