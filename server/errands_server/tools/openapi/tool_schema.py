"""Reads what an operation takes, its parameters and body, as one object of arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from msgspec import Struct

from ...credentials.security_scheme import SecurityScheme
from ..operation import CannotCall, Location, Parameter
from .json_node import JsonNode
from .request_bodies import RequestBody, json_content, read_body, text_content
from .schema import ConvertedSchema, Direction, SchemaConverter, add_description

BUDGET: Final = 128 * 1024  # bytes of JSON Schema for the arguments of one operation
KEY_HEADER: Final = "Idempotency-Key"

# Set by this client or its connection (RFC 9110 §7.6.1), or ignored by OAS 3.1 §4.8.12.
_NOT_ARGUMENTS: Final = frozenset(
    (
        *("accept", "accept-encoding", "authorization", "connection", "content-length", "content-type"),
        *("cookie", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    )
)
# Names of parameters that carry what lets the caller in, without dashes and a leading x; the description, if
# there is one, must not say otherwise (`token`: of a device).
_CREDENTIALS: Final = frozenset(
    ("token", "accesstoken", "authtoken", "oauthtoken", "apikey", "apitoken", "authkey", "authorization")
)
_ABOUT_ACCESS: Final = re.compile(r"auth|credential|api.?key|access.?token|bearer", re.IGNORECASE)
_STYLES: Final[Mapping[Location, tuple[str, ...]]] = {
    Location.PATH: ("simple", "label", "matrix"),
    Location.QUERY: ("form", "deepObject", "spaceDelimited", "pipeDelimited"),
    Location.HEADER: ("simple",),
    Location.COOKIE: ("form",),
}
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


class ToolInputs(Struct, frozen=True):
    """What one operation takes."""

    schema: Mapping[str, Any]  # of all arguments together
    parameters: tuple[Parameter, ...]
    body: RequestBody | None
    key_header: str  # carries the idempotency key; "" where no parameter does


class _Property(Struct, frozen=True):
    name: str
    converted: ConvertedSchema
    required: bool


def read_inputs(
    path: JsonNode,
    operation: JsonNode,
    *,
    template: str,
    schemes: Mapping[str, SecurityScheme],
    converter: SchemaConverter,
    secured: bool,
) -> ToolInputs:
    """What an operation takes; `secured`: a security scheme covers it.

    CannotCall: it requires something that cannot be sent.
    """
    declared = _declared_parameters(path, operation)
    _check_path(template, declared)
    header_names = [node.text("name") for node in declared.values() if node.text("in") == "header"]
    key_header = next((name for name in header_names if name.lower() == KEY_HEADER.lower()), "")
    parameters: list[Parameter] = []
    properties: list[_Property] = []
    taken: set[str] = set()
    for node in _argument_nodes(declared, template, schemes, secured=secured):
        parameter = _parameter(node, taken=taken)
        if parameter is not None:
            taken.add(parameter.argument)
            parameters.append(parameter)
            properties.append(_property(parameter, node, converter))
    body = read_body(operation, converter)
    if body is not None:
        properties.append(_Property("body", body.converted, body.required))
    direction = Direction.SENT if body is None else body.direction
    schema = _arguments_schema([known for known in properties if known.name], converter, direction)
    return ToolInputs(schema, tuple(parameters), body, key_header)


def _declared_parameters(path: JsonNode, operation: JsonNode) -> dict[tuple[str, str], JsonNode]:
    """Parameters by location and name; those of the operation replace those of its path."""
    declared: dict[tuple[str, str], JsonNode] = {}
    for owner in (path, operation):
        for item in owner.at("parameters").items():
            node = item.follow()
            name, where = node.text("name"), node.text("in")
            if not node.at("name") or where not in ("path", "query", "header", "cookie"):
                raise node.error("a parameter needs a name, and `in`: path, query, header or cookie")
            declared[where, name.lower() if where == "header" else name] = node
    return declared


def _check_path(template: str, declared: Mapping[tuple[str, str], JsonNode]) -> None:
    for name in _PLACEHOLDER.findall(template):
        if ("path", name) not in declared:
            raise CannotCall(f"its path parameter {name!r} is not declared")
    if not template.isprintable():
        raise CannotCall("its path holds characters that are not part of a path")


def _argument_nodes(
    declared: Mapping[tuple[str, str], JsonNode],
    template: str,
    schemes: Mapping[str, SecurityScheme],
    *,
    secured: bool,
) -> Iterator[JsonNode]:
    """The parameters that a caller gives: those of the path, then query, header and cookie."""
    filled = {(s.location, s.name.lower()) for s in schemes.values() if s.kind == "apiKey"}
    placeholders = set(_PLACEHOLDER.findall(template))
    for wanted in Location:
        for (where, name), node in declared.items():
            is_own = where == "header" and (name in _NOT_ARGUMENTS or name == KEY_HEADER.lower())
            is_unused = where == "path" and name not in placeholders
            is_filled = (where, name.lower()) in filled or (secured and _is_credential(where, name, node))
            if where == wanted and not is_own and not is_unused and not is_filled:
                yield node


def _is_credential(where: str, name: str, node: JsonNode) -> bool:
    """Whether a parameter is another place for the credential, as `token` beside OAuth: no argument."""
    plain = re.sub("[-_]", "", name.lower()).removeprefix("x")
    said = node.text("description")
    return where != "path" and plain in _CREDENTIALS and (not said or _ABOUT_ACCESS.search(said) is not None)


def _parameter(node: JsonNode, *, taken: set[str]) -> Parameter | None:
    """How one parameter is sent; None for an optional one that cannot be. CannotCall: a required one."""
    name, location = node.text("name"), Location(node.text("in"))
    style = node.text("style", _STYLES[location][0])
    if problem := _problem(node, name, location, style):
        if node.flag("required") or location is Location.PATH:
            raise CannotCall(problem)
        return None
    fixed = _fixed_value(node) if node.flag("required") and location is not Location.PATH else ""
    return Parameter(
        argument="" if fixed else _argument_name(name, location, taken),
        name=name,
        location=location,
        style=style,
        explode=node.flag("explode") if node.at("explode") else style == "form",
        encoded=bool(json_content(node.at("content"))),
        reserved=location is Location.QUERY and node.flag("allowReserved"),
        fixed=fixed,
    )


def _problem(node: JsonNode, name: str, location: Location, style: str) -> str:
    """Why a parameter cannot be sent; "" where it can."""
    if not name:  # editors leave these behind
        return f"a parameter in its {location} has no name"
    content = node.at("content")
    if style not in _STYLES[location]:
        return f"parameter {name!r} has the style {style!r} in its {location}"
    if content and not (json_content(content) or text_content(content)):
        return f"parameter {name!r} is neither JSON nor text"
    if location in (Location.HEADER, Location.COOKIE) and not _TOKEN.fullmatch(name):
        return f"{name!r} is not the name of a {location}"
    return ""


def _fixed_value(node: JsonNode) -> str:
    """The only value a parameter may have, which no caller needs to give; "" where there is a choice."""
    schema = node.at("schema").follow().value
    match schema:
        case {"type": "string", "enum": [str(only)]}:
            return only
    return ""


def _argument_name(name: str, location: Location, taken: set[str]) -> str:
    argument = f"{name}_{location}" if name == "body" or name in taken else name
    while argument in taken:
        argument += "_"
    return argument


def _property(parameter: Parameter, node: JsonNode, converter: SchemaConverter) -> _Property:
    content = node.at("content")
    holder = json_content(content) or text_content(content) or node
    schema = converter.convert(holder.at("schema"), Direction.SENT)
    required = parameter.location is Location.PATH or node.flag("required")
    return _Property(parameter.argument, add_description(schema, node), required)


def _arguments_schema(
    properties: list[_Property], converter: SchemaConverter, direction: Direction
) -> Mapping[str, Any]:
    schema = {
        "type": "object",
        "properties": {member.name: member.converted.schema for member in properties},
        "required": [member.name for member in properties if member.required],
        "additionalProperties": False,
    }
    references = tuple(node for member in properties for node in member.converted.references)
    size = sum(member.converted.size for member in properties)
    complete = converter.complete(ConvertedSchema(schema, references, size), direction, budget=BUDGET)
    return cast("Mapping[str, Any]", complete)
