"""Connections as JSON."""

from __future__ import annotations

from typing import Any

from errands.v1 import connection_pb2 as pb

from ... import enum_names
from ...http.encoding import format_time


def connection(found: pb.Connection) -> dict[str, Any]:
    """A connection as JSON."""
    document: dict[str, Any] = {
        "id": found.id,
        "integrationId": found.integration_id,
        "userId": found.user_id,
        "type": found.type,
        "status": enum_names.CONNECTION_STATUS[found.status],
        "scopes": list(found.scopes),
        "createdAt": format_time(found.created_at),
        "updatedAt": format_time(found.updated_at),
    }
    if found.HasField("expires_at"):
        document["expiresAt"] = format_time(found.expires_at)
    return document


def confirmed_connection(found: pb.ConfirmConnectionResponse) -> dict[str, Any]:
    """A connection that an application confirmed, and where its browser goes next."""
    document: dict[str, Any] = {"connection": connection(found.connection)}
    return {**document, "returnUrl": found.return_url} if found.return_url else document
