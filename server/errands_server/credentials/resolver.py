"""Finds the credential of a call: what came with its run, the user's connection, or the shared account."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..domain.errors import Reason
from ..environment import Environment
from ..lru import LruCache
from ..ports import AuthorizationRequired, CallFailed, CallRequest, CredentialSource, Resolved
from ..singleflight import SingleFlight
from ..store.encryption import Unsealable
from .credential import Credential
from .grants import Grant, Tokens
from .oauth.client import CLIENT_CREDENTIALS, OAuthClient
from .oauth.discovery import OAuthFailed, parse_challenge
from .oauth.flows import OAuth
from .oauth.refresh import LEEWAY, Renewal, TokenRefresh, to_call_failed
from .pass_through.resolver import PassThroughResolver, rejected_by_service
from .requirements import (
    CredentialRequirement,
    ResolvedCredential,
    asks_for_credential,
    scopes_to_grant,
    to_credential,
)
from .vault import StoredConnection, Vault

_MAX_GRANTS: Final = 1_000
_UNAUTHORIZED: Final = 401

_Key = tuple[str, str, str, tuple[str, ...]]  # tenant, integration, client, scopes


class SharedCredentials:
    """The shared accounts of every tenant: a stored credential, or tokens that a client obtains."""

    def __init__(self, oauth: OAuth, environment: Environment) -> None:
        self._oauth = oauth
        self._environment = environment
        self._grants: LruCache[_Key, tuple[OAuthClient, Grant]] = LruCache(_MAX_GRANTS)
        self._flights: SingleFlight[Grant | CallFailed] = SingleFlight()

    async def aclose(self) -> None:
        """Wait for the tokens that are being obtained."""
        await self._flights.aclose()

    def has_account(self, requirement: CredentialRequirement) -> bool:
        """Whether there is a shared account for the origin of this call."""
        return requirement.shared is not None or _find_client(requirement) is not None

    async def obtain(
        self, request: CallRequest, requirement: CredentialRequirement
    ) -> ResolvedCredential | CallFailed:
        """The credential of the account, which exists."""
        if requirement.shared is not None:
            return ResolvedCredential(credential=requirement.shared, source=CredentialSource.SHARED)
        client = _find_client(requirement)
        assert client is not None  # noqa: S101 (else there is no account)
        key = _key(request, requirement, client)
        cached = self._grants.find(key)
        if cached is not None and cached[0] == client and not self._runs_out(cached[1]):
            return _to_resolved(cached[1], requirement)
        grant = await self._flights.join(key, partial(self._fetch, key, client))
        return grant if isinstance(grant, CallFailed) else _to_resolved(grant, requirement)

    async def replace_refused(
        self, request: CallRequest, requirement: CredentialRequirement, refused: ResolvedCredential
    ) -> ResolvedCredential | CallFailed:
        """Another token in place of one that the service refused."""
        client = _find_client(requirement)
        if requirement.shared is not None or client is None:
            return shared_account_refused()
        key = _key(request, requirement, client)
        cached = self._grants.find(key)
        if cached is not None and to_credential(cached[1].secret, requirement) == refused.credential:
            self._grants.remove(key)
        return await self.obtain(request, requirement)

    def _runs_out(self, grant: Grant) -> bool:
        return grant.expires_at is not None and grant.expires_at - LEEWAY <= self._environment.now()

    async def _fetch(self, key: _Key, client: OAuthClient) -> Grant | CallFailed:
        try:
            grant = await self._oauth.obtain(client, key[3])
        except OAuthFailed as failure:
            return to_call_failed(failure)
        self._grants.replace(key, (client, grant))
        return grant


def shared_account_refused() -> CallFailed:
    """The result of a call for which the service refused the shared account: no user can change that."""
    message = "the service refused the integration's shared account (401); its operator must renew it"
    return CallFailed(reason=Reason.SERVICE_REFUSED, message=message, status=401)


def _find_client(requirement: CredentialRequirement) -> OAuthClient | None:
    """The client that obtains tokens for itself, if it was registered for the origin of this call."""
    client = requirement.client
    if client is None or client.grant != CLIENT_CREDENTIALS or client.origin != requirement.origin:
        return None
    return client


def _key(request: CallRequest, requirement: CredentialRequirement, client: OAuthClient) -> _Key:
    scopes = tuple(sorted({*client.scopes, *scopes_to_grant(requirement)}))
    return request.tenant, request.ref.integration_id, client.client_id, scopes


def _to_resolved(grant: Grant, requirement: CredentialRequirement) -> ResolvedCredential:
    credential = to_credential(grant.secret, requirement)
    assert credential is not None  # noqa: S101 (tokens need no description)
    return ResolvedCredential(credential=credential, source=CredentialSource.SHARED)


class CredentialResolver:
    """Credentials of every tenant. Each is returned for one call and stored nowhere else."""

    def __init__(
        self, pass_through: PassThroughResolver, vault: Vault, oauth: OAuth, environment: Environment
    ) -> None:
        self._pass_through = pass_through
        self._vault = vault
        self._environment = environment
        self._refresh = TokenRefresh(vault, oauth)
        self._shared = SharedCredentials(oauth, environment)

    async def aclose(self) -> None:
        """Wait for tokens that are being renewed or obtained."""
        await self._refresh.aclose()
        await self._shared.aclose()

    async def resolve(
        self, request: CallRequest, requirement: CredentialRequirement, *, shared_only: bool = False
    ) -> Resolved:
        """Find the account of a call, and what the user must authorize before, as `Toolbox.resolve` promises.

        Unavailable: the store cannot be read.
        """
        if request.ref.integration_id in request.passed:
            return Resolved(source=CredentialSource.RUN)
        if shared_only and not self._shared.has_account(requirement):
            return Resolved()
        stored = await self._find_connection(request, requirement)
        if stored is not None:
            missing = self._missing_authorization(request, requirement, stored)
            return Resolved(source=CredentialSource.USER, missing=missing)
        if self._shared.has_account(requirement):
            return Resolved(source=CredentialSource.SHARED)
        if requirement.secured:
            missing = _unauthorized(scopes_to_grant(requirement), "no credential for this service")
            return Resolved(missing=missing)
        return Resolved()

    async def obtain(
        self, request: CallRequest, requirement: CredentialRequirement
    ) -> ResolvedCredential | AuthorizationRequired | CallFailed:
        """The credential of this call, renewed where it expired."""
        if request.ref.integration_id in request.passed:
            return await self._pass_through.obtain(request, requirement)
        stored = await self._find_connection(request, requirement)
        if stored is not None:
            return await self._obtain_for_user(request, requirement, stored)
        if self._shared.has_account(requirement):
            return await self._shared.obtain(request, requirement)
        if requirement.secured:
            return _unauthorized(scopes_to_grant(requirement), "no credential for this service")
        return ResolvedCredential(credential=Credential(), source=CredentialSource.NONE)

    async def replace_refused(
        self,
        request: CallRequest,
        requirement: CredentialRequirement,
        refused: ResolvedCredential,
        result: CallFailed,
    ) -> ResolvedCredential | AuthorizationRequired | CallFailed | None:
        """A credential for a second try after the service refused `refused` with `result`.

        None: there is no other; report `result` unchanged.
        """
        if refused.source is CredentialSource.NONE and result.status == _UNAUTHORIZED:
            return await self._handle_challenge(request, requirement, result)
        if refused.source is CredentialSource.RUN and result.status == _UNAUTHORIZED:
            other = await self._pass_through.replace_refused(request, requirement, refused)
            return other or rejected_by_service(result)
        if refused.source is CredentialSource.SHARED and result.status == _UNAUTHORIZED:
            return await self._shared.replace_refused(request, requirement, refused)
        if refused.stored is None:
            return None
        if result.status != _UNAUTHORIZED:
            return await self._handle_narrow_scope(request, requirement, refused.stored, result)
        return _from_renewal(requirement, await self._refresh.renew(refused.stored, requirement.client))

    async def map_refusal(
        self,
        request: CallRequest,
        requirement: CredentialRequirement,
        refused: ResolvedCredential,
        result: CallFailed,
    ) -> AuthorizationRequired | CallFailed | None:
        """Map a second refusal to an outcome. None: report `result` unchanged."""
        if refused.source is CredentialSource.RUN and result.status == _UNAUTHORIZED:
            return rejected_by_service(result)
        if refused.source is CredentialSource.SHARED and result.status == _UNAUTHORIZED:
            return shared_account_refused()
        if refused.stored is None:
            return None
        if result.status != _UNAUTHORIZED:
            return await self._handle_narrow_scope(request, requirement, refused.stored, result)
        other = await self._refresh.give_up(refused.stored)
        if isinstance(other, StoredConnection):  # connected again at this moment: a next try is made with it
            return CallFailed(reason=Reason.SERVICE_REFUSED, message=result.message, transient=True)
        if isinstance(other, CallFailed):
            return other
        return _unauthorized(scopes_to_grant(requirement), other.message)

    async def find_secrets(self, request: CallRequest) -> frozenset[str]:
        """Every secret that came with the request's run, for all integrations."""
        return await self._pass_through.find_secrets(request)

    async def _find_connection(
        self, request: CallRequest, requirement: CredentialRequirement
    ) -> StoredConnection | None:
        """The user's connection, if it was made for the origin of this call."""
        try:
            stored = await self._vault.find(request.tenant, request.ref.integration_id, request.user_id)
        except Unsealable:  # its key is lost for good, so that it counts as none
            return None
        if stored is None or stored.connection.origin != requirement.origin:
            return None
        if stored.connection.status == "broken" and not requirement.secured:
            return None
        return stored

    def _missing_authorization(
        self, request: CallRequest, requirement: CredentialRequirement, stored: StoredConnection
    ) -> AuthorizationRequired | None:
        """Why the call cannot be made with the user's connection as it is; None where it can."""
        connection = stored.connection
        needed = scopes_to_grant(requirement, connection.scopes)
        if connection.status == "broken":
            return _unauthorized(scopes_to_grant(requirement), "the user's connection is broken")
        if (missing := connection.missing_scopes.get(request.ref.name)) is not None:
            return _unauthorized(missing, "the user granted too little")
        if not isinstance(stored.secret, Tokens):
            return None
        if connection.scopes and needed:
            return _unauthorized(needed, "the user granted too little")
        if self._runs_out(stored, 0) and not stored.secret.refresh_token:
            return _unauthorized(scopes_to_grant(requirement), "the user's token ran out")
        return None

    def _runs_out(self, stored: StoredConnection, leeway: int) -> bool:
        expires_at = stored.connection.expires_at
        return expires_at is not None and expires_at - leeway <= self._environment.now()

    async def _obtain_for_user(
        self, request: CallRequest, requirement: CredentialRequirement, stored: StoredConnection
    ) -> ResolvedCredential | AuthorizationRequired | CallFailed:
        if (missing := self._missing_authorization(request, requirement, stored)) is not None:
            return missing
        renewal: Renewal = stored
        renewable = isinstance(stored.secret, Tokens) and stored.secret.refresh_token
        if renewable and self._runs_out(stored, LEEWAY):
            renewal = await self._refresh.renew(stored, requirement.client)
            if isinstance(renewal, CallFailed) and not self._runs_out(stored, 0):
                renewal = stored  # still valid, and there is time for another try
        return _from_renewal(requirement, renewal)

    async def _handle_challenge(
        self, request: CallRequest, requirement: CredentialRequirement, result: CallFailed
    ) -> ResolvedCredential | AuthorizationRequired | CallFailed | None:
        """The service asks for a credential although its description says that it needs none."""
        stored = await self._find_connection(request, requirement)
        if stored is not None:  # connected at this moment
            return await self._obtain_for_user(request, requirement, stored)
        if not asks_for_credential(requirement, result.challenge):
            return None
        scopes = parse_challenge(result.challenge).scopes or scopes_to_grant(requirement)
        return _unauthorized(scopes, result.message)

    async def _handle_narrow_scope(
        self,
        request: CallRequest,
        requirement: CredentialRequirement,
        stored: StoredConnection,
        result: CallFailed,
    ) -> AuthorizationRequired | None:
        """Record the scopes that the service asks for, if that is why it refused."""
        challenge = parse_challenge(result.challenge)
        if challenge.error != "insufficient_scope":
            return None
        scopes = challenge.scopes or scopes_to_grant(requirement)
        await self._vault.add_missing_scopes(stored, {request.ref.name: scopes})
        return _unauthorized(scopes, "the user granted too little")


def _from_renewal(
    requirement: CredentialRequirement, renewal: Renewal
) -> ResolvedCredential | AuthorizationRequired | CallFailed:
    if isinstance(renewal, CallFailed):
        return renewal
    if isinstance(renewal, AuthorizationRequired):
        return _unauthorized(scopes_to_grant(requirement), renewal.message)
    credential = to_credential(renewal.secret, requirement)
    if credential is None:
        message = "the description names no place for an API key; connect with one"
        return CallFailed(reason=Reason.CREDENTIALS_INVALID, message=message)
    return ResolvedCredential(credential=credential, source=CredentialSource.USER, stored=renewal)


def _unauthorized(scopes: tuple[str, ...], message: str) -> AuthorizationRequired:
    return AuthorizationRequired(scopes=scopes, message=message, lasting=True)
