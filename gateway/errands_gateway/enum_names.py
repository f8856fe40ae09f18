"""Names of the contract's enum values, as JSON and pages write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from errands.v1.approval_pb2 import ApprovalKind, ApprovalStatus, CallEffect, Decision
from errands.v1.connection_pb2 import ConnectionStatus
from errands.v1.event_pb2 import Outcome, RunStatus
from errands.v1.integration_pb2 import IntegrationStatus
from errands.v1.preflight_pb2 import CallAccess
from errands.v1.run_pb2 import ApprovalStrategy

Names = Mapping[int, str]
"""The name of each number of an enum."""


def _names(enum: Any, prefix: str, *, lower: bool = False) -> Names:
    """Names without the enum's prefix. Generated enums are wrappers at run time only, hence Any."""
    bare = {number: name.removeprefix(prefix) for name, number in enum.items()}
    return {number: name.lower() if lower else name for number, name in bare.items()}


def numbers(names: Names) -> Mapping[str, Any]:
    """The number of each name."""
    return {name: number for number, name in names.items()}


STATUS: Final = _names(RunStatus, "RUN_STATUS_")
STRATEGY: Final = _names(ApprovalStrategy, "APPROVAL_STRATEGY_")
OUTCOME: Final = _names(Outcome, "OUTCOME_", lower=True)
KIND: Final = _names(ApprovalKind, "APPROVAL_KIND_")
DECISION: Final = _names(Decision, "DECISION_", lower=True)
APPROVAL_STATUS: Final = _names(ApprovalStatus, "APPROVAL_STATUS_", lower=True)
ACCESS: Final = _names(CallAccess, "CALL_ACCESS_")
EFFECT: Final = _names(CallEffect, "CALL_EFFECT_", lower=True)
CONNECTION_STATUS: Final = _names(ConnectionStatus, "CONNECTION_STATUS_")
INTEGRATION_STATUS: Final = _names(IntegrationStatus, "INTEGRATION_STATUS_")
