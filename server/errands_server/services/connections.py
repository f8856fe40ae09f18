"""Connections: stored for users by their application, listed, and forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from ..credentials.secret import Grant
from ..credentials.vault import Vault
from ..domain.errors import NotFound, Reason
from ..store.connections import Connection
from ..store.store import Store
from ..tools.catalogue import Catalogue, Current
from .authorizations import Authorizations
from .principal import Principal, Scope


class Connections:
    """The connections of all tenants, as the caller may see and change them."""

    def __init__(
        self, store: Store, catalogue: Catalogue, vault: Vault, authorizations: Authorizations
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._vault = vault
        self._authorizations = authorizations

    async def create(
        self, principal: Principal, integration_id: str, user_id: str, grant: Grant
    ) -> Connection:
        """Store what an application has of its user; runs that wait for it go on. INTEGRATION_NOT_FOUND."""
        principal.require(Scope.CONNECTIONS)
        current = await self.integration(principal.tenant, integration_id)
        made = await self._vault.put(
            principal.tenant, integration_id, user_id, origin=current.origin, grant=grant
        )
        await self._authorizations.grant(principal.tenant, integration_id, user_id)
        return made

    async def integration(self, tenant: str, integration_id: str) -> Current:
        """An active integration. INTEGRATION_NOT_FOUND."""
        current = (await self._catalogue.active(tenant)).get(integration_id)
        if current is None:
            message = f"there is no active integration {integration_id}"
            raise NotFound(Reason.INTEGRATION_NOT_FOUND, message, subject=integration_id)
        return current

    async def get(self, principal: Principal, connection_id: str) -> Connection:
        """One connection. CONNECTION_NOT_FOUND."""
        principal.require(Scope.CONNECTIONS)
        async with self._store.begin(principal.tenant) as transaction:
            found = await transaction.connections.find(connection_id)
        return found or _raise_missing(connection_id)

    async def page(
        self, principal: Principal, *, integration_id: str, user_id: str, before: str, limit: int
    ) -> Sequence[Connection]:
        """Newest first."""
        principal.require(Scope.CONNECTIONS)
        async with self._store.begin(principal.tenant) as transaction:
            return await transaction.connections.list(
                integration_id=integration_id, user_id=user_id, before=before, limit=limit
            )

    async def delete(self, principal: Principal, connection_id: str) -> None:
        """Forget a connection and its secrets. CONNECTION_NOT_FOUND."""
        await self.get(principal, connection_id)
        async with self._store.begin(principal.tenant, writes=True) as transaction:
            await transaction.connections.delete(connection_id)


def _raise_missing(connection_id: str) -> NoReturn:
    message = f"there is no connection {connection_id}"
    raise NotFound(Reason.CONNECTION_NOT_FOUND, message, subject=connection_id)
