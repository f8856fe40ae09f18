"""What one tenant has settled for itself."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..schema import tables as t


class TenantRepository:
    """The one tenant of its transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def verifier_url(self) -> str:
        """Where browsers go that finished a connect flow; empty for nowhere."""
        query = select(t.tenants.c.verifier_url).where(t.tenants.c.tenant == self._tenant)
        return (await self._connection.execute(query)).scalar() or ""

    async def verify_at(self, url: str) -> bool:
        """Send them to this URL from now on."""
        statement = update(t.tenants).where(t.tenants.c.tenant == self._tenant).values(verifier_url=url)
        return (await self._connection.execute(statement)).rowcount == 1
