"""Obtains tokens for Okta service apps: client credentials with a signed assertion (RFC 7523 §2.2)."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from msgspec.structs import replace

from ...domain.errors import Reason
from ...environment import Environment
from ...outbound.web import AddressForbidden, Unreachable, Web
from ...ports import CallFailed
from ..credential import Credential
from ..redaction import scrub
from .entries import OktaApp
from .token_cache import CachedToken, TokenCache, cache_key, good_until, refusal, unreachable

_ASSERTION_LIFETIME: Final = 300  # seconds an assertion is valid
_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
_DEFAULT_LIFETIME: Final = 300  # seconds a token is used where the server does not say how long it is valid


class OktaTokens:
    """Access tokens of service apps, cached by tenant and everything they were obtained with."""

    def __init__(self, web: Web, environment: Environment) -> None:
        self._web = web
        self._environment = environment
        self._tokens: TokenCache[str] = TokenCache(environment.now)

    async def aclose(self) -> None:
        """Wait for the fetches under way."""
        await self._tokens.aclose()

    async def token(self, tenant: str, app: OktaApp, *, internal: bool) -> str | CallFailed:
        """An access token. `internal`: its server may be inside the network, as the integration is."""
        return await self._tokens.get(cache_key(tenant, app), partial(self._fetch, app, internal=internal))

    def find(self, tenant: str, app: OktaApp) -> str | None:
        """See `TokenCache.find`."""
        return self._tokens.find(cache_key(tenant, app))

    def invalidate(self, tenant: str, app: OktaApp, refused: str) -> bool:
        """See `TokenCache.invalidate`."""
        return self._tokens.invalidate(cache_key(tenant, app), refused)

    async def _fetch(self, app: OktaApp, *, internal: bool) -> CachedToken[str] | CallFailed:
        form = _form(app)
        try:
            reply = await self._web.post(app.oauth_token_url, _FORM, urlencode(form), internal=internal)
        except AddressForbidden as forbidden:
            return CallFailed(reason=Reason.ADDRESS_FORBIDDEN, message=f"the token endpoint: {forbidden}")
        except Unreachable as why:
            return unreachable(f"the token endpoint cannot be asked: {why}")
        found = self._read(reply.status, _parse(reply.body))
        if isinstance(found, CachedToken):
            return found
        assertion = Credential(known=frozenset({form["client_assertion"]}))
        return replace(found, message=scrub(found.message, assertion))

    def _read(self, status: int, document: dict[str, Any]) -> CachedToken[str] | CallFailed:
        token = document.get("access_token")
        if status == 200 and isinstance(token, str) and token:
            lifetime = document.get("expires_in")
            seconds = lifetime if isinstance(lifetime, int) else _DEFAULT_LIFETIME
            return CachedToken(token, good_until(self._environment.now(), seconds * 1_000))
        if status >= 500:
            return unreachable(f"the token endpoint answered {status}")
        why = ": ".join(str(document[name]) for name in ("error", "error_description") if document.get(name))
        return refusal(f"the token endpoint refused the app with {status}{f': {why}' if why else ''}")


def _form(app: OktaApp) -> dict[str, str]:
    # Imported here: it takes a tenth of a second.
    from authlib.oauth2.rfc7523 import private_key_jwt_sign
    from joserfc.jwk import RSAKey

    assertion = private_key_jwt_sign(
        RSAKey.import_key(app.private_key),
        client_id=app.client_id,
        token_endpoint=app.oauth_token_url,
        alg="RS256",
        header={"kid": app.kid},
        expires_in=_ASSERTION_LIFETIME,
    )
    return {
        "grant_type": "client_credentials",
        "scope": app.scope,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }


def _parse(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
