"""Accounts that serve every user: given as they are, or obtained for a client and kept in memory."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..domain.errors import Reason
from ..environment import World
from ..ports import Failed, Request
from ..singleflight import Flights
from .access import Access, Demand, Source
from .client import CLIENT_CREDENTIALS, OAuthClient
from .discovery import OAuthFailed
from .needs import credential_of, wanted_scopes
from .oauth import OAuth
from .renewing import LEEWAY, failed
from .secret import Grant

_MAX_KEPT: Final = 1_000

_Key = tuple[str, str, str, tuple[str, ...]]


class Shared:
    """The shared accounts of every tenant."""

    def __init__(self, oauth: OAuth, world: World) -> None:
        self._oauth = oauth
        self._world = world
        self._grants: dict[_Key, tuple[OAuthClient, Grant]] = {}
        self._flights: Flights[Grant | Failed] = Flights()

    async def aclose(self) -> None:
        await self._flights.aclose()

    def serves(self, demand: Demand) -> bool:
        """Whether there is one for where this call goes."""
        return demand.shared is not None or _client(demand) is not None

    async def access(self, request: Request, demand: Demand) -> Access | Failed:
        """What authenticates the call, of an account that serves it."""
        if demand.shared is not None:
            return Access(credential=demand.shared, source=Source.SHARED)
        client = _client(demand)
        assert client is not None  # noqa: S101 (else there is no account)
        key = _key(request, demand, client)
        known = self._grants.get(key)
        if known is not None and known[0] == client and not self._runs_out(known[1]):
            return _access(known[1], demand)
        grant = await self._flights.join(key, partial(self._obtain, key, client))
        return grant if isinstance(grant, Failed) else _access(grant, demand)

    async def renewed(self, request: Request, demand: Demand, refused: Access) -> Access | Failed:
        """Another token in place of one that was refused."""
        client = _client(demand)
        if demand.shared is not None or client is None:
            return refusal()
        key = _key(request, demand, client)
        known = self._grants.get(key)
        if known is not None and credential_of(known[1].secret, demand) == refused.credential:
            del self._grants[key]
        return await self.access(request, demand)

    def _runs_out(self, grant: Grant) -> bool:
        return grant.expires_at is not None and grant.expires_at - LEEWAY <= self._world.now()

    async def _obtain(self, key: _Key, client: OAuthClient) -> Grant | Failed:
        try:
            grant = await self._oauth.obtain(client, key[3])
        except OAuthFailed as failure:
            return failed(failure)
        if len(self._grants) >= _MAX_KEPT:
            self._grants.clear()
        self._grants[key] = (client, grant)
        return grant


def refusal() -> Failed:
    """The answer to a call for which a shared account was refused: no user can do anything about it."""
    message = "the service refused the integration's shared account (401); its operator must renew it"
    return Failed(reason=Reason.SERVICE_REFUSED, message=message, status=401)


def _client(demand: Demand) -> OAuthClient | None:
    """The client that obtains tokens for itself, if it was registered for where this call goes."""
    client = demand.client
    if client is None or client.grant != CLIENT_CREDENTIALS or client.origin != demand.origin:
        return None
    return client


def _key(request: Request, demand: Demand, client: OAuthClient) -> _Key:
    scopes = tuple(sorted({*client.scopes, *wanted_scopes(demand)}))
    return request.tenant, request.ref.integration_id, client.client_id, scopes


def _access(grant: Grant, demand: Demand) -> Access:
    credential = credential_of(grant.secret, demand)
    assert credential is not None  # noqa: S101 (tokens need no description)
    return Access(credential=credential, source=Source.SHARED)
