"""Operations as revisions store them: a tool with all that is needed to send its calls."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from ..credentials.security_scheme import SecurityScheme
from ..domain.tool import Tool


class Location(StrEnum):
    """The part of a request that carries a parameter."""

    PATH = "path"  # fills a placeholder of the path template
    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"


class Parameter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A parameter of a request, and the argument that fills it."""

    argument: str  # "" where no argument fills it, but `fixed`
    name: str
    location: Location
    style: str  # OAS 3.1 §4.8.12
    explode: bool  # as above
    encoded: bool = False  # the value travels as JSON text
    reserved: bool = False  # characters that mean something in a URL stay as they are (allowReserved)
    fixed: str = ""  # the only value it may have


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one member of a form is encoded (OAS 3.1 §4.8.15)."""

    content_type: str = ""  # "" leaves it to the value
    style: str = ""  # as of a query parameter; "" where the content type rules
    explode: bool = True
    reserved: bool = False
    file: bool = False  # bytes: text, or an object that holds them
    headers: Mapping[str, str] = {}


class Operation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operation of a service, stored in JSON as part of a revision."""

    tool: Tool
    base_path: str = ""  # between the origin and the path; no slash at its end
    parameters: tuple[Parameter, ...] = ()
    body_type: str = ""  # media type of the request body; "" where it takes none
    body_parts: Mapping[str, Part] = {}  # members of a form that need another encoding than the usual one
    remote_name: str = ""  # what an MCP server calls it; "" for HTTP
    key_header: str = ""  # header that carries the idempotency key; "" where the service has none
    security: tuple[tuple[str, ...], ...] = ()  # alternatives; each names the schemes it needs together
    scopes: tuple[tuple[str, ...], ...] = ()  # what must be granted for each of these alternatives


class Omission(Struct, frozen=True):
    """An operation of the document that is no tool."""

    place: str  # in the document
    why: str


class Description(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The operations that one OpenAPI document describes, all of one origin."""

    title: str
    origin: str  # scheme://host[:port], lower case, no default port
    base_path: str = ""  # of the document itself; an operation may have its own
    operations: tuple[Operation, ...]
    schemes: Mapping[str, SecurityScheme]
    left_out: tuple[Omission, ...] = ()


class CannotCall(Exception):
    """An operation needs something that cannot be sent. Other operations of its document can be called."""
