"""Who asks: what of a request goes on to the server, which alone decides about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from uuid import uuid4

from msgspec import Struct
from starlette.datastructures import Headers

from .problems import Problem, problem

_CREDENTIALS: Final = ("x-api-key", "authorization")
_MAX_CREDENTIAL: Final = 1_024  # characters; longer than any key, shorter than metadata may be
# W3C Trace Context, level 1; the server takes it up or leaves it.
_TRACEPARENT: Final = re.compile(r"[0-9a-f-]{1,64}")
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_CREDENTIAL: Final = re.compile(r"[\x20-\x7e]*")


class Caller(Struct, frozen=True):
    """`metadata` goes along with every call made for this request."""

    metadata: tuple[tuple[str, str], ...]
    request_id: str

    @property
    def credential(self) -> tuple[tuple[str, str], ...]:
        """What of the metadata says who asks."""
        return tuple(pair for pair in self.metadata if pair[0] in _CREDENTIALS)

    @property
    def keyed(self) -> bool:
        """Whether a credential was sent, be it right or wrong."""
        return bool(self.credential)

    @property
    def anonymous(self) -> Caller:
        """The same request without its credential."""
        rest = tuple(pair for pair in self.metadata if pair[0] not in _CREDENTIALS)
        return Caller(rest, self.request_id)


def is_keyed(headers: Headers) -> bool:
    """Whether a request has something that means to be a key."""
    return "x-api-key" in headers or any(map(_is_bearer, headers.getlist("authorization")))


def request_id_of(headers: Headers) -> str:
    """The request's own id, or a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def caller(headers: Headers, request_id: str) -> Caller:
    """Problem CREDENTIALS_INVALID: a credential that cannot be one."""
    return Caller((("x-request-id", request_id), *_passed_on(headers)), request_id)


def _passed_on(headers: Headers) -> Iterator[tuple[str, str]]:
    credentials = dict.fromkeys(_credentials(headers))
    if len(credentials) > len(_CREDENTIALS):
        # The server compares two; a request full of them would not even reach it.
        detail = "x-api-key and Authorization hold different keys; send one"
        raise problem("CREDENTIALS_INVALID", "UNAUTHENTICATED", detail)
    yield from credentials
    traceparent = headers.get("traceparent", "")
    if _TRACEPARENT.fullmatch(traceparent):
        yield "traceparent", traceparent


def _credentials(headers: Headers) -> Iterator[tuple[str, str]]:
    for name in _CREDENTIALS:
        for line in headers.getlist(name):
            value = line.strip(" \t")
            # Another scheme, such as a proxy's Basic, is no key: the server passes over it too.
            if name == "authorization" and not _is_bearer(value):
                continue
            if len(value) > _MAX_CREDENTIAL or not _CREDENTIAL.fullmatch(value):
                raise _no_key(name)
            yield name, value


def _is_bearer(value: str) -> bool:
    return value[:7].lower() == "bearer "


def _no_key(name: str) -> Problem:
    return problem("CREDENTIALS_INVALID", "UNAUTHENTICATED", f"{name} holds nothing that could be an API key")
