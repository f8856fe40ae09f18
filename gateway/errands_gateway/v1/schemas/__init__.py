"""The components of the OpenAPI document: what bodies look like, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from . import approvals, audit, connections, events, integrations, keys, preflight, problems, runs

COMPONENTS: Final[Mapping[str, Any]] = {
    **runs.COMPONENTS,
    **preflight.COMPONENTS,
    **events.COMPONENTS,
    **approvals.COMPONENTS,
    **integrations.COMPONENTS,
    **connections.COMPONENTS,
    **keys.COMPONENTS,
    **audit.COMPONENTS,
    **problems.COMPONENTS,
}
