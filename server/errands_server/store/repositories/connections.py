"""Users' connections of one tenant. Their secrets are sealed before they come here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection as Database
from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..schema import tables as t


class Connection(Struct, frozen=True, kw_only=True):
    """One user's access to one integration. `secret` is sealed; times are milliseconds."""

    id: str
    integration_id: str
    user_id: str
    kind: str
    origin: str
    status: str = "active"
    scopes: tuple[str, ...] = ()
    lacking: Mapping[str, tuple[str, ...]] = {}  # what the service missed, by operation
    secret: bytes
    expires_at: int | None = None
    created_at: int
    updated_at: int
    version: int = 1

    def __repr__(self) -> str:
        return f"Connection({self.id!r}, {self.status})"


class ConnectionRepository:
    """The connections of one tenant, newest first."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add(self, made: Connection) -> bool:
        """Store a new one; False where the user has one to that integration."""
        try:
            async with self._connection.begin_nested():
                values = {"tenant": self._tenant, "lease_until": 0, **_row(made)}
                await self._connection.execute(insert(t.connections).values(values))
        except IntegrityError:
            return False
        return True

    async def revise(self, changed: Connection) -> bool:
        """Store it as version `changed.version` + 1; False where that is no longer the stored one's."""
        values = _row(changed) | {"version": changed.version + 1, "lease_until": 0}
        statement = update(t.connections).where(self._mine(changed.id, changed.version)).values(values)
        return (await self._connection.execute(statement)).rowcount == 1

    async def lease(self, connection_id: str, version: int, *, now: int, until: int) -> bool:
        """Take it for renewal until then, or until it changes; False where another was first."""
        statement = (
            update(t.connections)
            .where(self._mine(connection_id, version), t.connections.c.lease_until <= now)
            .values(lease_until=until)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def release(self, connection_id: str, version: int) -> bool:
        """Give up a lease; False where the connection is not the one that was leased."""
        statement = update(t.connections).where(self._mine(connection_id, version)).values(lease_until=0)
        return (await self._connection.execute(statement)).rowcount == 1

    async def find(self, connection_id: str) -> Connection | None:
        found = await self._select(t.connections.c.id == connection_id)
        return found[0] if found else None

    async def of(self, integration_id: str, user_id: str) -> Connection | None:
        """The user's connection to an integration."""
        found = await self._select(
            t.connections.c.integration_id == integration_id, t.connections.c.user_id == user_id
        )
        return found[0] if found else None

    async def list(
        self, *, integration_id: str = "", user_id: str = "", before: str = "", limit: int
    ) -> Sequence[Connection]:
        conditions = []
        if integration_id:
            conditions.append(t.connections.c.integration_id == integration_id)
        if user_id:
            conditions.append(t.connections.c.user_id == user_id)
        if before:
            conditions.append(t.connections.c.id < before)
        return await self._select(*conditions, limit=limit)

    async def count(self) -> int:
        """How many there are, of all users."""
        query = select(func.count()).where(t.connections.c.tenant == self._tenant)
        return (await self._connection.execute(query)).scalar_one()

    async def delete(self, connection_id: str) -> bool:
        statement = delete(t.connections).where(
            t.connections.c.tenant == self._tenant, t.connections.c.id == connection_id
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def delete_all(self, integration_id: str) -> int:
        """Delete every user's connection to an integration; how many."""
        statement = delete(t.connections).where(
            t.connections.c.tenant == self._tenant, t.connections.c.integration_id == integration_id
        )
        return (await self._connection.execute(statement)).rowcount

    def _mine(self, connection_id: str, version: int) -> Any:
        columns = t.connections.c
        return (columns.tenant == self._tenant) & (columns.id == connection_id) & (columns.version == version)

    async def _select(self, *conditions: Any, limit: int | None = None) -> Sequence[Connection]:
        query = (
            select(*_COLUMNS)
            .where(t.connections.c.tenant == self._tenant, *conditions)
            .order_by(t.connections.c.id.desc())
            .limit(limit)
        )
        return [_connection(row) for row in await self._connection.execute(query)]


def find_connection(database: Database, tenant: str, integration_id: str, user_id: str) -> Connection | None:
    """The user's connection to an integration. Synchronous, for a reader thread."""
    wanted = {"tenant": tenant, "integration": integration_id, "user": user_id}
    row = database.execute(_FIND, wanted).first()
    return None if row is None else _connection(row)


_COLUMNS = tuple(t.connections.c[name] for name in Connection.__struct_fields__)
_FIND: Final = select(*_COLUMNS).where(
    t.connections.c.tenant == bindparam("tenant"),
    t.connections.c.integration_id == bindparam("integration"),
    t.connections.c.user_id == bindparam("user"),
)


def _row(found: Connection) -> dict[str, Any]:
    fields = {name: getattr(found, name) for name in Connection.__struct_fields__}
    fields["scopes"] = " ".join(found.scopes)
    fields["lacking"] = msgspec.json.encode(found.lacking).decode()
    return fields


def _connection(row: Any) -> Connection:
    fields = dict(row._mapping)
    fields["scopes"] = tuple(fields["scopes"].split())
    fields["lacking"] = msgspec.json.decode(fields["lacking"], type=dict[str, tuple[str, ...]])
    return Connection(**fields)
