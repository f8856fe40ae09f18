"""What is kept of a description: operations with all that sending one later needs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from ..credentials.security_scheme import SecurityScheme
from ..domain.tool import Tool


class Location(StrEnum):
    """Where a request carries a parameter."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"


class Parameter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A parameter, and the argument that fills it. `style` and `explode` as in OAS 3.1 §4.8.12."""

    argument: str  # "" where no argument fills it, but `fixed`
    name: str
    location: Location
    style: str
    explode: bool
    encoded: bool = False  # the value travels as JSON text
    reserved: bool = False  # characters that mean something in a URL stay as they are (allowReserved)
    fixed: str = ""  # the only value it may have


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one member of a form travels, where the document says (OAS 3.1 §4.8.15)."""

    content_type: str = ""  # "" leaves it to the value
    style: str = ""  # as of a query parameter; "" where the content type rules
    explode: bool = True
    reserved: bool = False
    file: bool = False  # bytes: text, or an object that holds them
    headers: Mapping[str, str] = {}


class Operation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operation. Survives msgspec.json, so a revision can be stored as a list of these."""

    tool: Tool
    base_path: str = ""  # stands between the origin and the path; no slash at its end
    parameters: tuple[Parameter, ...] = ()
    body_type: str = ""  # media type of the request body; "" where it takes none
    body_parts: Mapping[str, Part] = {}  # members of a form that do not travel as forms' members do
    remote_name: str = ""  # what an MCP server calls it; "" for HTTP
    key_header: str = ""  # header that carries the idempotency key; "" where the service has none
    security: tuple[tuple[str, ...], ...] = ()  # alternatives; each names the schemes it needs together
    scopes: tuple[tuple[str, ...], ...] = ()  # what must be granted for each of these alternatives


class Omission(Struct, frozen=True):
    """An operation of the document that is no tool, and why."""

    place: str
    why: str


class Description(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one OpenAPI document describes. All operations share one origin."""

    title: str
    origin: str  # scheme://host[:port], lower case, no default port
    base_path: str = ""  # of the document itself; an operation may have its own
    operations: tuple[Operation, ...]
    schemes: Mapping[str, SecurityScheme]
    left_out: tuple[Omission, ...] = ()


class CannotCall(Exception):
    """An operation needs something we cannot send. The rest of its document is still good."""
