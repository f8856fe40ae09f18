"""Finds the endpoints of authorization servers: as their clients have them, or in their metadata."""

from __future__ import annotations

import re
import time
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from ...lru import LruCache
from ...outbound.guard import AddressForbidden
from ...outbound.web import Unreachable, Web
from .client import OAuthClient

_TTL: Final = 3_600.0  # seconds that metadata is cached
_MAX_CACHED: Final = 1_000  # servers
OPENID: Final = "/.well-known/openid-configuration"


class OAuthFailed(Exception):
    """The authorization server refused, or could not be reached. The message holds no secret.

    `code` as in RFC 6749 §5.2, or empty; `transient`: a later try may succeed.
    """

    def __init__(self, message: str, *, code: str = "", transient: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.transient = transient


class AuthorizationServer(Struct, frozen=True, kw_only=True):
    """The metadata of one (RFC 8414). Empty fields are not known."""

    issuer: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    revocation_endpoint: str = ""
    names_itself: bool = False  # every authorization response holds its issuer (RFC 9207)


class Discovery:
    """Finds the metadata of authorization servers, and caches it for an hour."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._cache: LruCache[tuple[str, ...], tuple[float, AuthorizationServer]] = LruCache(_MAX_CACHED)

    async def find_server(self, client: OAuthClient) -> AuthorizationServer:
        """The client's authorization server: endpoints of the client go before those of the metadata.

        OAuthFailed: the metadata cannot be read, or is another issuer's.
        """
        configured = AuthorizationServer(
            issuer=client.issuer,
            authorization_endpoint=client.authorization_url,
            token_endpoint=client.token_url,
        )
        if not (client.issuer or client.discovery_url):
            return configured
        found = await self._find_metadata(client)
        return AuthorizationServer(
            issuer=found.issuer,
            authorization_endpoint=configured.authorization_endpoint or found.authorization_endpoint,
            token_endpoint=configured.token_endpoint or found.token_endpoint,
            revocation_endpoint=found.revocation_endpoint,
            names_itself=found.names_itself,
        )

    async def _find_metadata(self, client: OAuthClient) -> AuthorizationServer:
        key = (client.issuer, client.discovery_url, *client.internal_origins)
        cached = self._cache.find(key)
        if cached is not None and time.monotonic() - cached[0] <= _TTL:
            return cached[1]
        found = await self._read_metadata(client)
        self._cache.replace(key, (time.monotonic(), found))
        return found

    async def _read_metadata(self, client: OAuthClient) -> AuthorizationServer:
        for url in _metadata_urls(client):
            document = await self._document(client, url)
            if document is not None:
                return _parse_metadata(client, url, document)
        raise OAuthFailed(f"{client.issuer or client.discovery_url} publishes no metadata (RFC 8414)")

    async def _document(self, client: OAuthClient, url: str) -> dict[str, Any] | None:
        try:
            reply = await self._web.get(url, internal=is_internal(client, url))
            if reply.status >= 500:
                raise Unreachable(f"it answered {reply.status}")
            return reply.document() if reply.status == 200 else None
        except AddressForbidden as refusal:
            raise OAuthFailed(str(refusal)) from None
        except Unreachable as error:
            raise OAuthFailed(f"{url} cannot be read: {error}", transient=True) from error


def _metadata_urls(client: OAuthClient) -> tuple[str, ...]:
    if client.discovery_url:
        return (client.discovery_url,)
    from authlib.oauth2.rfc8414 import get_well_known_url

    return (
        client.issuer.rstrip("/") + OPENID,
        get_well_known_url(client.issuer.removesuffix("/"), external=True),
    )


def _parse_metadata(client: OAuthClient, url: str, document: dict[str, Any]) -> AuthorizationServer:
    """The metadata, if it is the client's issuer's (RFC 8414 §3.3); OAuthFailed otherwise.

    A slash at the end makes no difference: libraries that protect MCP servers add one to their issuer.
    """
    issuer = _text(document, "issuer")
    if not _is_issuer(client, issuer):
        raise OAuthFailed(f"the metadata at {url} is of another issuer")
    return AuthorizationServer(
        issuer=issuer,
        authorization_endpoint=_text(document, "authorization_endpoint"),
        token_endpoint=_text(document, "token_endpoint"),
        revocation_endpoint=_text(document, "revocation_endpoint"),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _is_issuer(client: OAuthClient, issuer: str) -> bool:
    if client.issuer:
        return issuer.removesuffix("/") == client.issuer.removesuffix("/")
    return bool(issuer) and issuer.rstrip("/") + OPENID == client.discovery_url


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name, "")
    return value if isinstance(value, str) else ""


def origin(url: str) -> str:
    """Scheme, host and port of a URL, in lower case, without the default port."""
    parts = urlsplit(url)
    netloc = parts.netloc.lower()
    usual = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    return f"{parts.scheme}://{netloc.removesuffix(usual) if usual else netloc}"


def is_internal(client: OAuthClient, url: str) -> bool:
    """Whether this endpoint may be inside the network: an operator allowed its origin."""
    return origin(url) in client.internal_origins


_PARAMETER: Final = re.compile(r'([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s",]+))')
_SCHEME: Final = re.compile(r"\bBearer\b", re.IGNORECASE)
_MAX_SCOPES: Final = 100


class Challenge(Struct, frozen=True):
    """What a WWW-Authenticate header says: the error, and the scopes that suffice. Empty: not named."""

    error: str = ""
    scopes: tuple[str, ...] = ()


def parse_challenge(header: str) -> Challenge:
    """The Bearer challenge in a WWW-Authenticate header (RFC 6750 §3); empty where there is none."""
    scheme = _SCHEME.search(header)
    if scheme is None:
        return Challenge()
    found = _PARAMETER.findall(header[scheme.end() :])
    parameters = {name.lower(): quoted or plain for name, quoted, plain in found}
    scopes = parameters.get("scope", "").split()
    return Challenge(parameters.get("error", "").lower(), tuple(dict.fromkeys(scopes))[:_MAX_SCOPES])
