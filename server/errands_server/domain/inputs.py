"""The inputs of a run: stored next to its log when it is created, and never changed."""

from __future__ import annotations

from msgspec import Struct


class Selected(Struct, frozen=True):
    """One integration of a run's resolved selection, pinned to a revision."""

    id: str
    revision: int


class Inputs(Struct, frozen=True, kw_only=True):
    """What a run is to do, and with which integrations."""

    intent: str
    context: str  # opaque; may hold hints as JSON or `key=value` pairs; "" for none
    output_schema: str  # JSON text; "" for none
    integrations: tuple[Selected, ...]  # in the caller's order
