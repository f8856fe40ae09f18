"""Authlib's OAuth 2 client over this server's own HTTP. Import it late: it takes a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

from authlib.oauth2.auth import encode_client_secret_basic
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from msgspec import Struct

from .client import OAuthClient

Send = Callable[[str, Mapping[str, str], str], Awaitable[Any]]
"""Posts a form: URL, headers, body. Returns what Authlib's parsing expects of a response."""

__all__ = ["AuthlibClient", "OAuth2Error"]


class _Encoded(Struct, frozen=True):
    client_id: str
    client_secret: str


def _basic(client: Any, method: str, uri: str, headers: dict[str, str], body: str) -> Any:
    """HTTP Basic as in RFC 6749 §2.3.1: id and secret are form-encoded before they become Base64."""
    encoded = _Encoded(quote_plus(client.client_id), quote_plus(client.client_secret or ""))
    return encode_client_secret_basic(encoded, method, uri, headers, body)


class AuthlibClient(OAuth2Client):  # type: ignore[misc]  # Authlib has no types
    """Authlib prepares and parses every message; `send` transfers it."""

    def __init__(self, send: Send, client: OAuthClient, *, redirect_uri: str = "") -> None:
        super().__init__(
            session=send,
            client_id=client.client_id,
            client_secret=client.client_secret,
            token_endpoint_auth_method=client.auth_method,
            revocation_endpoint_auth_method=client.auth_method,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )
        self.register_client_auth_method(("client_secret_basic", _basic))

    async def _http_post(
        self, url: str, body: str = "", auth: Any = None, headers: Any = None, **_: Any
    ) -> Any:
        url, headers, body = auth.prepare("POST", url, dict(headers), body)
        return await self.session(url, headers, body)

    async def _fetch_token(
        self, url: str, body: str = "", headers: Any = None, auth: Any = None, **_: Any
    ) -> Any:
        return self.parse_response_token(await self._http_post(url, body, auth, headers))

    async def _refresh_token(
        self, url: str, body: str = "", headers: Any = None, auth: Any = None, **_: Any
    ) -> Any:
        return self.parse_response_token(await self._http_post(url, body, auth, headers))
