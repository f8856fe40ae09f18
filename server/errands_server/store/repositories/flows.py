"""Connect flows of one tenant: each is begun by a link in one browser and continued by single-use tokens."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..schema import tables as t


class Flow(Struct, frozen=True, kw_only=True):
    """The state of one connect flow. Hashes are SHA-256."""

    id: str
    link_id: str  # of the link that began it
    browser_hash: bytes  # of the secret that the browser keeps
    token_hash: bytes | None = None  # of the token that continues it once; None where none does
    status: str = "begun"
    secret: bytes | None = None  # what later steps need, sealed
    expires_at: int  # milliseconds

    def __repr__(self) -> str:
        return f"Flow({self.id!r}, {self.status})"


class FlowRepository:
    """The connect flows of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add(self, flow: Flow) -> bool:
        """Store a new one. False: its link began one before; nothing was written."""
        try:
            async with self._connection.begin_nested():
                values = {"tenant": self._tenant, **_to_row(flow)}
                await self._connection.execute(insert(t.connect_flows).values(values))
        except IntegrityError:
            return False
        return True

    async def advance(self, flow: Flow, *, token_hash: bytes | None) -> bool:
        """Replace the stored flow by this, where `token_hash` still continues it: each token works once.

        False: another request was first, or it was deleted; nothing was written.
        """
        column = t.connect_flows.c.token_hash
        expected = column.is_(None) if token_hash is None else column == token_hash
        statement = update(t.connect_flows).where(self._has_id(flow.id), expected).values(_to_row(flow))
        return (await self._connection.execute(statement)).rowcount == 1

    async def find(self, flow_id: str) -> Flow | None:
        """The flow as this transaction sees it; its `token_hash` guards a later change."""
        return await self._select_one(self._has_id(flow_id))

    async def find_by_link(self, link_id: str) -> Flow | None:
        """The flow that a link began; as `find`."""
        return await self._select_one(
            (t.connect_flows.c.tenant == self._tenant) & (t.connect_flows.c.link_id == link_id)
        )

    async def find_by_token(self, token_hash: bytes) -> Flow | None:
        """The flow that this token continues; as `find`."""
        return await self._select_one(
            (t.connect_flows.c.tenant == self._tenant) & (t.connect_flows.c.token_hash == token_hash)
        )

    async def delete(self, flow_id: str) -> bool:
        """Delete it, however far it is. False: there is none."""
        statement = delete(t.connect_flows).where(self._has_id(flow_id))
        return (await self._connection.execute(statement)).rowcount == 1

    def _has_id(self, flow_id: str) -> Any:
        return (t.connect_flows.c.tenant == self._tenant) & (t.connect_flows.c.id == flow_id)

    async def _select_one(self, condition: Any) -> Flow | None:
        columns = (t.connect_flows.c[name] for name in Flow.__struct_fields__)
        row = (await self._connection.execute(select(*columns).where(condition))).first()
        return None if row is None else Flow(**row._mapping)


def _to_row(flow: Flow) -> dict[str, Any]:
    return {name: getattr(flow, name) for name in Flow.__struct_fields__}
