"""Finds who guards an MCP server: OAuth 2.0 Protected Resource Metadata (RFC 9728)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import msgspec
from msgspec import Struct

from ...credentials.security_scheme import SecurityScheme
from ...domain.errors import Invalid
from ..openapi.json_node import DocumentError
from ..openapi.loader import fetch_document
from ..origins import origin_of

_WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_NAMED: Final = re.compile(r'\bresource_metadata="([^"]+)"')
_SCOPE: Final = re.compile(r'\bscope="([^"]*)"')
_TIMEOUT: Final = 10.0  # seconds for each place the metadata may be at


class ProtectedResource(Struct, frozen=True, kw_only=True):
    """What a guarded server says about who may come in."""

    resource: str  # what tokens must be meant for (RFC 8707)
    issuers: tuple[str, ...] = ()  # authorization servers, the first preferred
    scopes: tuple[str, ...] = ()


class _Metadata(Struct, kw_only=True):
    resource: str
    authorization_servers: list[str] = []
    scopes_supported: list[str] = []


async def protected_resource(
    url: str, *, internal: bool = False, challenge: str = ""
) -> ProtectedResource | None:
    """What the server at `url` says about its authorization servers; None where it says nothing.

    `challenge` is the WWW-Authenticate header it refused with, which may name the place of the
    metadata (RFC 9728 §5.1) and the scopes. Otherwise it is looked for where §3.1 says.
    """
    asked = _SCOPE.search(challenge)
    for place in _places(url, challenge):
        found = await _metadata(place, internal=internal)
        if found is not None and _covers(found.resource, url):
            return ProtectedResource(
                resource=found.resource,
                issuers=tuple(found.authorization_servers),
                scopes=tuple(asked[1].split() if asked else found.scopes_supported),
            )
    return None


def scheme_of(found: ProtectedResource) -> SecurityScheme:
    """The security scheme of a guarded server. Its endpoints are in the issuer's metadata (RFC 8414)."""
    flow: dict[str, Any] = {"resource": found.resource, "scopes": dict.fromkeys(found.scopes, "")}
    if found.issuers:
        flow["issuer"] = found.issuers[0]
    return SecurityScheme(kind="oauth2", flows={"authorizationCode": flow})


def _places(url: str, challenge: str) -> Iterator[str]:
    origin = origin_of(url, "url")
    named = _NAMED.search(challenge)
    # Metadata elsewhere could lead users to authorize for somebody else's server.
    if named is not None and _lies_at(named[1], origin):
        yield named[1]
    path = httpx2.URL(url).raw_path.decode().partition("?")[0].rstrip("/")
    if path:
        yield f"{origin}{_WELL_KNOWN}{path}"
    yield origin + _WELL_KNOWN


async def _metadata(place: str, *, internal: bool) -> _Metadata | None:
    try:
        text = await fetch_document(place, internal=internal, timeout=_TIMEOUT)
        return msgspec.json.decode(text, type=_Metadata)
    except (Invalid, msgspec.DecodeError):
        return None


def _covers(resource: str, url: str) -> bool:
    """Whether a resource is this URL, or a path above it (RFC 9728 §3.3)."""
    if not _lies_at(resource, origin_of(url, "url")):
        return False
    above, below = (httpx2.URL(one).path.rstrip("/") for one in (resource, url))
    return below == above or below.startswith(above + "/")


def _lies_at(url: str, origin: str) -> bool:
    try:
        return origin_of(url, "url") == origin
    except DocumentError:
        return False
