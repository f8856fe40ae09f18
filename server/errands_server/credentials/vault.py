"""Keeps what users' connections hold: sealed, each for its own row."""

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
from .grants import Grant, Secret, kind, seal_grant, unseal_grant

BY_SERVICE: Final = "service"
Room: TypeAlias = Callable[[str, Callable[[], Awaitable[int]]], Awaitable[None]]
"""Asks whether a tenant may have one connection more than are counted. Raises Exhausted."""


class StoredConnection(Struct, frozen=True):
    """A connection with its secret."""

    tenant: str
    connection: Connection
    secret: Secret


class Vault:
    """The connections of every tenant."""

    def __init__(
        self, store: Store, sealer: Sealer, environment: Environment, room: Room | None = None
    ) -> None:
        self._room = room
        self._store = store
        self._sealer = sealer
        self._environment = environment

    async def held(self, tenant: str, integration_id: str, user_id: str) -> StoredConnection | None:
        """The user's connection. Unsealable: the server's keys do not open it."""
        found = await self._store.connection(tenant, integration_id, user_id)
        return None if found is None else self.opened(tenant, found)

    def opened(self, tenant: str, found: Connection) -> StoredConnection:
        """A connection with its secret. Unsealable."""
        return StoredConnection(
            tenant, found, unseal_grant(self._sealer, found.secret, _place(tenant, found.id)).secret
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
        """Store what a user granted, in place of what there was, and say who did so. QUOTA_EXCEEDED."""
        while True:
            async with self._store.begin(tenant, writes=True) as transaction:
                before = await self._before(transaction, tenant, integration_id, user_id)
                made = self._made(tenant, integration_id, user_id, origin, before)
                made = self._with(tenant, made, grant)
                if await _stored(transaction, made, new=before is None):
                    replaced = before is not None
                    await _say(transaction, action, made, actor=actor, at=made.updated_at, replaced=replaced)
                    return made

    async def check_room(self, tenant: str, integration_id: str, user_id: str) -> None:
        """Whether what this user grants could be stored. QUOTA_EXCEEDED."""
        async with self._store.begin(tenant) as transaction:
            await self._before(transaction, tenant, integration_id, user_id)

    async def _before(
        self, transaction: Transaction, tenant: str, integration_id: str, user_id: str
    ) -> Connection | None:
        """What the user has already, or room for it."""
        before = await transaction.connections.find_for_user(integration_id, user_id)
        if before is None and self._room is not None:
            await self._room(tenant, transaction.connections.count)
        return before

    def _made(
        self, tenant: str, integration_id: str, user_id: str, origin: str, before: Connection | None
    ) -> Connection:
        now = self._environment.now()
        return Connection(
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

    def _with(self, tenant: str, found: Connection, grant: Grant) -> Connection:
        return replace(
            found,
            kind=kind(grant.secret),
            status="active",
            scopes=grant.scopes,
            secret=seal_grant(self._sealer, grant, _place(tenant, found.id)),
            expires_at=grant.expires_at,
            updated_at=self._environment.now(),
        )

    async def renewed(self, held: StoredConnection, grant: Grant) -> StoredConnection | None:
        """Store what renews a connection; None where it was changed meanwhile, and stays so."""
        return await self._changed(held, self._with(held.tenant, held.connection, grant))

    async def broken(self, held: StoredConnection) -> StoredConnection | None:
        """Its service refuses it from now on; None as above."""
        broken = replace(held.connection, status="broken")
        async with self._store.begin(held.tenant, writes=True) as transaction:
            if not await transaction.connections.revise(broken):
                return None
            now = self._environment.now()
            await _say(transaction, AuditAction.CONNECTION_BREAK, broken, actor=BY_SERVICE, at=now)
        return self._revised(held, broken)

    async def lacking(
        self, held: StoredConnection, missed: Mapping[str, tuple[str, ...]]
    ) -> StoredConnection | None:
        """Its service missed these scopes, by operation; None as above."""
        both = {**held.connection.missing_scopes, **missed}
        return await self._changed(held, replace(held.connection, missing_scopes=both))

    async def leased(self, held: StoredConnection, milliseconds: int) -> bool:
        """Whether this process alone may renew it for so long, or until it changed."""
        now = self._environment.now()
        async with self._store.begin(held.tenant, writes=True) as transaction:
            found = held.connection
            return await transaction.connections.lease(
                found.id, found.version, now=now, until=now + milliseconds
            )

    async def released(self, held: StoredConnection) -> None:
        """Another may renew it now."""
        async with self._store.begin(held.tenant, writes=True) as transaction:
            await transaction.connections.release(held.connection.id, held.connection.version)

    async def _changed(self, held: StoredConnection, changed: Connection) -> StoredConnection | None:
        async with self._store.begin(held.tenant, writes=True) as transaction:
            stored = await transaction.connections.revise(changed)
        return self._revised(held, changed) if stored else None

    def _revised(self, held: StoredConnection, changed: Connection) -> StoredConnection:
        return self.opened(held.tenant, replace(changed, version=changed.version + 1))


async def _stored(transaction: Transaction, made: Connection, *, new: bool) -> bool:
    return await (transaction.connections.add(made) if new else transaction.connections.revise(made))


async def _say(
    transaction: Transaction, action: AuditAction, found: Connection, *, actor: str, at: int, **more: bool
) -> None:
    await transaction.audit.add(
        action,
        actor=actor,
        subject=found.id,
        at=at,
        integrationId=found.integration_id,
        userId=found.user_id,
        type=found.kind,
        **more,
    )


def _place(tenant: str, connection_id: str) -> str:
    return f"tenant/{tenant}/connection/{connection_id}"
