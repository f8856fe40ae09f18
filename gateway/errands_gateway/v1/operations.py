"""The operations of /v1, in the order of its document."""

from __future__ import annotations

from typing import Final

from ..rest.dialect import Operation
from . import approval_links, approvals, audit, connect_links, connections, events, integrations, keys, runs

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
