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
from .token_cache import CachedToken, TokenCache, good_until, key, refusal, unreachable

_LIFETIME: Final = 300  # seconds an assertion is good for
_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
_UNSAID: Final = 300  # seconds a token is taken to be good for where the server does not say


class OktaTokens:
    """Tokens of service apps. They are kept per tenant and everything they were obtained with."""

    def __init__(self, web: Web, environment: Environment) -> None:
        self._web = web
        self._environment = environment
        self._kept: TokenCache[str] = TokenCache(environment.now)

    async def aclose(self) -> None:
        """Wait for what is being fetched."""
        await self._kept.aclose()

    async def token(self, tenant: str, app: OktaApp, *, internal: bool) -> str | CallFailed:
        """An access token. `internal`: its server may lie where the integration does."""
        return await self._kept.get(key(tenant, app), partial(self._fetch, app, internal=internal))

    def known(self, tenant: str, app: OktaApp) -> str | None:
        return self._kept.known(key(tenant, app))

    def forget(self, tenant: str, app: OktaApp, refused: str) -> bool:
        """See `TokenCache.forget`."""
        return self._kept.forget(key(tenant, app), refused)

    async def _fetch(self, app: OktaApp, *, internal: bool) -> CachedToken[str] | CallFailed:
        form = _form(app)
        try:
            reply = await self._web.post(app.oauth_token_url, _FORM, urlencode(form), internal=internal)
        except AddressForbidden as forbidden:
            return CallFailed(reason=Reason.ADDRESS_FORBIDDEN, message=f"the token endpoint: {forbidden}")
        except Unreachable as why:
            return unreachable(f"the token endpoint cannot be asked: {why}")
        found = self._read(reply.status, _document(reply.body))
        if isinstance(found, CachedToken):
            return found
        sent = Credential(known=frozenset({form["client_assertion"]}))
        return replace(found, message=scrub(found.message, sent))

    def _read(self, status: int, said: dict[str, Any]) -> CachedToken[str] | CallFailed:
        token = said.get("access_token")
        if status == 200 and isinstance(token, str) and token:
            lifetime = said.get("expires_in")
            seconds = lifetime if isinstance(lifetime, int) else _UNSAID
            return CachedToken(token, good_until(self._environment.now(), seconds * 1_000))
        if status >= 500:
            return unreachable(f"the token endpoint answered {status}")
        why = ": ".join(str(said[name]) for name in ("error", "error_description") if said.get(name))
        return refusal(f"the token endpoint refused the app with {status}{f': {why}' if why else ''}")


def _form(app: OktaApp) -> dict[str, str]:
    # Takes a tenth of a second to import.
    from authlib.oauth2.rfc7523 import private_key_jwt_sign
    from joserfc.jwk import RSAKey

    assertion = private_key_jwt_sign(
        RSAKey.import_key(app.private_key),
        client_id=app.client_id,
        token_endpoint=app.oauth_token_url,
        alg="RS256",
        header={"kid": app.kid},
        expires_in=_LIFETIME,
    )
    return {
        "grant_type": "client_credentials",
        "scope": app.scope,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
