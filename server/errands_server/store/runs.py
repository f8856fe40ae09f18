"""Finds runs of one tenant. Newest first is the order of their ids, which are UUIDv7."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import tables as t
from .reading import HEAD, Head, head


class RunFilter(Struct, frozen=True, kw_only=True):
    """Combined with "and"; empty fields do not filter."""

    user_id: str = ""
    status: str = ""
    integration_ids: Sequence[str] = ()
    before: str = ""  # only runs older than this id
    unfinished: bool = False


class Runs:
    """The runs of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def find(self, run_id: str) -> Head | None:
        rows = await self._select(t.runs.c.run_id == run_id, limit=1)
        return next(iter(rows), None)

    async def with_plan(self, plan_id: str) -> Head | None:
        """The newest run whose plan this is."""
        rows = await self._select(t.runs.c.plan_id == plan_id, limit=1)
        return next(iter(rows), None)

    async def list(self, wanted: RunFilter, *, limit: int, skip: int = 0) -> Sequence[Head]:
        """Newest first. The cost of a page does not grow with the number of runs, but with `skip`."""
        conditions: list[ColumnElement[bool]] = []
        if wanted.before:
            conditions.append(t.runs.c.run_id < wanted.before)
        if wanted.user_id:
            conditions.append(t.runs.c.user_id == wanted.user_id)
        if wanted.status:
            conditions.append(t.runs.c.status == wanted.status)
        if wanted.unfinished:
            conditions.append(t.runs.c.finished_at.is_(None))
        if wanted.integration_ids:
            conditions.append(t.runs.c.run_id.in_(self._using(wanted.integration_ids)))
        return await self._select(*conditions, limit=limit, skip=skip)

    def _using(self, integration_ids: Sequence[str]) -> Any:
        return select(t.run_integrations.c.run_id).where(
            t.run_integrations.c.tenant == self._tenant,
            t.run_integrations.c.integration_id.in_(integration_ids),
        )

    async def _select(self, *conditions: ColumnElement[bool], limit: int, skip: int = 0) -> Sequence[Head]:
        query = (
            select(*HEAD)
            .where(t.runs.c.tenant == self._tenant, *conditions)
            .order_by(t.runs.c.run_id.desc())
            .limit(limit)
            .offset(skip)
        )
        return [head(row) for row in await self._connection.execute(query)]
