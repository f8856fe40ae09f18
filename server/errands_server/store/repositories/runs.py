"""Reads the heads of one tenant's runs. Their ids are UUIDv7, so that newest first is the order of ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, exists, select, true, union
from sqlalchemy.ext.asyncio import AsyncConnection

from ..journal_reads import HEAD, Head, to_head
from ..schema import tables as t


class RunFilter(Struct, frozen=True, kw_only=True):
    """Combined with "and"; empty fields do not filter."""

    user_id: str = ""
    status: str = ""
    integration_ids: Sequence[str] = ()  # runs that use any of these
    before: str = ""  # only runs older than this id
    unfinished: bool = False


class RunRepository:
    """The runs of one tenant. Reads only: the journal writes them with their logs."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def find(self, run_id: str) -> Head | None:
        """The run's head as this transaction sees it; its `last_sequence` guards a later append."""
        rows = await self._select(t.runs.c.run_id == run_id, limit=1)
        return next(iter(rows), None)

    async def find_by_plan(self, plan_id: str) -> Head | None:
        """The newest run that has this plan; as `find`."""
        rows = await self._select(t.runs.c.plan_id == plan_id, limit=1)
        return next(iter(rows), None)

    async def list(self, wanted: RunFilter, *, limit: int, skip: int = 0) -> Sequence[Head]:
        """At most `limit` runs, newest first, without the first `skip`.

        The cost of a page grows with `skip`, not with the number of runs. With integrations and
        other filters it also grows with the runs that pass only the other filters.
        """
        if wanted.integration_ids and not (wanted.user_id or wanted.status or wanted.unfinished):
            return await self._select(
                t.runs.c.run_id.in_(self._newest_using(wanted, limit, skip)), limit=limit
            )
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
            conditions.append(self._uses_any(wanted.integration_ids))
        return await self._select(*conditions, limit=limit, skip=skip)

    def _uses_any(self, integration_ids: Sequence[str]) -> ColumnElement[bool]:
        return exists().where(
            t.run_integrations.c.tenant == self._tenant,
            t.run_integrations.c.integration_id.in_(integration_ids),
            t.run_integrations.c.run_id == t.runs.c.run_id,
        )

    def _newest_using(self, wanted: RunFilter, limit: int, skip: int) -> Any:
        """One ordered range of the key for each integration, merged: it reads neither runs that use
        none of them nor all that do.
        """
        ranges = [self._range(chosen, wanted.before) for chosen in dict.fromkeys(wanted.integration_ids)]
        merged = ranges[0] if len(ranges) == 1 else union(*ranges)
        return merged.order_by(merged.selected_columns.run_id.desc()).limit(limit).offset(skip)

    def _range(self, integration_id: str, before: str) -> Select[tuple[str]]:
        columns = t.run_integrations.c
        mine = (columns.tenant == self._tenant) & (columns.integration_id == integration_id)
        return select(columns.run_id).where(mine, columns.run_id < before if before else true())

    async def _select(self, *conditions: ColumnElement[bool], limit: int, skip: int = 0) -> Sequence[Head]:
        query = (
            select(*HEAD)
            .where(t.runs.c.tenant == self._tenant, *conditions)
            .order_by(t.runs.c.run_id.desc())
            .limit(limit)
            .offset(skip)
        )
        return [to_head(row) for row in await self._connection.execute(query)]
