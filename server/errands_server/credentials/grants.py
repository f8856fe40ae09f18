"""The kinds of secrets that a user's connection can have, and the credentials made of them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec
from msgspec import Struct

from ..store.encryption import Sealer
from .credential import Credential


class _Secret(Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Bearer(_Secret, frozen=True, kw_only=True, tag="bearer"):
    """A bearer token (RFC 6750)."""

    token: str


class ApiKey(_Secret, frozen=True, kw_only=True, tag="apiKey"):
    """An API key. Without `location` or `name` it goes where the service's description says."""

    value: str
    location: str = ""  # header, query, cookie
    name: str = ""


class ApiKeys(_Secret, frozen=True, kw_only=True, tag="apiKeys"):
    """API keys that operations ask for together."""

    values: Mapping[str, str]  # by the names of their schemes in the service's description


class Basic(_Secret, frozen=True, kw_only=True, tag="basic"):
    """A user name and password (RFC 7617)."""

    username: str
    password: str


class Tokens(_Secret, frozen=True, kw_only=True, tag="oauth2"):
    """OAuth 2 tokens (RFC 6749)."""

    access_token: str
    refresh_token: str = ""  # empty where it cannot be renewed


Secret: TypeAlias = Bearer | ApiKey | ApiKeys | Basic | Tokens


class Grant(Struct, frozen=True, kw_only=True):
    """A secret with its scopes and its end."""

    secret: Secret
    scopes: tuple[str, ...] = ()  # granted; empty where that is not known
    expires_at: int | None = None  # milliseconds; None where it does not expire, or that is not known


def kind_of(secret: Secret) -> str:
    """The name of a secret's kind: its tag, as stored and in the API."""
    return str(secret.__struct_config__.tag)


def bearer(token: str) -> Credential:
    return Credential(headers={"Authorization": f"Bearer {token}"})


def basic(username: str, password: str) -> Credential:
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    return Credential(headers={"Authorization": f"Basic {pair}"})


def api_key(location: str, name: str, value: str) -> Credential:
    placed = {name: value}
    return Credential(
        headers=placed if location == "header" else {},
        query=placed if location == "query" else {},
        cookies=placed if location == "cookie" else {},
    )


def merge(credentials: Iterable[Credential]) -> Credential:
    """One credential that adds to a request what all of these add."""
    found = list(credentials)
    return Credential(
        headers={name: value for one in found for name, value in one.headers.items()},
        query={name: value for one in found for name, value in one.query.items()},
        cookies={name: value for one in found for name, value in one.cookies.items()},
    )


def seal_grant(sealer: Sealer, grant: Grant, place: str) -> bytes:
    """The grant, sealed for one row."""
    return sealer.seal(msgspec.json.encode(grant), place)


def unseal_grant(sealer: Sealer, sealed: bytes, place: str) -> Grant:
    """What was sealed for that row. Unsealable: the server's keys do not open it."""
    return msgspec.json.decode(sealer.open(sealed, place), type=Grant)
