"""Renews users' tokens: one refresh at a time for each connection, in this process and all others."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final, TypeAlias

import structlog

from ...domain.errors import Reason, Unavailable
from ...ports import AuthorizationRequired, CallFailed
from ...singleflight import SingleFlight
from ..grants import Tokens
from ..vault import StoredConnection, Vault
from .client import OAuthClient
from .discovery import OAuthFailed
from .flows import OAuth

LEEWAY: Final = 60_000  # milliseconds before its end from which a token is renewed
_LEASE: Final = 60_000  # milliseconds; longer than an exchange with a server takes
_POLL: Final = 0.1  # seconds between looks at a connection that another process renews
_STORE_TRIES: Final = 60
_STORE_RETRY: Final = 0.5  # seconds
# Errors that mean that the user's grant is gone, not that the server or the client has a problem.
_GONE: Final = frozenset({"invalid_grant"})

Renewal: TypeAlias = StoredConnection | AuthorizationRequired | CallFailed
"""The renewed connection, or why there is none: the user must connect again, or the server failed."""

_log = structlog.get_logger("errands.credentials")


class TokenRefresh:
    """Replaces tokens that expired or were refused."""

    def __init__(self, vault: Vault, oauth: OAuth) -> None:
        self._vault = vault
        self._oauth = oauth
        self._flights: SingleFlight[Renewal] = SingleFlight()

    async def aclose(self) -> None:
        """Wait for the refreshes under way."""
        await self._flights.aclose()

    async def renew(self, stored: StoredConnection, client: OAuthClient | None) -> Renewal:
        """The connection with other tokens than these, renewed here or by another caller or process.

        New tokens are stored before they are returned.
        """
        return await self._flights.join(stored.connection.id, partial(self._renew, stored, client))

    async def _renew(self, stale: StoredConnection, client: OAuthClient | None) -> Renewal:
        connection = stale.connection
        while True:
            stored = await self._vault.find(stale.tenant, connection.integration_id, connection.user_id)
            if stored is None or stored.connection.status == "broken":
                return AuthorizationRequired(message="the user's connection is gone", lasting=True)
            if not _is_same(stored, stale):
                return stored
            if not _is_renewable(stored, client):
                return await self.give_up(stored)
            assert client is not None  # noqa: S101 (else it is not renewable)
            if await self._vault.lease(stored, _LEASE):
                renewal = await self._exchange(stored, client)
                if renewal is not None:
                    return renewal
            else:
                await asyncio.sleep(_POLL)

    async def _exchange(self, stored: StoredConnection, client: OAuthClient) -> Renewal | None:
        """Exchange the refresh token and store the new ones. None: the connection was changed before."""
        assert isinstance(stored.secret, Tokens)  # noqa: S101 (else it is not renewable)
        try:
            grant = await self._oauth.refresh(client, stored.secret, stored.connection.scopes)
        except OAuthFailed as failure:
            _log.warning("refresh failed", connection=stored.connection.id, code=failure.code)
            if failure.code in _GONE:
                return await self.give_up(stored)
            await self._vault.release(stored)
            return to_call_failed(failure)
        for _ in range(_STORE_TRIES):
            try:
                return await self._vault.renew(stored, grant)
            except Unavailable:  # the old refresh token may be spent: the new one must not be lost
                await asyncio.sleep(_STORE_RETRY)
        return await self._vault.renew(stored, grant)

    async def give_up(self, stored: StoredConnection) -> Renewal:
        """Mark a refused connection as broken: the user must connect again.

        Returns the user's connection where another one was stored before.
        """
        if await self._vault.mark_broken(stored) is None:
            connection = stored.connection
            other = await self._vault.find(stored.tenant, connection.integration_id, connection.user_id)
            if other is not None and not _is_same(other, stored) and other.connection.status == "active":
                return other
        return AuthorizationRequired(
            message="the service no longer accepts the user's connection", lasting=True
        )


def _is_same(one: StoredConnection, other: StoredConnection) -> bool:
    return one.connection.id == other.connection.id and one.secret == other.secret


def _is_renewable(stored: StoredConnection, client: OAuthClient | None) -> bool:
    return client is not None and isinstance(stored.secret, Tokens) and bool(stored.secret.refresh_token)


def to_call_failed(failure: OAuthFailed) -> CallFailed:
    """The result of a call that was not made because of this failure."""
    reason = Reason.SERVICE_UNAVAILABLE if failure.transient else Reason.SERVICE_REFUSED
    return CallFailed(reason=reason, message=failure.message, transient=failure.transient)
