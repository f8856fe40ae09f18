"""What authenticates one call."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Credential(Struct, frozen=True, kw_only=True):
    """Additions to one request. They are secrets: they join it at dispatch and are never stored."""

    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    cookies: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return "Credential(...)"
