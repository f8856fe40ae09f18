"""OAuth 2 flows of a client: authorization code with PKCE, refresh, client credentials, revocation."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from ...environment import Environment
from ...outbound.guard import AddressForbidden
from ...outbound.web import Reply, Unreachable, Web
from ..grants import Grant, Tokens
from .client import OAuthClient
from .discovery import AuthorizationServer, Discovery, OAuthFailed, is_internal

if TYPE_CHECKING:
    from .authlib_client import AuthlibClient

_CODE: Final = re.compile(r"[\w.:/-]{1,64}")  # of an error; RFC 6749 allows more, which no server uses
_SCOPES: Final = re.compile(r"[\x20-\x7e]{1,20000}")
_TRANSIENT: Final = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_MAX_TOKEN: Final = 16_384  # characters
_LONGEST: Final = 10 * 365 * 86_400  # seconds; a token that lasts longer is taken not to expire


class AuthorizationRequest(Struct, frozen=True, kw_only=True):
    """Where to send a browser (RFC 6749 §4.1.1), and what its response must say."""

    url: str
    issuer: str  # of the response; empty where it is not known
    names_itself: bool  # whether the response must name its issuer (RFC 9207)


class OAuth:
    """Talks to authorization servers. Every method raises OAuthFailed where a server refuses or fails."""

    def __init__(self, web: Web, environment: Environment) -> None:
        self._web = web
        self._environment = environment
        self._discovery = Discovery(web)

    async def authorization_request(
        self, client: OAuthClient, *, redirect_uri: str, state: str, verifier: str, scopes: tuple[str, ...]
    ) -> AuthorizationRequest:
        """The request of the authorization code flow, with PKCE S256 (RFC 7636)."""
        server = await self._discovery.find_server(client)
        endpoint = _require_secure(client, server.authorization_endpoint, "authorization endpoint")
        more = {"resource": client.resource} if client.resource else {}
        if "offline_access" in scopes:
            more["prompt"] = "consent"  # OpenID Connect Core §11
        url, _ = self._protocol(client, redirect_uri).create_authorization_url(
            endpoint, state=state, code_verifier=verifier, scope=list(scopes) or None, **more
        )
        return AuthorizationRequest(url=url, issuer=server.issuer, names_itself=server.names_itself)

    async def redeem(
        self, client: OAuthClient, *, code: str, verifier: str, redirect_uri: str, scopes: tuple[str, ...]
    ) -> Grant:
        """Exchange a code for what the user granted: `scopes`, unless the response names others (§5.1)."""
        protocol = self._protocol(client, redirect_uri)
        server = await self._server(client)
        return await self._fetch_grant(
            lambda: protocol.fetch_token(
                server.token_endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                **_resource(client),
            ),
            scopes,
        )

    async def refresh(self, client: OAuthClient, tokens: Tokens, scopes: tuple[str, ...]) -> Grant:
        """Exchange the refresh token. Where the server does not rotate it, the grant has the same one."""
        protocol = self._protocol(client)
        if client.refresh_url:
            endpoint = _require_secure(client, client.refresh_url, "refresh URL")
        else:
            endpoint = (await self._server(client)).token_endpoint
        return await self._fetch_grant(
            lambda: protocol.refresh_token(endpoint, refresh_token=tokens.refresh_token, **_resource(client)),
            scopes,
            tokens.refresh_token,
        )

    async def obtain(self, client: OAuthClient, scopes: tuple[str, ...]) -> Grant:
        """Tokens for the client itself, by client credentials (RFC 6749 §4.4)."""
        protocol = self._protocol(client)
        server = await self._server(client)
        return await self._fetch_grant(
            lambda: protocol.fetch_token(
                server.token_endpoint,
                grant_type="client_credentials",
                scope=list(scopes) or None,
                **_resource(client),
            ),
            scopes,
        )

    async def revoke(self, client: OAuthClient, tokens: Tokens) -> None:
        """Revoke the tokens (RFC 7009), where the server has an endpoint for that."""
        server = await self._discovery.find_server(client)
        if not server.revocation_endpoint:
            return
        hint = "refresh_token" if tokens.refresh_token else "access_token"
        await self._call(
            lambda: self._protocol(client).revoke_token(
                _require_secure(client, server.revocation_endpoint, "revocation endpoint"),
                token=tokens.refresh_token or tokens.access_token,
                token_type_hint=hint,
            )
        )

    async def _server(self, client: OAuthClient) -> AuthorizationServer:
        server = await self._discovery.find_server(client)
        _require_secure(client, server.token_endpoint, "token endpoint")
        return server

    def _protocol(self, client: OAuthClient, redirect_uri: str = "") -> AuthlibClient:
        from .authlib_client import AuthlibClient

        async def send(url: str, headers: Mapping[str, str], body: str) -> _TokenResponse:
            return _TokenResponse(await self._web.post(url, headers, body, internal=is_internal(client, url)))

        return AuthlibClient(send, client, redirect_uri=redirect_uri)

    async def _fetch_grant(
        self, ask: Callable[[], Awaitable[Any]], scopes: tuple[str, ...], refresh_token: str = ""
    ) -> Grant:
        return self._to_grant(await self._call(ask), scopes, refresh_token)

    async def _call(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        from .authlib_client import OAuth2Error

        try:
            return await ask()
        except OAuth2Error as error:
            raise _to_failure(error.error) from None
        except AddressForbidden as refusal:
            raise OAuthFailed(str(refusal)) from None
        except Unreachable as error:
            message = f"the authorization server cannot be used: {error}"
            raise OAuthFailed(message, transient=True) from error
        except (ValueError, TypeError) as error:  # a field of the response has another type
            raise OAuthFailed("the authorization server answered what cannot be understood") from error

    def _to_grant(self, token: Mapping[str, Any], scopes: tuple[str, ...], refresh_token: str) -> Grant:
        access = _token(token.get("access_token"))
        kind = token.get("token_type") or "Bearer"
        if not access or str(kind).lower() != "bearer":
            raise OAuthFailed("the authorization server gave no bearer token")
        return Grant(
            secret=Tokens(
                access_token=access, refresh_token=_token(token.get("refresh_token")) or refresh_token
            ),
            scopes=_read_scopes(token.get("scope")) or scopes,
            expires_at=self._expiry(token.get("expires_in")),
        )

    def _expiry(self, seconds: Any) -> int | None:
        try:
            left = int(seconds)
        except (ValueError, TypeError):
            return None
        return self._environment.now() + left * 1_000 if 0 <= left < _LONGEST else None


class _TokenResponse:
    """A reply, with what Authlib's parsing uses of it."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.status_code = reply.status

    def json(self) -> dict[str, Any]:
        return self._reply.document()

    def raise_for_status(self) -> None:
        raise Unreachable(f"it answered {self.status_code}")


