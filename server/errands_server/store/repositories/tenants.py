"""Settings of one tenant."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..schema import tables as t


class TenantRepository:
    """The settings of the tenant of this transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def verifier_url(self) -> str:
        """Where browsers are sent at the end of a connect flow; empty for nowhere."""
        query = select(t.tenants.c.verifier_url).where(t.tenants.c.tenant == self._tenant)
        return (await self._connection.execute(query)).scalar() or ""

    async def set_verifier_url(self, url: str) -> bool:
        """Replace that URL; of two changes the later is kept. False: the tenant does not exist."""
        statement = update(t.tenants).where(t.tenants.c.tenant == self._tenant).values(verifier_url=url)
        return (await self._connection.execute(statement)).rowcount == 1
