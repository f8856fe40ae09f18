"""The table of operations: what routes and the OpenAPI document come from."""

from __future__ import annotations

from typing import Final

from . import approvals, audit, connecting, connections, events, integrations, keys, links, runs
from .operation import Operation

OPERATIONS: Final[tuple[Operation, ...]] = (
    *runs.OPERATIONS,
    *events.OPERATIONS,
    *approvals.OPERATIONS,
    *links.OPERATIONS,
    *integrations.OPERATIONS,
    *connections.OPERATIONS,
    *connecting.OPERATIONS,
    *keys.OPERATIONS,
    *audit.OPERATIONS,
)
