"""Messages as JSON documents of the REST contract.

camelCase names, enum values without their prefix, timestamps in milliseconds, and JSON text as the JSON it
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
    """Map a message to a JSON object."""
    special = _SPECIAL.get(message.DESCRIPTOR.full_name)
    if special:
        return special(message)
    return {
        field.json_name.removesuffix("Json"): value
        for field in message.DESCRIPTOR.fields
        if (value := _field_value(message, field)) not in (None, "")
    }


def event_type(event: RunEvent) -> str:
    """The event's type as the contract names it, such as `approval.required`; empty where unknown."""
    arm = event.WhichOneof("event") or ""
    return "status" if arm == "status_changed" else arm.replace("_", ".")


def enum_word(message: Message, field: str) -> str:
    """The value of an enum field as the contract writes it: `QUEUED`, or `approve` for enums in _LOWER."""
    return _enum_word(message.DESCRIPTOR.fields_by_name[field], getattr(message, field))


def format_time(stamp: Timestamp) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    return f"{stamp.ToDatetime().isoformat(timespec='milliseconds')}Z"


def _field_value(message: Message, field: Field) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [_json_value(field, item) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _json_value(field, value)


def _enum_word(field: Field, number: int) -> str:
    enum = field.enum_type
    known = enum.values_by_number.get(number)
    if known is None:  # a newer server's
        return str(number)
    prefix = enum.values_by_number[_UNSPECIFIED].name.removesuffix("UNSPECIFIED")
    name: str = known.name.removeprefix(prefix)
    return name.lower() if enum.name in _LOWER else name


def _json_value(field: Field, value: Any) -> Any:
    if field.message_type is not None:
        return format_time(value) if isinstance(value, Timestamp) else document(value)
    if field.enum_type is not None:
        return None if value == _UNSPECIFIED else _enum_word(field, value)
    if field.name.endswith("_json"):
        return json.loads(value) if value else None
    return value


def _event(event: RunEvent) -> Document:
    envelope = {
        "sequence": event.sequence,
        "type": event_type(event),
        "runId": event.run_id,
        "status": enum_word(event, "status"),
        "createdAt": format_time(event.created_at),
    }
    arm = event.WhichOneof("event")
    content = document(getattr(event, arm)) if arm else {}
    # An approval has a status and a time of its own; in an event those names are the envelope's.
    return envelope | content | envelope


def _plan(plan: ExecutionPlan) -> Document:
    """Map a plan. `plan` holds its steps or its text and is there even if the text is empty."""
    steps = plan.plan_type == PLAN_TYPE_JSON
    return {
        "executionPlanId": plan.execution_plan_id,
        "planType": enum_word(plan, "plan_type"),
        "plan": document(plan.details) if steps else plan.text,
    }


_SPECIAL: Final[Mapping[str, Callable[[Any], Document]]] = {
    RunEvent.DESCRIPTOR.full_name: _event,
    ExecutionPlan.DESCRIPTOR.full_name: _plan,
}