def _to_failure(error: object) -> OAuthFailed:
    code = str(error)
    code = code if _CODE.fullmatch(code) else "an error without a name"
    message = f"the authorization server refused: {code}"
    return OAuthFailed(message, code=code, transient=code in _TRANSIENT)


def _token(value: Any) -> str:
    """The token, if it can be sent; otherwise empty."""
    fits = isinstance(value, str) and len(value) <= _MAX_TOKEN and value.isascii() and value.isprintable()
    return value if fits else ""


def _read_scopes(scope: Any) -> tuple[str, ...]:
    """The scopes of a response, separated by spaces (RFC 6749) or by commas, as some do; perhaps none."""
    if not isinstance(scope, str) or not _SCOPES.fullmatch(scope):
        return ()
    return tuple(dict.fromkeys(scope.replace(",", " ").split()))


def _resource(client: OAuthClient) -> dict[str, str]:
    return {"resource": client.resource} if client.resource else {}


def _require_secure(client: OAuthClient, url: str, what: str) -> str:
    """The URL, if secrets and users may be sent there; OAuthFailed otherwise."""
    if url.startswith("https://") or (url.startswith("http://") and is_internal(client, url)):
        return url
    if not url:
        raise OAuthFailed(f"the {what} is not known: name it, or the issuer")
    raise OAuthFailed(f"the {what} {url[:200]!r} does not begin with https://")
