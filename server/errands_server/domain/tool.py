"""A tool: one operation of an integration that a run can call, as planners and policies see it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct


class Effect(StrEnum):
    """Whether calling a tool may change anything outside."""

    READ = "read"  # certainly not
    WRITE = "write"  # it may


class Repeat(StrEnum):
    """When a call whose outcome is unknown may be sent again without asking a person."""

    FREELY = "freely"  # at any time: reads, and operations declared idempotent
    KEYED = "keyed"  # for `policy.KEY_TTL`: the service honours the call's idempotency key
    BRIEFLY = "briefly"  # for `policy.BRIEF`: PUT and DELETE, where the same request soon is the same effect
    NEVER = "never"  # a person decides


class ToolRef(Struct, frozen=True, order=True):
    """Names one tool of one immutable revision of an integration."""

    integration_id: str
    revision: int  # from 1; each import of another document adds one
    name: str  # of the tool, unique in its revision


class Tool(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operation.

    In `parameters`, the path, query and header parameters are top-level properties and a request body is
    the single property `body`. Local references point to `$defs` of the same schema.
    """

    name: str
    title: str  # for people
    description: str = ""  # as documented
    effect: Effect
    repeat: Repeat
    method: str  # HTTP method in upper case; "" where the protocol has none
    path: str  # path template as documented; "" where the protocol has none
    origin: str  # scheme://host[:port] every request of this tool goes to
    parameters: Mapping[str, Any]  # JSON Schema (2020-12) of the arguments object
    output: Mapping[str, Any] | None = None  # JSON Schema (2020-12) of the answer; None: not documented
    tags: tuple[str, ...] = ()  # as documented
    deprecated: bool = False  # as documented
    secured: bool = False  # the operation asks for credentials
