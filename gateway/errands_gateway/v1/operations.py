"""The table of operations: what routes and the OpenAPI document come from."""

from __future__ import annotations

from typing import Final

from ..http.operation import Operation
from ..pages import approval_links, connect_links
from . import approvals, audit, connections, events, integrations, keys, runs

OPERATIONS: Final[tuple[Operation, ...]] = (
    *runs.OPERATIONS,
    *events.OPERATIONS,
    *approvals.OPERATIONS,
    *approval_links.OPERATIONS,
    *integrations.OPERATIONS,
    *connections.OPERATIONS,
    *connect_links.OPERATIONS,
    *keys.OPERATIONS,
    *audit.OPERATIONS,
)
