"""Documents: messages as the JSON of the REST contract.

camelCase names, bare enum values, timestamps in milliseconds, and JSON text as the JSON it
holds, under the name without `Json`. Empty texts and absent messages are left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from errands.v1.event_pb2 import RunEvent
from errands.v1.plan_pb2 import PLAN_TYPE_JSON, ExecutionPlan

Document: TypeAlias = dict[str, Any]
Field: TypeAlias = Any  # protobuf has a descriptor class for each of its implementations

_LOWER: Final = frozenset({"Outcome", "Decision", "CallEffect", "ApprovalStatus", "PlanType"})
_UNSPECIFIED: Final = 0


def document(message: Message) -> Document:
    """The message as a JSON object."""
    special = _SPECIAL.get(message.DESCRIPTOR.full_name)
    return special(message) if special else _plain(message)


def event_type(event: RunEvent) -> str:
    """The event's type as the contract names it, such as `approval.required`; `` where unknown."""
    arm = event.WhichOneof("event") or ""
    return "status" if arm == "status_changed" else arm.replace("_", ".")


def bare(message: Message, field: str) -> str:
    """The value of an enum field as the contract writes it: `QUEUED`, or `approve` for some enums."""
    return _bare(message.DESCRIPTOR.fields_by_name[field], getattr(message, field))


def when(stamp: Timestamp) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    return f"{stamp.ToDatetime().isoformat(timespec='milliseconds')}Z"


def _plain(message: Message) -> Document:
    return {
        _name(field): value
        for field in message.DESCRIPTOR.fields
        if (value := _value(message, field)) not in (None, "")
    }


def _name(field: Field) -> str:
    name: str = field.json_name
    return name.removesuffix("Json")


def _value(message: Message, field: Field) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [_single(field, item) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _single(field, value)


def _bare(field: Field, number: int) -> str:
    enum = field.enum_type
    known = enum.values_by_number.get(number)
    if known is None:  # a newer server's
        return str(number)
    prefix = enum.values_by_number[_UNSPECIFIED].name.removesuffix("UNSPECIFIED")
    name: str = known.name.removeprefix(prefix)
    return name.lower() if enum.name in _LOWER else name


def _single(field: Field, value: Any) -> Any:
    if field.message_type is not None:
        return when(value) if isinstance(value, Timestamp) else document(value)
    if field.enum_type is not None:
        return None if value == _UNSPECIFIED else _bare(field, value)
    if field.name.endswith("_json"):
        return json.loads(value) if value else None
    return value


def _event(event: RunEvent) -> Document:
    envelope = {
        "sequence": event.sequence,
        "type": event_type(event),
        "runId": event.run_id,
        "status": bare(event, "status"),
        "createdAt": when(event.created_at),
    }
    arm = event.WhichOneof("event")
    content = document(getattr(event, arm)) if arm else {}
    # An approval has a status and a time of its own; in an event those names are the envelope's.
    return envelope | content | envelope


def _plan(plan: ExecutionPlan) -> Document:
    """A plan's `plan` is its steps or its text, and the text may be empty."""
    steps = plan.plan_type == PLAN_TYPE_JSON
    return {
        "executionPlanId": plan.execution_plan_id,
        "planType": bare(plan, "plan_type"),
        "plan": document(plan.details) if steps else plan.text,
    }


_SPECIAL: Final[Mapping[str, Callable[[Any], Document]]] = {
    RunEvent.DESCRIPTOR.full_name: _event,
    ExecutionPlan.DESCRIPTOR.full_name: _plan,
}
