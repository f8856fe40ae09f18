"""Finds what authenticates a call: what came with its run, the user's connection, the shared account."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..domain.errors import Reason
from ..environment import Environment
from ..ports import AuthorizationRequired, CallFailed, CallRequest, CredentialSource, Resolved
from ..singleflight import SingleFlight
from ..store.encryption import Unsealable
from .credential import Credential
from .grants import Grant, Tokens
from .oauth.client import CLIENT_CREDENTIALS, OAuthClient
from .oauth.discovery import Challenge, OAuthFailed, challenge_of
from .oauth.flows import OAuth
from .oauth.refresh import LEEWAY, Renewal, TokenRefresh, failed
from .pass_through.resolver import PassThroughResolver, spurned
from .requirements import (
    CredentialRequirement,
    ResolvedCredential,
    credential_of,
    wanted_scopes,
    wants_credential,
)
from .vault import StoredConnection, Vault

_MAX_KEPT: Final = 1_000

_Key = tuple[str, str, str, tuple[str, ...]]


class SharedCredentials:
    """The shared accounts of every tenant."""

    def __init__(self, oauth: OAuth, environment: Environment) -> None:
        self._oauth = oauth
        self._environment = environment
        self._grants: dict[_Key, tuple[OAuthClient, Grant]] = {}
        self._flights: SingleFlight[Grant | CallFailed] = SingleFlight()

    async def aclose(self) -> None:
        await self._flights.aclose()

    def serves(self, demand: CredentialRequirement) -> bool:
        """Whether there is one for where this call goes."""
        return demand.shared is not None or _client(demand) is not None

    async def access(
        self, request: CallRequest, demand: CredentialRequirement
    ) -> ResolvedCredential | CallFailed:
        """What authenticates the call, of an account that serves it."""
        if demand.shared is not None:
            return ResolvedCredential(credential=demand.shared, source=CredentialSource.SHARED)
        client = _client(demand)
        assert client is not None  # noqa: S101 (else there is no account)
        key = _key(request, demand, client)
        known = self._grants.get(key)
        if known is not None and known[0] == client and not self._runs_out(known[1]):
            return _access(known[1], demand)
        grant = await self._flights.join(key, partial(self._obtain, key, client))
        return grant if isinstance(grant, CallFailed) else _access(grant, demand)

    async def renewed(
        self, request: CallRequest, demand: CredentialRequirement, refused: ResolvedCredential
    ) -> ResolvedCredential | CallFailed:
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
        return grant.expires_at is not None and grant.expires_at - LEEWAY <= self._environment.now()

    async def _obtain(self, key: _Key, client: OAuthClient) -> Grant | CallFailed:
        try:
            grant = await self._oauth.obtain(client, key[3])
        except OAuthFailed as failure:
            return failed(failure)
        if len(self._grants) >= _MAX_KEPT:
            self._grants.clear()
        self._grants[key] = (client, grant)
        return grant


def refusal() -> CallFailed:
    """The answer to a call for which a shared account was refused: no user can do anything about it."""
    message = "the service refused the integration's shared account (401); its operator must renew it"
    return CallFailed(reason=Reason.SERVICE_REFUSED, message=message, status=401)


def _client(demand: CredentialRequirement) -> OAuthClient | None:
    """The client that obtains tokens for itself, if it was registered for where this call goes."""
    client = demand.client
    if client is None or client.grant != CLIENT_CREDENTIALS or client.origin != demand.origin:
        return None
    return client


def _key(request: CallRequest, demand: CredentialRequirement, client: OAuthClient) -> _Key:
    scopes = tuple(sorted({*client.scopes, *wanted_scopes(demand)}))
    return request.tenant, request.ref.integration_id, client.client_id, scopes


def _access(grant: Grant, demand: CredentialRequirement) -> ResolvedCredential:
    credential = credential_of(grant.secret, demand)
    assert credential is not None  # noqa: S101 (tokens need no description)
    return ResolvedCredential(credential=credential, source=CredentialSource.SHARED)


_UNAUTHORIZED = 401


class CredentialResolver:
    """Credentials of every tenant. They leave it for one call each and are kept nowhere else."""

    def __init__(
        self, passed: PassThroughResolver, vault: Vault, oauth: OAuth, environment: Environment
    ) -> None:
        self._passed = passed
        self._vault = vault
        self._environment = environment
        self._renewing = TokenRefresh(vault, oauth)
        self._shared = SharedCredentials(oauth, environment)

    async def aclose(self) -> None:
        """Wait for tokens that are being renewed."""
        await self._renewing.aclose()
        await self._shared.aclose()

    async def resolve(
        self, request: CallRequest, demand: CredentialRequirement, *, shared_only: bool = False
    ) -> Resolved:
        """Find the account of a call, and what the user must authorize before, as `Toolbox.resolve` promises.

        Unavailable: the store cannot be read.
        """
        if request.ref.integration_id in request.passed:
            return Resolved(source=CredentialSource.RUN)
        if shared_only and not self._shared.serves(demand):
            return Resolved()
        held = await self._held(request, demand)
        if held is not None:
            return Resolved(source=CredentialSource.USER, missing=self._stop(request, demand, held))
        if self._shared.serves(demand):
            return Resolved(source=CredentialSource.SHARED)
        if demand.secured:
            return Resolved(missing=_unauthorized(wanted_scopes(demand), "no credential for this service"))
        return Resolved()

    async def access(
        self, request: CallRequest, demand: CredentialRequirement
    ) -> ResolvedCredential | AuthorizationRequired | CallFailed:
        """What authenticates this call now, renewed where it ran out."""
        if request.ref.integration_id in request.passed:
            return await self._passed.access(request, demand)
        held = await self._held(request, demand)
        if held is not None:
            return await self._as_user(request, demand, held)
        if self._shared.serves(demand):
            return await self._shared.access(request, demand)
        if demand.secured:
            return _unauthorized(wanted_scopes(demand), "no credential for this service")
        return ResolvedCredential(credential=Credential(), source=CredentialSource.NONE)

    async def renewed(
        self,
        request: CallRequest,
        demand: CredentialRequirement,
        refused: ResolvedCredential,
        answer: CallFailed,
    ) -> ResolvedCredential | AuthorizationRequired | CallFailed | None:
        """Another try after the service refused `refused` so; None where there is none to make."""
        if refused.source is CredentialSource.NONE and answer.status == _UNAUTHORIZED:
            return await self._challenged(request, demand, answer)
        if refused.source is CredentialSource.RUN and answer.status == _UNAUTHORIZED:
            return await self._passed.renewed(request, demand, refused) or spurned(answer)
        if refused.source is CredentialSource.SHARED and answer.status == _UNAUTHORIZED:
            return await self._shared.renewed(request, demand, refused)
        if refused.held is None:
            return None
        if answer.status != _UNAUTHORIZED:
            return await self._too_narrow(request, demand, refused.held, answer)
        renewal = await self._renewing.renewed(refused.held, demand.client)
        return self._with(request, demand, renewal)

    async def refused(
        self,
        request: CallRequest,
        demand: CredentialRequirement,
        refused: ResolvedCredential,
        answer: CallFailed,
    ) -> AuthorizationRequired | CallFailed | None:
        """What to make of it that the service refused another try, too; None where that says it all."""
        if refused.source is CredentialSource.RUN and answer.status == _UNAUTHORIZED:
            return spurned(answer)
        if refused.source is CredentialSource.SHARED and answer.status == _UNAUTHORIZED:
            return refusal()
        if refused.held is None:
            return None
        if answer.status != _UNAUTHORIZED:
            return await self._too_narrow(request, demand, refused.held, answer)
        gone = await self._renewing.give_up(refused.held)
        if isinstance(
            gone, StoredConnection
        ):  # connected anew at this very moment: the next try is made with that
            return CallFailed(reason=Reason.SERVICE_REFUSED, message=answer.message, transient=True)
        return gone if isinstance(gone, CallFailed) else _unauthorized(wanted_scopes(demand), gone.message)

    async def known(self, request: CallRequest) -> frozenset[str]:
        """Every secret that came with the request's run, for whichever integration."""
        return await self._passed.known(request)

    async def _held(self, request: CallRequest, demand: CredentialRequirement) -> StoredConnection | None:
        """The user's connection, if it was made for where this call goes."""
        try:
            held = await self._vault.held(request.tenant, request.ref.integration_id, request.user_id)
        except Unsealable:  # its key is gone for good, so it is as good as none
            return None
        if held is None or held.connection.origin != demand.origin:
            return None
        if held.connection.status == "broken" and not demand.secured:
            return None
        return held

    def _stop(
        self, request: CallRequest, demand: CredentialRequirement, held: StoredConnection
    ) -> AuthorizationRequired | None:
        """Why the call cannot be made with the user's connection as it is."""
        found = held.connection
        needed = wanted_scopes(demand, found.scopes)
        if found.status == "broken":
            return _unauthorized(wanted_scopes(demand), "the user's connection is broken")
        if (missing := found.missing_scopes.get(request.ref.name)) is not None:
            return _unauthorized(missing, "the user granted too little")
        if not isinstance(held.secret, Tokens):
            return None
        if found.scopes and needed:
            return _unauthorized(needed, "the user granted too little")
        if self._runs_out(held, 0) and not held.secret.refresh_token:
            return _unauthorized(wanted_scopes(demand), "the user's token ran out")
        return None

    def _runs_out(self, held: StoredConnection, leeway: int) -> bool:
        expires_at = held.connection.expires_at
        return expires_at is not None and expires_at - leeway <= self._environment.now()

    async def _as_user(
        self, request: CallRequest, demand: CredentialRequirement, held: StoredConnection
    ) -> ResolvedCredential | AuthorizationRequired | CallFailed:
        if (stop := self._stop(request, demand, held)) is not None:
            return stop
        renewal: Renewal = held
        renewable = isinstance(held.secret, Tokens) and held.secret.refresh_token
        if renewable and self._runs_out(held, LEEWAY):
            renewal = await self._renewing.renewed(held, demand.client)
            if isinstance(renewal, CallFailed) and not self._runs_out(held, 0):
                renewal = held  # still good, and there is time to try again
        return self._with(request, demand, renewal)

    def _with(
        self, request: CallRequest, demand: CredentialRequirement, renewal: Renewal
    ) -> ResolvedCredential | AuthorizationRequired | CallFailed:
        if isinstance(renewal, CallFailed):
            return renewal
        if isinstance(renewal, AuthorizationRequired):
            return _unauthorized(wanted_scopes(demand), renewal.message)
        credential = credential_of(renewal.secret, demand)
        if credential is None:
            message = "the description names no place for an API key; connect with one"
            return CallFailed(reason=Reason.CREDENTIALS_INVALID, message=message)
        return ResolvedCredential(credential=credential, source=CredentialSource.USER, held=renewal)

    async def _challenged(
        self, request: CallRequest, demand: CredentialRequirement, answer: CallFailed
    ) -> ResolvedCredential | AuthorizationRequired | CallFailed | None:
        """The service wants a credential for what its description calls open."""
        held = await self._held(request, demand)
        if held is not None:  # connected at this very moment
            return await self._as_user(request, demand, held)
        if not wants_credential(demand, answer.challenge):
            return None
        scopes = challenge_of(answer.challenge).scopes or wanted_scopes(demand)
        return _unauthorized(scopes, answer.message)

    async def _too_narrow(
        self, request: CallRequest, demand: CredentialRequirement, held: StoredConnection, answer: CallFailed
    ) -> AuthorizationRequired | None:
        challenge: Challenge = challenge_of(answer.challenge)
        if challenge.error != "insufficient_scope":
            return None
        scopes = challenge.scopes or wanted_scopes(demand)
        await self._vault.lacking(held, {request.ref.name: scopes})
        return _unauthorized(scopes, "the user granted too little")


def _unauthorized(scopes: tuple[str, ...], message: str) -> AuthorizationRequired:
    return AuthorizationRequired(scopes=scopes, message=message, lasting=True)
