"""Who did what, as JSON."""

from __future__ import annotations

from typing import Any

from errands.v1 import audit_pb2 as pb

from ...http.encoding import format_time, raw_json


def entry(found: pb.AuditEntry) -> dict[str, Any]:
    """An entry as JSON."""
    return {
        "id": found.id,
        "createdAt": format_time(found.created_at),
        "actor": found.actor,
        "action": found.action,
        "subject": found.subject,
        "details": raw_json(found.details_json),
    }
