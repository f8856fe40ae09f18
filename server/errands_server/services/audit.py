"""Lists the audit of a tenant: who changed what."""

from __future__ import annotations

from collections.abc import Sequence

from ..store.repositories.audit import AuditEntry, AuditFilter
from ..store.store import Store
from .principal import Principal, Scope


class Audits:
    """The audit of all tenants, as the caller may see it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(
        self, principal: Principal, wanted: AuditFilter, *, behind: str, limit: int
    ) -> Sequence[AuditEntry]:
        """Up to `limit` entries that match, behind `behind`, newest first."""
        principal.require(Scope.ADMIN)
        async with self._store.begin(principal.tenant) as transaction:
            return await transaction.audit.list(wanted, behind=behind, limit=limit)
