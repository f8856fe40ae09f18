"""API keys of one tenant. Of a secret only its hash is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..schema import tables as t


class Key(Struct, frozen=True, kw_only=True):
    """An API key. Times are milliseconds."""

    id: str
    tenant: str
    name: str
    scopes: frozenset[str]  # what it may do
    created_at: int
    expires_at: int | None = None  # None: never


class KeyRepository:
    """The keys of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add(self, key: Key, secret_hash: bytes) -> None:
        """Store a key of this tenant, and the tenant with its first key. IntegrityError: the id is taken."""
        await self._ensure_tenant(key.created_at)
        await self._connection.execute(
            insert(t.keys).values(
                id=key.id,
                tenant=self._tenant,
                name=key.name,
                secret_hash=secret_hash,
                scopes=" ".join(sorted(key.scopes)),
                created_at=key.created_at,
                expires_at=key.expires_at,
            )
        )

    async def _ensure_tenant(self, now: int) -> None:
        query = select(t.tenants.c.tenant).where(t.tenants.c.tenant == self._tenant)
        if (await self._connection.execute(query)).first() is None:
            try:
                async with self._connection.begin_nested():
                    values = {"tenant": self._tenant, "created_at": now}
                    await self._connection.execute(insert(t.tenants).values(values))
            except IntegrityError:
                pass  # another process stored it first, with the same effect

    async def has_any(self) -> bool:
        """Whether this tenant ever had a key, revoked or not."""
        query = select(t.keys.c.id).where(t.keys.c.tenant == self._tenant).limit(1)
        return (await self._connection.execute(query)).first() is not None

    async def list(self, *, before: str = "", limit: int) -> Sequence[Key]:
        """At most `limit` keys that are not revoked, newest first, older than the id `before`."""
        query = select(t.keys).where(t.keys.c.tenant == self._tenant, t.keys.c.revoked_at.is_(None))
        if before:
            query = query.where(t.keys.c.id < before)
        rows = await self._connection.execute(query.order_by(t.keys.c.id.desc()).limit(limit))
        return [to_key(row) for row in rows]

    async def revoke(self, key_id: str, now: int) -> bool:
        """Revoke a key, for good. False: this tenant has no such key, or it was revoked before."""
        statement = (
            update(t.keys)
            .where(t.keys.c.id == key_id, t.keys.c.tenant == self._tenant, t.keys.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        return (await self._connection.execute(statement)).rowcount == 1


def to_key(row: Any) -> Key:
    """A key from a row of the table."""
    return Key(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        scopes=frozenset(row.scopes.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def find_key(connection: Connection, secret_hash: bytes) -> Key | None:
    """The key with this hash of its secret, unless it was revoked; the caller checks its expiry.

    Synchronous, for a reader thread.
    """
    query = select(t.keys).where(t.keys.c.secret_hash == secret_hash, t.keys.c.revoked_at.is_(None))
    row = connection.execute(query).first()
    return None if row is None else to_key(row)


def find_key_by_id(connection: Connection, tenant: str, key_id: str) -> Key | None:
    """The key of a tenant with this id, as `find_key`."""
    query = select(t.keys).where(
        t.keys.c.id == key_id, t.keys.c.tenant == tenant, t.keys.c.revoked_at.is_(None)
    )
    row = connection.execute(query).first()
    return None if row is None else to_key(row)
