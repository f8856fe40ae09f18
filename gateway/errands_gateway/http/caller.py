"""The caller of a request: its credential and trace, as metadata for the server, which checks them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from uuid import uuid4

from msgspec import Struct
from starlette.datastructures import Headers

from .problems import problem

_CREDENTIALS: Final = ("x-api-key", "authorization")
_MAX_CREDENTIAL: Final = 1_024  # characters; more than any key has, fewer than metadata may have
# W3C Trace Context, level 1; the server checks it.
_TRACEPARENT: Final = re.compile(r"[0-9a-f-]{1,64}")
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_CREDENTIAL: Final = re.compile(r"[\x20-\x7e]*")


class Caller(Struct, frozen=True):
    """The caller of one request."""

    metadata: tuple[tuple[str, str], ...]  # of every call to the server for this request
    request_id: str

    @property
    def credential(self) -> tuple[tuple[str, str], ...]:
        """The part of the metadata that identifies the caller."""
        return tuple(pair for pair in self.metadata if pair[0] in _CREDENTIALS)

    @property
    def has_credential(self) -> bool:
        """Whether a credential was sent, valid or not."""
        return bool(self.credential)

    @property
    def anonymous(self) -> Caller:
        """The same request without its credential."""
        rest = tuple(pair for pair in self.metadata if pair[0] not in _CREDENTIALS)
        return Caller(rest, self.request_id)


def has_key(headers: Headers) -> bool:
    """Whether a request has a header for an API key."""
    return "x-api-key" in headers or any(map(_is_bearer, headers.getlist("authorization")))


def request_id_of(headers: Headers) -> str:
    """The request's own id, or a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def read_caller(headers: Headers, request_id: str) -> Caller:
    """The caller of a request with these headers. Problem CREDENTIALS_INVALID: no key has this form."""
    return Caller((("x-request-id", request_id), *_metadata(headers)), request_id)


def _metadata(headers: Headers) -> Iterator[tuple[str, str]]:
    credentials = dict.fromkeys(_credentials(headers))
    if len(credentials) > len(_CREDENTIALS):
        # The server compares two keys; metadata with more of them could be too large to send.
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
            # Another scheme, such as a proxy's Basic, is no key; the server ignores it, too.
            if name == "authorization" and not _is_bearer(value):
                continue
            if len(value) > _MAX_CREDENTIAL or not _CREDENTIAL.fullmatch(value):
                detail = f"{name} holds nothing that could be an API key"
                raise problem("CREDENTIALS_INVALID", "UNAUTHENTICATED", detail)
            yield name, value


def _is_bearer(value: str) -> bool:
    return value[:7].lower() == "bearer "
