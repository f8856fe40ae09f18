"""Enums, times, plans and errors of the domain as wire values and messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from errands.v1 import approval_pb2 as approval_pb
from errands.v1 import event_pb2 as event_pb
from errands.v1 import plan_pb2 as plan_pb
from errands.v1 import run_pb2 as run_pb

from ..domain import events as e
from ..domain.events import Outcome, RunStatus, Strategy
from ..domain.plan import Plan
from ..domain.run import Run
from .status import CODES

M = TypeVar("M", bound=Message)
# gRPC clients take messages of 4 MiB by default; a result may have 1 MiB of its own.
MAX_BYTES: Final = 2 << 20


def _numbers(enum: Any, prefix: str, values: type[StrEnum], *, by_name: bool = False) -> dict[Any, Any]:
    """The wire number of each value. Generated enums are ints at run time only, hence Any."""
    return {value: enum.Value(prefix + (value.name if by_name else value.value)) for value in values}


STATUS: Final = _numbers(event_pb.RunStatus, "RUN_STATUS_", RunStatus)
STATUS_OF: Final = {number: status for status, number in STATUS.items()}
STRATEGY: Final = _numbers(run_pb.ApprovalStrategy, "APPROVAL_STRATEGY_", Strategy)
STRATEGY_OF: Final = {number: strategy for strategy, number in STRATEGY.items()}
OUTCOME: Final = _numbers(event_pb.Outcome, "OUTCOME_", Outcome, by_name=True)
KIND: Final = _numbers(approval_pb.ApprovalKind, "APPROVAL_KIND_", e.ApprovalKind)
DECISION: Final = _numbers(approval_pb.Decision, "DECISION_", e.Decision)
DECISION_OF: Final = {number: decision for decision, number in DECISION.items()}
APPROVAL_STATUS: Final[Mapping[str, Any]] = {
    "pending": approval_pb.APPROVAL_STATUS_PENDING,
    "decided": approval_pb.APPROVAL_STATUS_DECIDED,
    "expired": approval_pb.APPROVAL_STATUS_EXPIRED,
    "closed": approval_pb.APPROVAL_STATUS_CLOSED,
}
APPROVAL_STATUS_OF: Final = {number: status for status, number in APPROVAL_STATUS.items()}


def take_fitting(found: Sequence[M]) -> Sequence[M]:
    """The first messages that fit one response together; at least one, if there is any."""
    size = 0
    for index, message in enumerate(found):
        size += message.ByteSize()
        if index and size > MAX_BYTES:
            return found[:index]
    return found


def timestamp(milliseconds: int) -> Timestamp:
    made = Timestamp()
    set_time(made, milliseconds)
    return made


def set_time(message: Timestamp, milliseconds: int) -> None:
    """As `timestamp`, in place: nothing is copied into the message that has it."""
    message.seconds, rest = divmod(milliseconds, 1_000)
    message.nanos = rest * 1_000_000


def json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def document(kept: e.Document) -> str:
    """A document as events show it: its text, or the id and size of its artifact."""
    if not kept.artifact:
        return kept.text
    return json_text({"artifact": kept.artifact, "bytes": kept.size})


def plan(plan_id: str, made: Plan | None, text: str = "") -> plan_pb.ExecutionPlan:
    if made is None:
        return plan_pb.ExecutionPlan(execution_plan_id=plan_id, plan_type=plan_pb.PLAN_TYPE_TEXT, text=text)
    steps = [
        plan_pb.PlanStep(id=s.id, description=s.description, depends_on_steps=s.depends_on)
        for s in made.steps
    ]
    details = plan_pb.PlanDetails(title=made.title, description=made.description, steps=steps)
    return plan_pb.ExecutionPlan(execution_plan_id=plan_id, plan_type=plan_pb.PLAN_TYPE_JSON, details=details)


def plan_of(run: Run) -> plan_pb.ExecutionPlan:
    return plan(run.plan_id, run.plan, "" if run.refusal is None else run.refusal.message)


def run_error(error: e.ErrorRaised) -> event_pb.RunError:
    return event_pb.RunError(code=CODES[error.reason].name, message=error.message, reason=error.reason.value)
