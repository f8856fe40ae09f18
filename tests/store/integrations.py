"""An integration's revision with everything in it."""

from __future__ import annotations

from typing import Any

from errands_server.store.integrations import Revision


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
