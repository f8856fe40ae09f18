"""OAuth 2.0 Protected Resource Metadata (RFC 9728): the authorization servers of an MCP server."""

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
_TIMEOUT: Final = 10.0  # seconds for each URL that is tried


class ProtectedResource(Struct, frozen=True, kw_only=True):
    """What a server requires of its clients. Stored in msgpack."""

    resource: str  # the audience of its tokens (RFC 8707)
    issuers: tuple[str, ...] = ()  # authorization servers, the first preferred
    scopes: tuple[str, ...] = ()  # to be requested


class _Metadata(Struct, kw_only=True):
    resource: str
    authorization_servers: list[str] = []
    scopes_supported: list[str] = []


async def protected_resource(
    url: str, *, internal: bool = False, challenge: str = ""
) -> ProtectedResource | None:
    """The metadata of the server at `url`; None where it publishes none.

    `challenge` is the WWW-Authenticate header of its refusal, which may name the URL of the
    metadata (RFC 9728 §5.1) and the scopes. The well-known URLs of §3.1 are tried after it.
    """
    asked = _SCOPE.search(challenge)
    for metadata_url in _metadata_urls(url, challenge):
        found = await _metadata(metadata_url, internal=internal)
        if found is not None and _covers(found.resource, url):
            return ProtectedResource(
                resource=found.resource,
                issuers=tuple(found.authorization_servers),
                scopes=tuple(asked[1].split() if asked else found.scopes_supported),
            )
    return None


def scheme_of(found: ProtectedResource) -> SecurityScheme:
    """The security scheme of the server. Its endpoints are in the issuer's metadata (RFC 8414)."""
    flow: dict[str, Any] = {"resource": found.resource, "scopes": dict.fromkeys(found.scopes, "")}
    if found.issuers:
        flow["issuer"] = found.issuers[0]
    return SecurityScheme(kind="oauth2", flows={"authorizationCode": flow})


def _metadata_urls(url: str, challenge: str) -> Iterator[str]:
    origin = origin_of(url, "url")
    named = _NAMED.search(challenge)
    # Metadata of another origin could lead users to authorize access to another server.
    if named is not None and _is_at(named[1], origin):
        yield named[1]
    path = httpx2.URL(url).raw_path.decode().partition("?")[0].rstrip("/")
    if path:
        yield f"{origin}{_WELL_KNOWN}{path}"
    yield origin + _WELL_KNOWN


async def _metadata(url: str, *, internal: bool) -> _Metadata | None:
    try:
        text = await fetch_document(url, internal=internal, timeout=_TIMEOUT)
        return msgspec.json.decode(text, type=_Metadata)
    except (Invalid, msgspec.DecodeError):
        return None


def _covers(resource: str, url: str) -> bool:
    """Whether a resource is this URL, or a path above it (RFC 9728 §3.3)."""
    if not _is_at(resource, origin_of(url, "url")):
        return False
    above, below = (httpx2.URL(one).path.rstrip("/") for one in (resource, url))
    return below == above or below.startswith(above + "/")


def _is_at(url: str, origin: str) -> bool:
    try:
        return origin_of(url, "url") == origin
    except DocumentError:
        return False
