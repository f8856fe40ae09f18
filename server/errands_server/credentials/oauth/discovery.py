"""Where an authorization server's endpoints are: as its client says, or as its metadata says."""

from __future__ import annotations

import re
import time
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from ...outbound.guard import AddressForbidden
from ...outbound.web import Unreachable, Web
from .client import OAuthClient

_TTL: Final = 3_600.0  # seconds metadata is believed
_MAX_KNOWN: Final = 1_000
OPENID: Final = "/.well-known/openid-configuration"


class OAuthFailed(Exception):
    """The authorization server refused, or could not be asked. Quotes nothing that may be secret.

    `code` as in RFC 6749 §5.2, or empty; `transient` failures may pass.
    """

    def __init__(self, message: str, *, code: str = "", transient: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.transient = transient


class AuthorizationServer(Struct, frozen=True, kw_only=True):
    """What is known of one (RFC 8414). Empty where it is not."""

    issuer: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    revocation_endpoint: str = ""
    names_itself: bool = False  # every answer to a browser holds its issuer (RFC 9207)


class Discovery:
    """Finds authorization servers, and remembers them for an hour."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._known: dict[tuple[str, ...], tuple[float, AuthorizationServer]] = {}

    async def server(self, client: OAuthClient) -> AuthorizationServer:
        """The client's authorization server. OAuthFailed."""
        said = AuthorizationServer(
            issuer=client.issuer,
            authorization_endpoint=client.authorization_url,
            token_endpoint=client.token_url,
        )
        if not (client.issuer or client.discovery_url):
            return said
        found = await self._discovered(client)
        return AuthorizationServer(
            issuer=found.issuer,
            authorization_endpoint=said.authorization_endpoint or found.authorization_endpoint,
            token_endpoint=said.token_endpoint or found.token_endpoint,
            revocation_endpoint=found.revocation_endpoint,
            names_itself=found.names_itself,
        )

    async def _discovered(self, client: OAuthClient) -> AuthorizationServer:
        key = (client.issuer, client.discovery_url, *client.internal_origins)
        at, known = self._known.get(key, (0.0, None))
        if known is None or time.monotonic() - at > _TTL:
            known = await self._read(client)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[key] = (time.monotonic(), known)
        return known

    async def _read(self, client: OAuthClient) -> AuthorizationServer:
        for url in _places(client):
            document = await self._document(client, url)
            if document is not None:
                return _checked(client, url, document)
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


def _places(client: OAuthClient) -> tuple[str, ...]:
    if client.discovery_url:
        return (client.discovery_url,)
    from authlib.oauth2.rfc8414 import get_well_known_url

    return (
        client.issuer.rstrip("/") + OPENID,
        get_well_known_url(client.issuer.removesuffix("/"), external=True),
    )


def _checked(client: OAuthClient, url: str, document: dict[str, Any]) -> AuthorizationServer:
    """What the metadata says, if it is this issuer's (RFC 8414 §3.3).

    A slash at the end is let pass: libraries that guard MCP servers add one to the issuer they name.
    """
    issuer = _text(document, "issuer")
    if not _is_of(client, issuer):
        raise OAuthFailed(f"the metadata at {url} is of another issuer")
    return AuthorizationServer(
        issuer=issuer,
        authorization_endpoint=_text(document, "authorization_endpoint"),
        token_endpoint=_text(document, "token_endpoint"),
        revocation_endpoint=_text(document, "revocation_endpoint"),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _is_of(client: OAuthClient, issuer: str) -> bool:
    if client.issuer:
        return issuer.removesuffix("/") == client.issuer.removesuffix("/")
    return bool(issuer) and issuer.rstrip("/") + OPENID == client.discovery_url


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name, "")
    return value if isinstance(value, str) else ""


def origin(url: str) -> str:
    """Scheme, host and port of a URL, in lower case; without a port where it is the usual one."""
    parts = urlsplit(url)
    netloc = parts.netloc.lower()
    usual = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    return f"{parts.scheme}://{netloc.removesuffix(usual) if usual else netloc}"


def is_internal(client: OAuthClient, url: str) -> bool:
    """Whether this endpoint may lie inside: an operator opened its origin."""
    return origin(url) in client.internal_origins


_PARAMETER: Final = re.compile(r'([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s",]+))')
_SCHEME: Final = re.compile(r"\bBearer\b", re.IGNORECASE)
_MOST: Final = 100  # scopes


class Challenge(Struct, frozen=True):
    """The error, and the scopes that would do; empty where it does not say."""

    error: str = ""
    scopes: tuple[str, ...] = ()


def challenge_of(header: str) -> Challenge:
    """What a WWW-Authenticate header says to bearers of tokens."""
    scheme = _SCHEME.search(header)
    if scheme is None:
        return Challenge()
    found = _PARAMETER.findall(header[scheme.end() :])
    said = {name.lower(): quoted or plain for name, quoted, plain in found}
    scopes = said.get("scope", "").split()
    return Challenge(said.get("error", "").lower(), tuple(dict.fromkeys(scopes))[:_MOST])
