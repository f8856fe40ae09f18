"""Users' connections with their secrets: each is sealed for its own row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from ..environment import Environment
from ..store.encryption import Sealer
from ..store.repositories.audit import AuditAction
from ..store.repositories.connections import Connection
from ..store.repositories.transaction import Transaction
from ..store.store import Store
from .grants import Grant, Secret, kind_of, seal_grant, unseal_grant

BY_SERVICE: Final = "service"
CheckQuota: TypeAlias = Callable[[str, Callable[[], Awaitable[int]]], Awaitable[None]]
"""Raises Exhausted unless the tenant may have one connection more than the number it is given to count."""


class StoredConnection(Struct, frozen=True):
    """A connection as it is stored, and its secret."""

    tenant: str
    connection: Connection
    secret: Secret


class Vault:
    """The connections of every tenant."""

    def __init__(
        self, store: Store, sealer: Sealer, environment: Environment, check_quota: CheckQuota | None = None
    ) -> None:
        self._check_quota = check_quota
        self._store = store
        self._sealer = sealer
        self._environment = environment

    async def find(self, tenant: str, integration_id: str, user_id: str) -> StoredConnection | None:
        """The user's connection, as it was committed last. Unsealable: the server's keys do not open it."""
        found = await self._store.connection(tenant, integration_id, user_id)
        return None if found is None else self.open(tenant, found)

    def open(self, tenant: str, connection: Connection) -> StoredConnection:
        """A connection with its secret. Unsealable: the server's keys do not open it."""
        place = _place(tenant, connection.id)
        return StoredConnection(
            tenant, connection, unseal_grant(self._sealer, connection.secret, place).secret
        )

    async def put(
        self,
        tenant: str,
        integration_id: str,
        user_id: str,
        *,
        origin: str,
        grant: Grant,
        actor: str,
        action: AuditAction = AuditAction.CONNECTION_CREATE,
    ) -> Connection:
        """Store what a user granted, in place of an earlier connection, with its audit entry.

        QUOTA_EXCEEDED: it would be one connection too many; nothing was written.
        """
        while True:  # until no other change comes between reading and writing
            async with self._store.begin(tenant, writes=True) as transaction:
                before = await self._find_or_check_quota(transaction, tenant, integration_id, user_id)
                now = self._environment.now()
                connection = Connection(
                    id=self._environment.new_id() if before is None else before.id,
                    integration_id=integration_id,
                    user_id=user_id,
                    kind="",
                    origin=origin,
                    secret=b"",
                    created_at=now if before is None else before.created_at,
                    updated_at=now,
                    version=1 if before is None else before.version,
                )
                connection = self._with_grant(tenant, connection, grant)
                if before is None:
                    is_stored = await transaction.connections.add(connection)
                else:
                    is_stored = await transaction.connections.revise(connection)
                if is_stored:
                    at, replaced = connection.updated_at, before is not None
                    await _audit(transaction, action, connection, actor=actor, at=at, replaced=replaced)
                    return connection

    async def check_quota(self, tenant: str, integration_id: str, user_id: str) -> None:
        """Raise QUOTA_EXCEEDED unless a connection of this user could be stored."""
        async with self._store.begin(tenant) as transaction:
            await self._find_or_check_quota(transaction, tenant, integration_id, user_id)

    async def _find_or_check_quota(
        self, transaction: Transaction, tenant: str, integration_id: str, user_id: str
    ) -> Connection | None:
        before = await transaction.connections.find_for_user(integration_id, user_id)
        if before is None and self._check_quota is not None:
            await self._check_quota(tenant, transaction.connections.count)
        return before

    def _with_grant(self, tenant: str, connection: Connection, grant: Grant) -> Connection:
        return replace(
            connection,
            kind=kind_of(grant.secret),
            status="active",
            scopes=grant.scopes,
            secret=seal_grant(self._sealer, grant, _place(tenant, connection.id)),
            expires_at=grant.expires_at,
            updated_at=self._environment.now(),
        )

    async def renew(self, stored: StoredConnection, grant: Grant) -> StoredConnection | None:
        """Store a renewed grant. None: the connection was changed before; nothing was written."""
        return await self._revise(stored, self._with_grant(stored.tenant, stored.connection, grant))

    async def mark_broken(self, stored: StoredConnection) -> StoredConnection | None:
        """Record that the service refuses it, with an audit entry. None as `renew`."""
        broken = replace(stored.connection, status="broken")
        async with self._store.begin(stored.tenant, writes=True) as transaction:
            if not await transaction.connections.revise(broken):
                return None
            now = self._environment.now()
            await _audit(transaction, AuditAction.CONNECTION_BREAK, broken, actor=BY_SERVICE, at=now)
        return self._next_version(stored, broken)

    async def add_missing_scopes(
        self, stored: StoredConnection, missing: Mapping[str, tuple[str, ...]]
    ) -> StoredConnection | None:
        """Record scopes that the service asked for in vain, by operation. None as `renew`."""
        both = {**stored.connection.missing_scopes, **missing}
        return await self._revise(stored, replace(stored.connection, missing_scopes=both))

    async def lease(self, stored: StoredConnection, milliseconds: int) -> bool:
        """Take the lease to renew it, for this long or until it changes. False: another has it."""
        now = self._environment.now()
        async with self._store.begin(stored.tenant, writes=True) as transaction:
            connection = stored.connection
            return await transaction.connections.lease(
                connection.id, connection.version, now=now, until=now + milliseconds
            )

    async def release(self, stored: StoredConnection) -> None:
        """End the lease, so that another may renew it."""
        async with self._store.begin(stored.tenant, writes=True) as transaction:
            await transaction.connections.release(stored.connection.id, stored.connection.version)

    async def _revise(self, stored: StoredConnection, changed: Connection) -> StoredConnection | None:
        async with self._store.begin(stored.tenant, writes=True) as transaction:
            is_stored = await transaction.connections.revise(changed)
        return self._next_version(stored, changed) if is_stored else None

    def _next_version(self, stored: StoredConnection, changed: Connection) -> StoredConnection:
        return self.open(stored.tenant, replace(changed, version=changed.version + 1))


async def _audit(
    transaction: Transaction,
    action: AuditAction,
    connection: Connection,
    *,
    actor: str,
    at: int,
    **details: bool,
) -> None:
    await transaction.audit.add(
        action,
        actor=actor,
        subject=connection.id,
        at=at,
        integrationId=connection.integration_id,
        userId=connection.user_id,
        type=connection.kind,
        **details,
    )


def _place(tenant: str, connection_id: str) -> str:
    return f"tenant/{tenant}/connection/{connection_id}"
