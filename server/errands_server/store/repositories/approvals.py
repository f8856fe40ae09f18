"""Reads the approvals of one tenant: their rows, with request and resolution from the run's log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from ...domain import events as e
from ..schema import tables as t


class ApprovalRow(Struct, frozen=True, kw_only=True):
    """An approval as the inbox shows it."""

    approval_id: str
    run_id: str
    user_id: str
    status: str  # pending, decided, expired or closed
    requested_at: int  # milliseconds
    request: e.ApprovalRequested
    resolved_at: int | None = None  # milliseconds; None while it is pending, and where its run stopped
    resolution: e.ApprovalResolved | None = None  # as `resolved_at`


_request = t.events.alias("request")
_resolution = t.events.alias("resolution")
_JOINED = (
    t.approvals.join(t.runs, t.runs.c.run_id == t.approvals.c.run_id)
    .join(
        _request,
        (_request.c.run_id == t.approvals.c.run_id) & (_request.c.sequence == t.approvals.c.sequence),
    )
    .outerjoin(
        _resolution,
        (_resolution.c.run_id == t.approvals.c.run_id)
        & (_resolution.c.sequence == t.approvals.c.resolved_sequence),
    )
)
_SELECT = select(
    t.approvals.c.approval_id,
    t.approvals.c.run_id,
    t.approvals.c.status,
    t.runs.c.user_id,
    _request.c.at.label("requested_at"),
    _request.c.body.label("request"),
    _resolution.c.at.label("resolved_at"),
    _resolution.c.body.label("resolution"),
).select_from(_JOINED)


class ApprovalRepository:
    """The approvals of one tenant. Reads only: the journal writes them with the events they come from."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def find(self, approval_id: str) -> ApprovalRow | None:
        """The approval as this transaction sees it. A later append of its run may resolve it."""
        rows = await self._select(t.approvals.c.approval_id == approval_id, limit=1)
        return rows[0] if rows else None

    async def list(
        self, *, status: str = "", run_id: str = "", before: str = "", limit: int
    ) -> Sequence[ApprovalRow]:
        """At most `limit` approvals, newest first, older than the id `before`. "" does not filter."""
        conditions = []
        if run_id:
            conditions.append(t.approvals.c.run_id == run_id)
        if status:
            # A run has few approvals: concatenated, no index tempts SQLite to walk the tenant's.
            column = t.approvals.c.status.concat("") if run_id else t.approvals.c.status
            conditions.append(column == status)
        if before:
            conditions.append(t.approvals.c.approval_id < before)
        return await self._select(*conditions, limit=limit)

    async def _select(self, *conditions: Any, limit: int) -> Sequence[ApprovalRow]:
        query = (
            _SELECT.where(t.approvals.c.tenant == self._tenant, *conditions)
            .order_by(t.approvals.c.approval_id.desc())
            .limit(limit)
        )
        return [_approval(row) for row in await self._connection.execute(query)]


def _approval(row: Any) -> ApprovalRow:
    request = e.decode(row.request)
    resolution = None if row.resolution is None else e.decode(row.resolution)
    assert isinstance(request, e.ApprovalRequested)  # noqa: S101 (the journal wrote it)
    assert resolution is None or isinstance(resolution, e.ApprovalResolved)  # noqa: S101 (as above)
    return ApprovalRow(
        approval_id=row.approval_id,
        run_id=row.run_id,
        user_id=row.user_id,
        status=row.status,
        requested_at=row.requested_at,
        request=request,
        resolved_at=row.resolved_at,
        resolution=resolution,
    )
