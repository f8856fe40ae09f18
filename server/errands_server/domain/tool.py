"""A tool: one callable operation of an integration, as planners and policies see it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct


class Effect(StrEnum):
    """Whether calling a tool may change anything outside."""

    READ = "read"
    WRITE = "write"


class Repeat(StrEnum):
    """When a call whose outcome is unknown may be sent again without asking a person."""

    FREELY = "freely"  # reads, and operations declared idempotent
    KEYED = "keyed"  # the service honours our idempotency key, for as long as keys live
    BRIEFLY = "briefly"  # PUT and DELETE: the same request soon after is the same effect
    NEVER = "never"


class ToolRef(Struct, frozen=True, order=True):
    """Names one tool of one immutable revision of an integration."""

    integration_id: str
    revision: int
    name: str


class Tool(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operation. `parameters` is the JSON Schema (2020-12) of its arguments object.

    Path, query and header parameters are top-level properties; a request body is the
    single property `body`. Local references live under `$defs` of the same schema.
    """

    name: str
    title: str
    description: str = ""
    effect: Effect
    repeat: Repeat
    method: str  # HTTP method in upper case; "" where the protocol has none
    path: str  # path template as documented; "" where the protocol has none
    origin: str  # scheme://host[:port] every request of this tool goes to
    parameters: Mapping[str, Any]
    output: Mapping[str, Any] | None = None  # JSON Schema of the answer, where documented
    tags: tuple[str, ...] = ()
    deprecated: bool = False
    secured: bool = False  # the service asks for credentials on this operation
