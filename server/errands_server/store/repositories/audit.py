"""The audit log of one tenant: an entry is written in the transaction of its change, and never changed."""

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
    """What an entry can be about. Decisions and cancellations are taken from the logs of runs."""

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
    """One change and who made it."""

    id: str  # a UUIDv7 of `at`
    at: int  # milliseconds
    actor: str
    action: str  # an `AuditAction`
    subject: str  # id of what was changed
    details: str  # JSON text, without secrets


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Combined with "and"; "" and None do not filter. Times are milliseconds, both exclusive."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    after: int | None = None
    before: int | None = None


class AuditRepository:
    """The audit log of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add(self, action: AuditAction, *, actor: str, subject: str, at: int, **details: Any) -> None:
        """Write an entry, which is committed or rolled back with the change that it is about."""
        row = _row(self._tenant, action, actor=actor, subject=subject, at=at, details=details)
        await self._connection.execute(insert(t.audit).values(row))

    async def list(self, wanted: AuditFilter, *, behind: str = "", limit: int) -> Sequence[AuditEntry]:
        """At most `limit` entries, newest first, older than the entry `behind`."""
        columns = t.audit.c
        query = select(*(columns[name] for name in AuditEntry.__struct_fields__)).where(
            columns.tenant == self._tenant
        )
        for name in ("actor", "action", "subject"):
            if value := getattr(wanted, name):
                query = query.where(columns[name] == value)
        # Ids begin with their time, so that one index serves order, page and span.
        if wanted.after is not None:
            query = query.where(columns.id >= id_prefix(wanted.after + 1))
        if wanted.before is not None:
            query = query.where(columns.id < id_prefix(wanted.before))
        if behind:
            query = query.where(columns.id < behind)
        rows = await self._connection.execute(query.order_by(columns.id.desc()).limit(limit))
        return [AuditEntry(**row._mapping) for row in rows]


def row_for_record(tenant: str, run_id: str, record: Record) -> dict[str, Any] | None:
    """The row for a record of what a person did to a run; None for every other record."""
    match record.event:
        case e.ApprovalResolved(expired=False) as event:
            action, actor, subject = AuditAction.APPROVAL_DECIDE, event.actor, event.approval_id
            details = {"runId": run_id, "decision": str(event.decision)}
        case e.CancelRequested() as event:
            action, actor, subject, details = AuditAction.RUN_CANCEL, event.actor, run_id, {}
        case _:
            return None
    return _row(tenant, action, actor=actor, subject=subject, at=record.at, details=details)


def id_prefix(at: int) -> str:
    """The smallest text that is not behind any id of an entry made at `at` (milliseconds) or later."""
    digits = f"{max(at, 0):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _row(
    tenant: str, action: AuditAction, *, actor: str, subject: str, at: int, details: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        # UUIDv7 (RFC 9562) of `at`, which a test may hold still.
        "id": str(UUID(f"{at:012x}7{uuid4().hex[13:]}")),
        "tenant": tenant,
        "at": at,
        "actor": actor,
        "action": str(action),
        "subject": subject,
        "details": msgspec.json.encode(details).decode(),
    }
