"""API keys as JSON."""

from __future__ import annotations

from typing import Any

from errands.v1 import key_pb2 as pb

from ...http.encoding import format_time


def key(found: pb.Key) -> dict[str, Any]:
    """A key as JSON."""
    document: dict[str, Any] = {
        "id": found.id,
        "name": found.name,
        "tenant": found.tenant,
        "scopes": list(found.scopes),
        "createdAt": format_time(found.created_at),
    }
    if found.HasField("expires_at"):
        document["expiresAt"] = format_time(found.expires_at)
    return document
