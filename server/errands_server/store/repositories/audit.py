"""Who did what in one tenant: written in the transaction of what it tells of, and never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ...domain import events as e
from ...domain.events import Record
from ..schema import tables as t


class AuditAction(StrEnum):
    """What can be done. What a run's log says of decisions and cancellations is among it."""

    APPROVAL_DECIDE = "approval.decide"
    RUN_CANCEL = "run.cancel"
    INTEGRATION_CREATE = "integration.create"
    INTEGRATION_UPDATE = "integration.update"
    INTEGRATION_DELETE = "integration.delete"
    KEY_CREATE = "key.create"
    KEY_REVOKE = "key.revoke"
    CONNECTION_CREATE = "connection.create"
    CONNECTION_CONFIRM = "connection.confirm"
    CONNECTION_MISMATCH = "connection.mismatch"
    CONNECTION_BREAK = "connection.break"
    CONNECTION_DELETE = "connection.delete"
    TENANT_UPDATE = "tenant.update"


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One thing that was done. `details` is JSON text without secrets."""

    id: str
    at: int
    actor: str
    action: str
    subject: str
    details: str


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Which entries; "" and None leave a filter open. Times are milliseconds, both exclusive."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    after: int | None = None
    before: int | None = None


class AuditRepository:
    """What was done in one tenant, newest first."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add(self, action: AuditAction, *, actor: str, subject: str, at: int, **details: Any) -> None:
        """Say in this transaction what it does."""
        row = _row(self._tenant, action, actor=actor, subject=subject, at=at, details=details)
        await self._connection.execute(insert(t.audit).values(row))

    async def list(self, wanted: AuditFilter, *, behind: str = "", limit: int) -> Sequence[AuditEntry]:
        """The newest of those wanted, behind the entry of this id."""
        columns = t.audit.c
        query = select(*(columns[name] for name in AuditEntry.__struct_fields__)).where(
            columns.tenant == self._tenant
        )
        for name in ("actor", "action", "subject"):
            if value := getattr(wanted, name):
                query = query.where(columns[name] == value)
        # Ids begin with their time, so one index gives order, page and span.
        if wanted.after is not None:
            query = query.where(columns.id >= beginning(wanted.after + 1))
        if wanted.before is not None:
            query = query.where(columns.id < beginning(wanted.before))
        if behind:
            query = query.where(columns.id < behind)
        rows = await self._connection.execute(query.order_by(columns.id.desc()).limit(limit))
        return [AuditEntry(**row._mapping) for row in rows]


def of_record(tenant: str, run_id: str, record: Record) -> dict[str, Any] | None:
    """The row for what a person did to a run; None for everything a run does by itself."""
    match record.event:
        case e.ApprovalResolved(expired=False) as event:
            action, actor, subject = AuditAction.APPROVAL_DECIDE, event.actor, event.approval_id
            details = {"runId": run_id, "decision": str(event.decision)}
        case e.CancelRequested() as event:
            action, actor, subject, details = AuditAction.RUN_CANCEL, event.actor, run_id, {}
        case _:
            return None
    return _row(tenant, action, actor=actor, subject=subject, at=record.at, details=details)


def beginning(at: int) -> str:
    """What the ids of entries made at this time, in milliseconds, begin with or come behind."""
    digits = f"{max(at, 0):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _row(
    tenant: str, action: AuditAction, *, actor: str, subject: str, at: int, details: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        # UUIDv7 (RFC 9562) of the time that is told, also where a clock is held still.
        "id": str(UUID(f"{at:012x}7{uuid4().hex[13:]}")),
        "tenant": tenant,
        "at": at,
        "actor": actor,
        "action": str(action),
        "subject": subject,
        "details": msgspec.json.encode(details).decode(),
    }
