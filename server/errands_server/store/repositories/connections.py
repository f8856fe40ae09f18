"""Users' connections of one tenant: one for each user and integration, with a sealed secret."""

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
    """One user's access to one integration. Times are milliseconds."""

    id: str
    integration_id: str
    user_id: str
    kind: str  # of its secret
    origin: str  # of the service that it was given for; it is sent to no other
    status: str = "active"  # or "broken": the service refuses it
    scopes: tuple[str, ...] = ()  # granted; empty where that is not known
    missing_scopes: Mapping[str, tuple[str, ...]] = {}  # those the service asked for in vain, by operation
    secret: bytes  # sealed
    expires_at: int | None = None  # of its token; None where it does not expire, or that is not known
    created_at: int
    updated_at: int
    version: int = 1  # grows by one with every change

    def __repr__(self) -> str:
        return f"Connection({self.id!r}, {self.status})"


class ConnectionRepository:
    """The connections of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add(self, connection: Connection) -> bool:
        """Store a new one. False: the user has one to that integration; nothing was written."""
        try:
            async with self._connection.begin_nested():
                values = {"tenant": self._tenant, "lease_until": 0, **_to_row(connection)}
                await self._connection.execute(insert(t.connections).values(values))
        except IntegrityError:
            return False
        return True

    async def revise(self, connection: Connection) -> bool:
        """Replace version `connection.version` by this as the next version, and end its lease.

        False: it was changed or deleted before; nothing was written.
        """
        values = _to_row(connection) | {"version": connection.version + 1, "lease_until": 0}
        statement = (
            update(t.connections).where(self._is_version(connection.id, connection.version)).values(values)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def lease(self, connection_id: str, version: int, *, now: int, until: int) -> bool:
        """Lease this version until `until` (milliseconds), or until it is changed.

        False: another has the lease, or it was changed or deleted before.
        """
        statement = (
            update(t.connections)
            .where(self._is_version(connection_id, version), t.connections.c.lease_until <= now)
            .values(lease_until=until)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def release(self, connection_id: str, version: int) -> bool:
        """End the lease of this version. False: it was changed or deleted before."""
        statement = (
            update(t.connections).where(self._is_version(connection_id, version)).values(lease_until=0)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def find(self, connection_id: str) -> Connection | None:
        """The connection as this transaction sees it; its `version` guards a later change."""
        found = await self._select(t.connections.c.id == connection_id)
        return found[0] if found else None

    async def find_for_user(self, integration_id: str, user_id: str) -> Connection | None:
        """The user's connection to an integration; as `find`."""
        found = await self._select(
            t.connections.c.integration_id == integration_id, t.connections.c.user_id == user_id
        )
        return found[0] if found else None

    async def list(
        self, *, integration_id: str = "", user_id: str = "", before: str = "", limit: int
    ) -> Sequence[Connection]:
        """At most `limit` connections, newest first, older than the id `before`. "" does not filter."""
        conditions = []
        if integration_id:
            conditions.append(t.connections.c.integration_id == integration_id)
        if user_id:
            conditions.append(t.connections.c.user_id == user_id)
        if before:
            conditions.append(t.connections.c.id < before)
        return await self._select(*conditions, limit=limit)

    async def count(self) -> int:
        """How many there are, of all users. In a writing transaction no other transaction can add one."""
        query = select(func.count()).where(t.connections.c.tenant == self._tenant)
        return (await self._connection.execute(query)).scalar_one()

    async def delete(self, connection_id: str) -> bool:
        """Delete it in any version. False: there is none."""
        statement = delete(t.connections).where(
            t.connections.c.tenant == self._tenant, t.connections.c.id == connection_id
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def delete_all(self, integration_id: str) -> int:
        """Delete every user's connection to an integration, in any version. Returns how many."""
        statement = delete(t.connections).where(
            t.connections.c.tenant == self._tenant, t.connections.c.integration_id == integration_id
        )
        return (await self._connection.execute(statement)).rowcount

    def _is_version(self, connection_id: str, version: int) -> Any:
        columns = t.connections.c
        return (columns.tenant == self._tenant) & (columns.id == connection_id) & (columns.version == version)

    async def _select(self, *conditions: Any, limit: int | None = None) -> Sequence[Connection]:
        query = (
            select(*_COLUMNS.values())
            .where(t.connections.c.tenant == self._tenant, *conditions)
            .order_by(t.connections.c.id.desc())
            .limit(limit)
        )
        return [_to_connection(row) for row in await self._connection.execute(query)]


def find_connection(database: Database, tenant: str, integration_id: str, user_id: str) -> Connection | None:
    """The user's connection to an integration, as it was committed last. Synchronous, for a reader thread."""
    wanted = {"tenant": tenant, "integration": integration_id, "user": user_id}
    row = database.execute(_FIND, wanted).first()
    return None if row is None else _to_connection(row)


# By field; `missing_scopes` has another name in the database.
_COLUMNS: Final = {
    field: t.connections.c["lacking" if field == "missing_scopes" else field]
    for field in Connection.__struct_fields__
}
_FIND: Final = select(*_COLUMNS.values()).where(
    t.connections.c.tenant == bindparam("tenant"),
    t.connections.c.integration_id == bindparam("integration"),
    t.connections.c.user_id == bindparam("user"),
)


def _to_row(connection: Connection) -> dict[str, Any]:
    row = {column.name: getattr(connection, field) for field, column in _COLUMNS.items()}
    row["scopes"] = " ".join(connection.scopes)
    row["lacking"] = msgspec.json.encode(connection.missing_scopes).decode()
    return row


def _to_connection(row: Any) -> Connection:
    fields = dict(zip(_COLUMNS, row, strict=True))
    fields["scopes"] = tuple(fields["scopes"].split())
    fields["missing_scopes"] = msgspec.json.decode(fields["missing_scopes"], type=dict[str, tuple[str, ...]])
    return Connection(**fields)
