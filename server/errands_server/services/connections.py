"""Stores, lists and deletes the connections of users."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from typing import Final, NoReturn
from urllib.parse import urlsplit

import structlog

from ..credentials.grants import ApiKey, ApiKeys, Grant, Tokens
from ..credentials.oauth.discovery import OAuthFailed
from ..credentials.oauth.flows import OAuth
from ..credentials.vault import Vault
from ..domain.errors import Invalid, NotFound, Reason, Violation
from ..environment import Environment
from ..store.encryption import Unsealable
from ..store.repositories.audit import AuditAction
from ..store.repositories.connections import Connection
from ..store.store import Store
from .authorizations import Authorizations
from .connect_methods import ConnectMethods
from .principal import Principal, Scope

_REVOCATION: Final = 5.0  # seconds a service may take

_log = structlog.get_logger("errands.connections")


class Connections:
    """The connections of all tenants, as the caller may see and change them."""

    def __init__(
        self,
        store: Store,
        methods: ConnectMethods,
        vault: Vault,
        oauth: OAuth,
        authorizations: Authorizations,
        environment: Environment,
    ) -> None:
        self._store = store
        self._methods = methods
        self._vault = vault
        self._oauth = oauth
        self._authorizations = authorizations
        self._environment = environment

    async def create(
        self, principal: Principal, integration_id: str, user_id: str, grant: Grant
    ) -> Connection:
        """Store a credential that an application has of its user, and resume the runs that wait for it.

        INTEGRATION_NOT_FOUND, FIELD_INVALID, QUOTA_EXCEEDED.
        """
        principal.require(Scope.CONNECTIONS)
        current = await self._methods.current(principal.tenant, integration_id)
        await self._check_keys(principal.tenant, integration_id, grant)
        made = await self._vault.put(
            principal.tenant,
            integration_id,
            user_id,
            origin=current.origin,
            grant=grant,
            actor=principal.actor,
        )
        await self._authorizations.grant(principal.tenant, integration_id, user_id)
        return made

    async def _check_keys(self, tenant: str, integration_id: str, grant: Grant) -> None:
        secret = grant.secret
        unplaced = isinstance(secret, ApiKey) and not secret.name
        if not (unplaced or isinstance(secret, ApiKeys)):
            return
        known = await self._methods.key_schemes(tenant, integration_id)
        if isinstance(secret, ApiKeys):
            _check_schemes(secret, known)
        elif not known:
            message = "the description names no place for an API key; give `in` and `name`"
            raise Invalid([Violation("api_key.name", message)])

    async def get(self, principal: Principal, connection_id: str) -> Connection:
        """One connection. CONNECTION_NOT_FOUND."""
        principal.require(Scope.CONNECTIONS)
        async with self._store.begin(principal.tenant) as transaction:
            found = await transaction.connections.find(connection_id)
        return found or _raise_missing(connection_id)

    async def page(
        self, principal: Principal, *, integration_id: str, user_id: str, before: str, limit: int
    ) -> Sequence[Connection]:
        """Up to `limit` connections behind `before`, newest first; "" matches every value."""
        principal.require(Scope.CONNECTIONS)
        async with self._store.begin(principal.tenant) as transaction:
            return await transaction.connections.list(
                integration_id=integration_id, user_id=user_id, before=before, limit=limit
            )

    async def delete(self, principal: Principal, connection_id: str) -> None:
        """Delete a connection and its secrets, and revoke its tokens. CONNECTION_NOT_FOUND."""
        found = await self.get(principal, connection_id)
        async with self._store.begin(principal.tenant, writes=True) as transaction:
            if not await transaction.connections.delete(connection_id):
                _raise_missing(connection_id)  # another was first
            await transaction.audit.add(
                AuditAction.CONNECTION_DELETE,
                actor=principal.actor,
                subject=connection_id,
                at=self._environment.now(),
                integrationId=found.integration_id,
                userId=found.user_id,
            )
        with contextlib.suppress(TimeoutError, Unsealable, NotFound):
            async with asyncio.timeout(_REVOCATION):
                await self._revoke(principal.tenant, found)

    async def _revoke(self, tenant: str, found: Connection) -> None:
        """Revoke the tokens at the service, if it can; they are deleted here in any case."""
        secret = self._vault.open(tenant, found).secret
        client = (await self._methods.current(tenant, found.integration_id)).client
        if client is None or not isinstance(secret, Tokens):
            return
        try:
            await self._oauth.revoke(client, secret)
        except OAuthFailed as failure:
            _log.warning("revocation failed", integration=found.integration_id, code=failure.code)

    async def verifier_url(self, principal: Principal) -> str:
        """The URL at which the tenant's application says who a user is; empty where it does not."""
        principal.require(Scope.ADMIN)
        async with self._store.begin(principal.tenant) as transaction:
            return await transaction.tenants.verifier_url()

    async def set_verifier_url(self, principal: Principal, url: str) -> None:
        """Set or, with "", remove the URL at which the tenant's application says who a user is."""
        principal.require(Scope.ADMIN)
        async with self._store.begin(principal.tenant, writes=True) as transaction:
            await transaction.tenants.set_verifier_url(url)
            await transaction.audit.add(
                AuditAction.TENANT_UPDATE,
                actor=principal.actor,
                subject=principal.tenant,
                at=self._environment.now(),
                verifier=_site(url),
            )


def _check_schemes(secret: ApiKeys, known: Collection[str]) -> None:
    """Check that each key is of a known scheme. FIELD_INVALID."""
    names = ", ".join(known) or "none"
    wrong = [
        Violation(f"api_keys.keys[{index}].scheme", f"is no API key of the description, which has: {names}")
        for index, scheme in enumerate(secret.values)
        if scheme not in known
    ]
    if wrong:
        raise Invalid(wrong)


def _site(url: str) -> str:
    """A URL's scheme and host; its path and parameters may contain a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if url else ""


def _raise_missing(connection_id: str) -> NoReturn:
    message = f"there is no connection {connection_id}"
    raise NotFound(Reason.CONNECTION_NOT_FOUND, message, subject=connection_id)
