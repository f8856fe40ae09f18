"""Connect flows of one tenant: each begins at a link in one browser, and goes step by step to its end."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..schema import tables as t


class Flow(Struct, frozen=True, kw_only=True):
    """How far the flow of one link is. Hashes are SHA-256; `secret` is sealed."""

    id: str
    link_id: str
    browser_hash: bytes
    token_hash: bytes | None = None  # of what continues it, once; None where nothing does
    status: str = "begun"
    secret: bytes | None = None
    expires_at: int

    def __repr__(self) -> str:
        return f"Flow({self.id!r}, {self.status})"


class FlowRepository:
    """The flows of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add(self, flow: Flow) -> bool:
        """Store a new one; False where its link has one."""
        try:
            async with self._connection.begin_nested():
                values = {"tenant": self._tenant, **_row(flow)}
                await self._connection.execute(insert(t.connect_flows).values(values))
        except IntegrityError:
            return False
        return True

    async def move(self, flow: Flow, *, token_hash: bytes | None) -> bool:
        """Store it as it is now; False where `token_hash` is no longer what continues it."""
        column = t.connect_flows.c.token_hash
        expected = column.is_(None) if token_hash is None else column == token_hash
        statement = update(t.connect_flows).where(self._mine(flow.id), expected).values(_row(flow))
        return (await self._connection.execute(statement)).rowcount == 1

    async def find(self, flow_id: str) -> Flow | None:
        return await self._one(self._mine(flow_id))

    async def of_link(self, link_id: str) -> Flow | None:
        return await self._one(
            (t.connect_flows.c.tenant == self._tenant) & (t.connect_flows.c.link_id == link_id)
        )

    async def continued_by(self, token_hash: bytes) -> Flow | None:
        return await self._one(
            (t.connect_flows.c.tenant == self._tenant) & (t.connect_flows.c.token_hash == token_hash)
        )

    async def delete(self, flow_id: str) -> bool:
        statement = delete(t.connect_flows).where(self._mine(flow_id))
        return (await self._connection.execute(statement)).rowcount == 1

    def _mine(self, flow_id: str) -> Any:
        return (t.connect_flows.c.tenant == self._tenant) & (t.connect_flows.c.id == flow_id)

    async def _one(self, condition: Any) -> Flow | None:
        columns = (t.connect_flows.c[name] for name in Flow.__struct_fields__)
        row = (await self._connection.execute(select(*columns).where(condition))).first()
        return None if row is None else Flow(**row._mapping)


def _row(flow: Flow) -> dict[str, Any]:
    return {name: getattr(flow, name) for name in Flow.__struct_fields__}
