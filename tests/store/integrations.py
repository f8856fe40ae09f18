"""An integration's revision with everything in it, a user's connection to it, and a flow that leads there."""

from __future__ import annotations

from typing import Any

from errands_server.store.repositories.connections import Connection
from errands_server.store.repositories.flows import Flow
from errands_server.store.repositories.integrations import Revision
from tests.store.logs import NOW


def revision(**fields: Any) -> Revision:
    given: dict[str, Any] = {
        "kind": "openapi",
        "base_url": "https://shop.test",
        "internal": False,
        "honours_keys": True,
        "document": b"{}",
        "operations": b"[]",
        "tool_count": 3,
        "left_out": ("GET /odd: why",),
        "auth_type": "api_key",
        "shared": True,
        "credential": b"sealed",
    }
    return Revision(**{**given, **fields})


def connection(**fields: Any) -> Connection:
    given: dict[str, Any] = {
        "id": "c1",
        "integration_id": "i1",
        "user_id": "ada",
        "kind": "bearer",
        "origin": "https://shop.test",
        "secret": b"sealed",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Connection(**{**given, **fields})


def flow(**fields: Any) -> Flow:
    given = {"id": "f1", "link_id": "l1", "browser_hash": b"b", "token_hash": b"token", "expires_at": NOW}
    return Flow(**{**given, **fields})
