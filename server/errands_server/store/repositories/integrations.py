"""Integrations of one tenant. Every change adds a revision, and a revision never changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...domain.errors import Conflict, Reason
from ..schema import tables as t


class Revision(Struct, frozen=True, kw_only=True):
    """An integration as one change left it."""

    kind: str  # openapi or mcp
    base_url: str
    internal: bool  # an operator allowed its requests inside the network
    honours_keys: bool  # the service honours idempotency keys
    document: bytes  # the description that was imported
    operations: bytes  # JSON text of the imported tools, as `tools` reads it
    tool_count: int
    left_out: tuple[str, ...] = ()  # operations that were not imported, with the reason
    schemes: str = "{}"  # JSON text: security schemes, by name
    rate_limit: str = ""  # as in domain/rates; "" for none
    max_concurrency: int = 0  # calls at the same time; 0 for any number
    auth_type: str = "none"
    shared: bool = False  # it has a credential for every user
    credential: bytes | None = None  # that one, sealed


class Integration(Struct, frozen=True, kw_only=True):
    """An integration and its newest revision, without the revision's large parts."""

    id: str
    name: str
    active: bool  # its tools may be used by new runs
    revision: int  # number of the newest; the first is 1
    created_at: int  # milliseconds
    kind: str
    base_url: str
    internal: bool
    honours_keys: bool
    tool_count: int
    left_out: tuple[str, ...]
    auth_type: str
    shared: bool
    rate_limit: str
    max_concurrency: int
    schemes: str = "{}"
    oauth_client: str = ""  # JSON text of the client without its secret; empty where there is none
    oauth_secret: bytes | None = None  # sealed


_OF_REVISION = (
    "kind",
    "base_url",
    "internal",
    "honours_keys",
    "tool_count",
    "left_out",
    "auth_type",
    "shared",
    "schemes",
    "rate_limit",
    "max_concurrency",
)
_OF_ITSELF = ("id", "name", "active", "revision", "created_at", "oauth_client", "oauth_secret")
_INTEGRATION = select(
    *(t.integrations.c[name] for name in _OF_ITSELF),
    *(t.integration_revisions.c[name] for name in _OF_REVISION),
).join(
    t.integration_revisions,
    and_(
        t.integration_revisions.c.integration_id == t.integrations.c.id,
        t.integration_revisions.c.revision == t.integrations.c.revision,
    ),
)


class IntegrationRepository:
    """The integrations of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add(
        self,
        integration_id: str,
        name: str,
        revision: Revision,
        now: int,
        client: tuple[str, bytes | None] = ("", None),
    ) -> None:
        """Store an integration with revision 1, and its OAuth client: JSON text and sealed secret.

        INTEGRATION_NAME_TAKEN: nothing was written.
        """
        values = {
            "id": integration_id,
            "tenant": self._tenant,
            "name": name,
            "active": True,
            "revision": 1,
            "created_at": now,
            "oauth_client": client[0],
            "oauth_secret": client[1],
        }
        await self._execute_named(name, insert(t.integrations).values(values))
        await self._add_revision(integration_id, 1, revision, now)

    async def revise(self, integration: Integration, revision: Revision, now: int) -> None:
        """Add the revision behind `integration.revision`, and store name, `active` and OAuth client.

        INTEGRATION_NAME_TAKEN. RUN_BUSY: it was changed or deleted before; nothing was written.
        """
        number = integration.revision + 1
        statement = (
            update(t.integrations)
            .where(
                t.integrations.c.id == integration.id,
                t.integrations.c.tenant == self._tenant,
                t.integrations.c.revision == integration.revision,
                t.integrations.c.deleted_at.is_(None),
            )
            .values(
                name=integration.name,
                active=integration.active,
                revision=number,
                oauth_client=integration.oauth_client,
                oauth_secret=integration.oauth_secret,
            )
        )
        if await self._execute_named(integration.name, statement) == 0:
            message = "another change of the integration was first; try again"
            raise Conflict(Reason.RUN_BUSY, message, subject=integration.id)
        await self._add_revision(integration.id, number, revision, now)

    async def delete(self, integration_id: str, now: int) -> bool:
        """Hide it from now on, in any revision; its revisions stay for the runs that refer to them.

        False: there is none, or it was deleted before.
        """
        statement = (
            update(t.integrations)
            .where(
                t.integrations.c.id == integration_id,
                t.integrations.c.tenant == self._tenant,
                t.integrations.c.deleted_at.is_(None),
            )
            .values(active=False, deleted_at=now)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def find(self, integration_id: str) -> Integration | None:
        """The integration as this transaction sees it; its `revision` guards a later change."""
        rows = await self._select(t.integrations.c.id == integration_id)
        return rows[0] if rows else None

    async def list(self, *, after: str = "", limit: int) -> Sequence[Integration]:
        """At most `limit` integrations, ordered by name, behind the name `after`."""
        return await self._select(t.integrations.c.name > after, limit=limit)

    async def count(self) -> int:
        """How many there are, active or not. In a writing transaction no other transaction can add one."""
        query = select(func.count()).where(
            t.integrations.c.tenant == self._tenant, t.integrations.c.deleted_at.is_(None)
        )
        return (await self._connection.execute(query)).scalar_one()

    async def active(self) -> Sequence[Integration]:
        """All that are active, ordered by name."""
        return await self._select(t.integrations.c.active.is_(True))

    async def revision(self, integration_id: str, number: int) -> Revision | None:
        """A revision, also of a deleted integration. It never changes, so that it may be cached."""
        columns = (t.integration_revisions.c[name] for name in Revision.__struct_fields__)
        query = (
            select(*columns)
            .join(t.integrations, t.integrations.c.id == t.integration_revisions.c.integration_id)
            .where(
                t.integrations.c.tenant == self._tenant,
                t.integrations.c.id == integration_id,
                t.integration_revisions.c.revision == number,
            )
        )
        row = (await self._connection.execute(query)).first()
        if row is None:
            return None
        fields = dict(row._mapping)
        return Revision(**fields | {"left_out": _left_out(fields["left_out"])})

    async def _select(self, *conditions: Any, limit: int | None = None) -> Sequence[Integration]:
        query = (
            _INTEGRATION.where(
                t.integrations.c.tenant == self._tenant,
                t.integrations.c.deleted_at.is_(None),
                *conditions,
            )
            .order_by(t.integrations.c.name)
            .limit(limit)
        )
        rows = (dict(row._mapping) for row in await self._connection.execute(query))
        return [Integration(**row | {"left_out": _left_out(row["left_out"])}) for row in rows]

    async def _add_revision(self, integration_id: str, number: int, revision: Revision, now: int) -> None:
        fields = {name: getattr(revision, name) for name in Revision.__struct_fields__}
        fields["left_out"] = msgspec.json.encode(revision.left_out).decode()
        values = {"integration_id": integration_id, "revision": number, "created_at": now, **fields}
        await self._connection.execute(insert(t.integration_revisions).values(values))

    async def _execute_named(self, name: str, statement: Any) -> int:
        try:
            count: int = (await self._connection.execute(statement)).rowcount
        except IntegrityError as error:
            message = f"another integration is called {name!r}; choose another name"
            raise Conflict(Reason.INTEGRATION_NAME_TAKEN, message, subject=name) from error
        return count


def _left_out(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])
