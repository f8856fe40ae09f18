"""Builders of JSON Schemas, and the names and limits that many schemas have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

Schema = Mapping[str, Any]

STATUSES: Final = (
    "QUEUED",
    "RUNNING",
    "AUTH_REQUIRED",
    "PAUSED",
    "CANCELED",
    "NO_SUCCESS",
    "PARTIAL_SUCCESS",
    "SUCCESS",
    "FAILED",
)
STRATEGIES: Final = ("NONE", "ON_TOOL_CALL", "ON_START")
APPROVAL_STATUSES: Final = ("pending", "decided", "expired", "closed")
DECISIONS: Final = ("approve", "deny", "retry", "done", "fail")
OUTCOMES: Final = ("done", "denied", "failed", "skipped")
SCOPES: Final = ("runs:write", "runs:read", "approvals", "integrations", "connections", "admin", "operator")
MAX_ID: Final = 255
# Messages have the title of a pattern. Python and ECMAScript differ in what white space is, so this
# one lists what either of them leaves out.
WORDS: Final = {"pattern": r"[^\s\x1c-\x1f\x85\ufeff]", "title": "more than white space"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def enum(description: str, values: Sequence[str]) -> Schema:
    return {"type": "string", "enum": list(values), "description": description}


def uuid(description: str) -> Schema:
    return {"type": "string", "format": "uuid", "description": description}


def moment(description: str) -> Schema:
    return {"type": "string", "format": "date-time", "description": description}


def flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def whole(description: str, **more: Any) -> Schema:
    return {"type": "integer", "description": description, **more}


def array(items: Schema, description: str, **more: Any) -> Schema:
    return {"type": "array", "items": items, "description": description, **more}


def any_object(description: str) -> Schema:
    return {"type": "object", "description": description}


def string_map(description: str) -> Schema:
    return {"type": "object", "description": description, "additionalProperties": {"type": "string"}}


def request_object(
    description: str, properties: Mapping[str, Schema], required: Sequence[str] = (), **more: Any
) -> Schema:
    """An object in a request: unknown members are refused, because they are mistakes."""
    return {**response_object(description, properties, required), "additionalProperties": False, **more}


def response_object(
    description: str, properties: Mapping[str, Schema], required: Sequence[str] = ()
) -> Schema:
    """An object in a response: later releases may add members."""
    schema = {"type": "object", "description": description, "properties": dict(properties)}
    return {**schema, "required": list(required)} if required else schema
