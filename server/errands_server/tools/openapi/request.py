"""Composes one HTTP request from an operation, its arguments and a credential."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx2
from msgspec import Struct

from ...credentials.credential import Credential
from ...domain.errors import Reason
from ...domain.tool import Repeat
from ...ports import CallRequest
from ..operation import Location, Operation, Parameter
from .encoding import encode_body, header_text, path_text, query_pairs
from .tool_schema import KEY_HEADER

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_UNFIT_CREDENTIAL: Final = "the credential holds characters a header cannot carry"
_ACCEPT: Final = "application/json, text/*;q=0.5, */*;q=0.1"


class OutgoingRequest(Struct, frozen=True, kw_only=True):
    """A request that is ready to be sent."""

    method: str
    url: httpx2.URL
    headers: Mapping[str, str]  # names in lower case
    content: bytes | None


class CannotSend(Exception):
    """A request that HTTP cannot carry; nothing was sent."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def compose(operation: Operation, request: CallRequest, credential: Credential) -> OutgoingRequest:
    """The request of a call whose arguments fit its schema. CannotSend: HTTP cannot carry it."""
    arguments = request.arguments
    body = None
    if operation.body_type and "body" in arguments:
        try:
            body = encode_body(operation, arguments["body"])
        except ValueError as problem:
            raise CannotSend(Reason.ARGUMENTS_INVALID, f"arguments.{problem}") from None
    key_header = operation.key_header or (KEY_HEADER if operation.tool.repeat is Repeat.KEYED else "")
    return OutgoingRequest(
        method=operation.tool.method,
        url=_url(operation, arguments, credential),
        headers={
            "accept": _ACCEPT,
            "accept-encoding": "gzip, deflate",
            "user-agent": "errands",
            **({} if body is None else {"content-type": body.content_type}),
            **_headers(operation, arguments, credential),
            **_credential_headers(credential),
            **({key_header.lower(): request.idempotency_key} if key_header else {}),
            **({"traceparent": request.traceparent} if request.traceparent else {}),
            **_cookies(operation, arguments, credential),
        },
        content=None if body is None else body.content,
    )


def _url(operation: Operation, arguments: Mapping[str, Any], credential: Credential) -> httpx2.URL:
    pairs = list(_query(operation, arguments, credential))
    path, _, fixed = _path(operation, arguments).partition("?")
    query = "&".join((fixed, *pairs) if fixed else pairs)
    url = f"{operation.tool.origin}{operation.base_path}{path}"
    try:
        return httpx2.URL(f"{url}?{query}" if query else url)
    except httpx2.InvalidURL as error:  # longer than a URL may be
        raise CannotSend(Reason.ARGUMENTS_INVALID, f"arguments: they make no valid URL: {error}") from None


def _query(operation: Operation, arguments: Mapping[str, Any], credential: Credential) -> Iterator[str]:
    # Of two values of one name a service may use either, so a name may have only one.
    for parameter, value in _arguments_in(operation, arguments, Location.QUERY):
        if parameter.name in credential.query:
            raise _already_set(parameter)
        yield from query_pairs(parameter, value)
    for name, value in credential.query.items():
        yield f"{quote(name, safe='')}={quote(value, safe='')}"


def _already_set(parameter: Parameter) -> CannotSend:
    where = f"the {parameter.location} parameter {parameter.name}"
    problem = f"arguments.{parameter.argument}: {where} is set by the credential already"
    return CannotSend(Reason.ARGUMENTS_INVALID, problem)


def _path(operation: Operation, arguments: Mapping[str, Any]) -> str:
    values = {
        parameter.name: (parameter.argument, path_text(parameter, value))
        for parameter, value in _arguments_in(operation, arguments, Location.PATH)
    }
    for argument, text in values.values():
        if not text:
            raise CannotSend(Reason.ARGUMENTS_INVALID, f"arguments.{argument}: must not be empty in a path")
    # A fragment only distinguishes operations of one path; it is never sent.
    template = operation.tool.path.partition("#")[0]
    path = _PLACEHOLDER.sub(lambda found: values[found[1]][1], template)
    # Percent-encoding keeps dots, and a segment of dots would name another operation.
    if not {".", ".."}.isdisjoint(path.partition("?")[0].split("/")):
        raise CannotSend(Reason.ARGUMENTS_INVALID, "arguments: `.` and `..` cannot stand alone in a path")
    return path


def _headers(operation: Operation, arguments: Mapping[str, Any], credential: Credential) -> dict[str, str]:
    headers: dict[str, str] = {}
    taken = {name.lower() for name in credential.headers}
    for parameter, value in _arguments_in(operation, arguments, Location.HEADER):
        if value is None:
            continue
        if parameter.name.lower() in taken:
            raise _already_set(parameter)
        text = header_text(parameter, value)
        if not _is_header_value(text):
            problem = f"arguments.{parameter.argument}: a header holds printable ASCII only"
            raise CannotSend(Reason.ARGUMENTS_INVALID, problem)
        headers[parameter.name.lower()] = text
    return headers


def _credential_headers(credential: Credential) -> dict[str, str]:
    headers = {name.lower(): value for name, value in credential.headers.items()}
    if not all(_is_header_value(value) for value in headers.values()):
        raise CannotSend(Reason.CREDENTIALS_INVALID, _UNFIT_CREDENTIAL)
    return headers


def _cookies(operation: Operation, arguments: Mapping[str, Any], credential: Credential) -> dict[str, str]:
    given = _arguments_in(operation, arguments, Location.COOKIE)
    pairs = [pair for parameter, value in given for pair in query_pairs(parameter, value)]
    pairs += [f"{name}={value}" for name, value in credential.cookies.items()]
    pairs += [value for name, value in credential.headers.items() if pairs and name.lower() == "cookie"]
    if not all(map(_is_header_value, pairs)):
        raise CannotSend(Reason.CREDENTIALS_INVALID, _UNFIT_CREDENTIAL)
    return {"cookie": "; ".join(pairs)} if pairs else {}


def _arguments_in(
    operation: Operation, arguments: Mapping[str, Any], location: Location
) -> Iterator[tuple[Parameter, Any]]:
    for parameter in operation.parameters:
        if parameter.location is not location:
            continue
        if parameter.fixed:
            yield parameter, parameter.fixed
        elif parameter.argument in arguments:
            yield parameter, arguments[parameter.argument]


def _is_header_value(text: str) -> bool:
    return text.isascii() and text.isprintable() and text == text.strip()
