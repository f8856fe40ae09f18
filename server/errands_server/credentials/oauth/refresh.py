"""Renews users' tokens: one refresh at a time for each connection, in this process and in any other."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final, TypeAlias

import structlog

from ...domain.errors import Reason, Unavailable
from ...ports import AuthorizationRequired, CallFailed
from ...singleflight import SingleFlight
from ..grants import Grant, Tokens
from ..vault import StoredConnection, Vault
from .client import OAuthClient
from .discovery import OAuthFailed
from .flows import OAuth

LEEWAY: Final = 60_000  # milliseconds before its end in which a token is renewed
_LEASE: Final = 60_000  # milliseconds; longer than an exchange with a server may take
_POLL: Final = 0.1  # seconds between looks at a connection that another process renews
_STORE_TRIES: Final = 60
_STORE_RETRY: Final = 0.5  # seconds
# What tells that the user's grant is gone, not that the server or the client is in trouble.
_GONE: Final = frozenset({"invalid_grant"})

Renewal: TypeAlias = StoredConnection | AuthorizationRequired | CallFailed

_log = structlog.get_logger("errands.credentials")


class TokenRefresh:
    """Tokens in place of those that ran out or were refused."""

    def __init__(self, vault: Vault, oauth: OAuth) -> None:
        self._vault = vault
        self._oauth = oauth
        self._flights: SingleFlight[Renewal] = SingleFlight()

    async def aclose(self) -> None:
        await self._flights.aclose()

    async def renewed(self, held: StoredConnection, client: OAuthClient | None) -> Renewal:
        """The connection with other tokens than these: renewed now, or meanwhile by somebody else.

        What a server gave in exchange is stored before anybody uses it.
        """
        return await self._flights.join(held.connection.id, partial(self._renew, held, client))

    async def _renew(self, stale: StoredConnection, client: OAuthClient | None) -> Renewal:
        found = stale.connection
        while True:
            held = await self._vault.held(stale.tenant, found.integration_id, found.user_id)
            if held is None or held.connection.status == "broken":
                return AuthorizationRequired(message="the user's connection is gone", lasting=True)
            if not _same(held, stale):
                return held
            if not _can_be_renewed(held, client):
                return await self.give_up(held)
            assert client is not None  # noqa: S101 (it cannot be renewed otherwise)
            if await self._vault.leased(held, _LEASE):
                renewal = await self._exchanged(held, client)
                if renewal is not None:
                    return renewal
            else:
                await asyncio.sleep(_POLL)

    async def _exchanged(self, held: StoredConnection, client: OAuthClient) -> Renewal | None:
        """What came of asking the server; None where the connection was changed meanwhile."""
        assert isinstance(held.secret, Tokens)  # noqa: S101 (it cannot be renewed otherwise)
        try:
            grant = await self._oauth.refresh(client, held.secret, held.connection.scopes)
        except OAuthFailed as failure:
            _log.warning("refresh failed", connection=held.connection.id, code=failure.code)
            if failure.code in _GONE:
                return await self.give_up(held)
            await self._vault.released(held)
            return failed(failure)
        return await self._kept(held, grant)

    async def _kept(self, held: StoredConnection, grant: Grant) -> StoredConnection | None:
        for _ in range(_STORE_TRIES):
            try:
                return await self._vault.renewed(held, grant)
            except Unavailable:  # the old refresh token may be spent: there is no going back
                await asyncio.sleep(_STORE_RETRY)
        return await self._vault.renewed(held, grant)

    async def give_up(self, held: StoredConnection) -> Renewal:
        """The service refuses it and it cannot be renewed: the user must connect anew.

        Where another was stored meanwhile, that is the answer.
        """
        if await self._vault.broken(held) is None:
            found = held.connection
            other = await self._vault.held(held.tenant, found.integration_id, found.user_id)
            if other is not None and not _same(other, held) and other.connection.status == "active":
                return other
        return AuthorizationRequired(
            message="the service no longer accepts the user's connection", lasting=True
        )


def _same(one: StoredConnection, other: StoredConnection) -> bool:
    return one.connection.id == other.connection.id and one.secret == other.secret


def _can_be_renewed(held: StoredConnection, client: OAuthClient | None) -> bool:
    return client is not None and isinstance(held.secret, Tokens) and bool(held.secret.refresh_token)


def failed(failure: OAuthFailed) -> CallFailed:
    """The failure as the answer to a call that was not made."""
    reason = Reason.SERVICE_UNAVAILABLE if failure.transient else Reason.SERVICE_REFUSED
    return CallFailed(reason=reason, message=failure.message, transient=failure.transient)
