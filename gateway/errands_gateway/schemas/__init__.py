"""The components of the OpenAPI document: what bodies look like, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from . import approvals, audit, events, integrations, keys, problems, runs

COMPONENTS: Final[Mapping[str, Any]] = {
    **runs.COMPONENTS,
    **events.COMPONENTS,
    **approvals.COMPONENTS,
    **integrations.COMPONENTS,
    **keys.COMPONENTS,
    **audit.COMPONENTS,
    **problems.COMPONENTS,
}
