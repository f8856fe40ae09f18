"""OAuth 2 as a client: authorization code with PKCE, refresh, client credentials, revocation."""

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

_CODE: Final = re.compile(r"[\w.:/-]{1,64}")  # of an error; RFC 6749 allows more, nobody uses it
_SCOPES: Final = re.compile(r"[\x20-\x7e]{1,20000}")
_PASSING: Final = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_MAX_TOKEN: Final = 16_384  # characters
_LONGEST: Final = 10 * 365 * 86_400  # seconds; a token that lasts longer never runs out


class Visit(Struct, frozen=True, kw_only=True):
    """Sends a browser to an authorization server, and what is known of its return."""

    url: str
    issuer: str  # who answers; empty where that is not known
    names_itself: bool  # whether the answer must say so (RFC 9207)


class OAuth:
    """Speaks with authorization servers. Raises nothing but OAuthFailed for what they do."""

    def __init__(self, web: Web, environment: Environment) -> None:
        self._web = web
        self._environment = environment
        self._discovery = Discovery(web)

    async def visit(
        self, client: OAuthClient, *, redirect_uri: str, state: str, verifier: str, scopes: tuple[str, ...]
    ) -> Visit:
        """Where to send the browser: with PKCE S256 (RFC 7636), always."""
        server = await self._discovery.server(client)
        endpoint = _usable(client, server.authorization_endpoint, "authorization endpoint")
        more = {"resource": client.resource} if client.resource else {}
        if "offline_access" in scopes:
            more["prompt"] = "consent"  # OpenID Connect Core §11
        url, _ = self._protocol(client, redirect_uri).create_authorization_url(
            endpoint, state=state, code_verifier=verifier, scope=list(scopes) or None, **more
        )
        return Visit(url=url, issuer=server.issuer, names_itself=server.names_itself)

    async def redeem(
        self, client: OAuthClient, *, code: str, verifier: str, redirect_uri: str, scopes: tuple[str, ...]
    ) -> Grant:
        """What the user granted: `scopes`, unless the answer says otherwise (RFC 6749 §5.1)."""
        protocol = self._protocol(client, redirect_uri)
        server = await self._server(client)
        return await self._granted(
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
        """Tokens in place of these, with a new refresh token where the server rotates them."""
        protocol = self._protocol(client)
        if client.refresh_url:
            endpoint = _usable(client, client.refresh_url, "refresh URL")
        else:
            endpoint = (await self._server(client)).token_endpoint
        return await self._granted(
            lambda: protocol.refresh_token(endpoint, refresh_token=tokens.refresh_token, **_resource(client)),
            scopes,
            tokens.refresh_token,
        )

    async def obtain(self, client: OAuthClient, scopes: tuple[str, ...]) -> Grant:
        """Tokens for the client itself (RFC 6749 §4.4)."""
        protocol = self._protocol(client)
        server = await self._server(client)
        return await self._granted(
            lambda: protocol.fetch_token(
                server.token_endpoint,
                grant_type="client_credentials",
                scope=list(scopes) or None,
                **_resource(client),
            ),
            scopes,
        )

    async def revoke(self, client: OAuthClient, tokens: Tokens) -> None:
        """Tell the server that the tokens are no longer wanted (RFC 7009), where it takes that."""
        server = await self._discovery.server(client)
        if not server.revocation_endpoint:
            return
        hint = "refresh_token" if tokens.refresh_token else "access_token"
        await self._guarded(
            lambda: self._protocol(client).revoke_token(
                _usable(client, server.revocation_endpoint, "revocation endpoint"),
                token=tokens.refresh_token or tokens.access_token,
                token_type_hint=hint,
            )
        )

    async def _server(self, client: OAuthClient) -> AuthorizationServer:
        server = await self._discovery.server(client)
        _usable(client, server.token_endpoint, "token endpoint")
        return server

    def _protocol(self, client: OAuthClient, redirect_uri: str = "") -> AuthlibClient:
        from .authlib_client import AuthlibClient

        async def send(url: str, headers: Mapping[str, str], body: str) -> _TokenResponse:
            return _TokenResponse(await self._web.post(url, headers, body, internal=is_internal(client, url)))

        return AuthlibClient(send, client, redirect_uri=redirect_uri)

    async def _granted(
        self, ask: Callable[[], Awaitable[Any]], scopes: tuple[str, ...], refresh_token: str = ""
    ) -> Grant:
        return self._grant(await self._guarded(ask), scopes, refresh_token)

    async def _guarded(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        from .authlib_client import OAuth2Error

        try:
            return await ask()
        except OAuth2Error as error:
            raise _refusal(error.error) from None
        except AddressForbidden as refusal:
            raise OAuthFailed(str(refusal)) from None
        except Unreachable as error:
            message = f"the authorization server cannot be used: {error}"
            raise OAuthFailed(message, transient=True) from error
        except (ValueError, TypeError) as error:  # times and texts that are none
            raise OAuthFailed("the authorization server answered what cannot be understood") from error

    def _grant(self, token: Mapping[str, Any], scopes: tuple[str, ...], refresh_token: str) -> Grant:
        access = _token(token.get("access_token"))
        kind = token.get("token_type") or "Bearer"
        if not access or str(kind).lower() != "bearer":
            raise OAuthFailed("the authorization server gave no bearer token")
        return Grant(
            secret=Tokens(
                access_token=access, refresh_token=_token(token.get("refresh_token")) or refresh_token
            ),
            scopes=_said_scopes(token.get("scope")) or scopes,
            expires_at=self._expiry(token.get("expires_in")),
        )

    def _expiry(self, seconds: Any) -> int | None:
        try:
            left = int(seconds)
        except (ValueError, TypeError):
            return None
        return self._environment.now() + left * 1_000 if 0 <= left < _LONGEST else None


class _TokenResponse:
    """A reply, as Authlib's parsing wants it."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.status_code = reply.status

    def json(self) -> dict[str, Any]:
        return self._reply.document()

    def raise_for_status(self) -> None:
        raise Unreachable(f"it answered {self.status_code}")


def _refusal(error: object) -> OAuthFailed:
    code = str(error)
    code = code if _CODE.fullmatch(code) else "an error without a name"
    message = f"the authorization server refused: {code}"
    return OAuthFailed(message, code=code, transient=code in _PASSING)


def _token(value: Any) -> str:
    """A token that can be sent; empty where it is none."""
    fits = isinstance(value, str) and len(value) <= _MAX_TOKEN and value.isascii() and value.isprintable()
    return value if fits else ""


def _said_scopes(said: Any) -> tuple[str, ...]:
    """What was granted, if the answer says so: separated as RFC 6749 has it, or by commas as some do."""
    if not isinstance(said, str) or not _SCOPES.fullmatch(said):
        return ()
    return tuple(dict.fromkeys(said.replace(",", " ").split()))


def _resource(client: OAuthClient) -> dict[str, str]:
    return {"resource": client.resource} if client.resource else {}


def _usable(client: OAuthClient, url: str, what: str) -> str:
    """The endpoint, if secrets and users may be sent there."""
    if url.startswith("https://") or (url.startswith("http://") and is_internal(client, url)):
        return url
    if not url:
        raise OAuthFailed(f"the {what} is not known: name it, or the issuer")
    raise OAuthFailed(f"the {what} {url[:200]!r} does not begin with https://")
