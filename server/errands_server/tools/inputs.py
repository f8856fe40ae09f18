"""Reads what an operation takes: its parameters and JSON body, as one arguments object."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from msgspec import Struct

from .node import Node
from .operation import CannotCall, Location, Parameter, SecurityScheme
from .schema import Converted, Direction, Schemas

BUDGET: Final = 128 * 1024  # bytes of JSON Schema for the arguments of one operation
KEY_HEADER: Final = "Idempotency-Key"

# Ours or the connection's to set (RFC 9110 §7.6.1), or ignored by OAS 3.1 §4.8.12.
_NOT_ARGUMENTS: Final = frozenset(
    (
        *("accept", "accept-encoding", "authorization", "connection", "content-length", "content-type"),
        *("cookie", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    )
)
_STYLES: Final[Mapping[Location, tuple[str, ...]]] = {
    Location.PATH: ("simple",),
    Location.QUERY: ("form", "deepObject", "spaceDelimited", "pipeDelimited"),
    Location.HEADER: ("simple",),
}
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


class Inputs(Struct, frozen=True):
    """What one operation takes."""

    schema: Mapping[str, Any]
    parameters: tuple[Parameter, ...]
    body_type: str
    key_header: str


class _Property(Struct, frozen=True):
    name: str
    converted: Converted
    required: bool


def read_inputs(
    path: Node, operation: Node, *, template: str, schemes: Mapping[str, SecurityScheme], schemas: Schemas
) -> Inputs:
    """The arguments an operation takes. CannotCall: it needs something we cannot send."""
    declared = _declared(path, operation)
    _check_path(template, declared)
    key_header = next((node.text("name") for node in declared.values() if _carries_key(node)), "")
    parameters: list[Parameter] = []
    properties: list[_Property] = []
    for node in _arguments(declared, template, schemes):
        parameter = _parameter(node, taken={known.argument for known in parameters})
        if parameter is not None:
            parameters.append(parameter)
            properties.append(_property(parameter, node, schemas))
    body_type, body = _body(operation, schemas)
    schema = _arguments_schema([*properties, *body], schemas)
    return Inputs(schema, tuple(parameters), body_type, key_header)


def json_content(content: Node) -> tuple[str, Node] | None:
    """The JSON alternative of a `content` object, with its media type without parameters."""
    for documented, node in content.members():
        media_type = documented.partition(";")[0].strip().lower()
        if media_type in ("application/json", "text/json", "*/*", "application/*"):
            return "application/json", node
        if media_type.endswith("+json"):
            return media_type, node
    return None


def _declared(path: Node, operation: Node) -> dict[tuple[str, str], Node]:
    """Parameters by place and name; the operation's win over its path's."""
    declared: dict[tuple[str, str], Node] = {}
    for owner in (path, operation):
        for item in owner.at("parameters").items():
            node = item.followed()
            name, where = node.text("name"), node.text("in")
            if not name or where not in ("path", "query", "header", "cookie"):
                raise node.error("a parameter needs a name, and `in`: path, query, header or cookie")
            declared[where, name.lower() if where == "header" else name] = node
    return declared


def _check_path(template: str, declared: Mapping[tuple[str, str], Node]) -> None:
    for name in _PLACEHOLDER.findall(template):
        if ("path", name) not in declared:
            raise CannotCall(f"its path parameter {name!r} is not declared")
    if not template.isprintable() or "?" in template or "#" in template:
        raise CannotCall("its path holds characters that are not part of a path")


def _carries_key(node: Node) -> bool:
    return node.text("in") == "header" and node.text("name").lower() == KEY_HEADER.lower()


def _arguments(
    declared: Mapping[tuple[str, str], Node], template: str, schemes: Mapping[str, SecurityScheme]
) -> Iterator[Node]:
    """Parameters that are a caller's to give: path, then query, then header."""
    filled = {(s.location, s.name.lower()) for s in schemes.values() if s.kind == "apiKey"}
    placeholders = set(_PLACEHOLDER.findall(template))
    for wanted in ("path", "query", "header"):
        for (where, name), node in declared.items():
            ours = where == "header" and (name in _NOT_ARGUMENTS or name == KEY_HEADER.lower())
            idle = where == "path" and name not in placeholders
            if where == wanted and not ours and not idle and (where, name.lower()) not in filled:
                yield node
    for (where, name), node in declared.items():
        if where == "cookie" and node.flag("required") and (where, name.lower()) not in filled:
            raise CannotCall(f"it needs the cookie {name!r}")


def _parameter(node: Node, *, taken: set[str]) -> Parameter | None:
    """How one parameter is sent; None for an optional one that we cannot send."""
    name, location = node.text("name"), Location(node.text("in"))
    style = node.text("style", "form" if location is Location.QUERY else "simple")
    content = node.at("content")
    problem = ""
    if style not in _STYLES[location]:
        problem = f"parameter {name!r} has the style {style!r} in its {location}"
    elif content and json_content(content) is None:
        problem = f"parameter {name!r} is not JSON"
    elif location is Location.HEADER and not _TOKEN.fullmatch(name):
        problem = f"{name!r} is not the name of a header"
    if problem and (node.flag("required") or location is Location.PATH):
        raise CannotCall(problem)
    return (
        None
        if problem
        else Parameter(
            argument=_argument(name, location, taken),
            name=name,
            location=location,
            style=style,
            explode=node.flag("explode") if node.at("explode") else style == "form",
            encoded=bool(content),
        )
    )


def _argument(name: str, location: Location, taken: set[str]) -> str:
    argument = f"{name}_{location}" if name == "body" or name in taken else name
    while argument in taken:
        argument += "_"
    return argument


def _property(parameter: Parameter, node: Node, schemas: Schemas) -> _Property:
    found = json_content(node.at("content")) if parameter.encoded else None
    schema = schemas.convert(found[1].at("schema") if found else node.at("schema"), Direction.SENT)
    required = parameter.location is Location.PATH or node.flag("required")
    return _Property(parameter.argument, _described(schema, node), required)


def _body(operation: Node, schemas: Schemas) -> tuple[str, list[_Property]]:
    node = operation.at("requestBody").followed()
    content = node.at("content")
    found = json_content(content)
    if not content.value:
        return "", []
    if found is None:
        if node.flag("required") or operation.place.endswith((".post", ".put", ".patch")):
            raise CannotCall(f"its body is {', '.join(name for name, _ in content.members())}, not JSON")
        return "", []
    media_type, media = found
    converted = _described(schemas.convert(media.at("schema"), Direction.SENT), node)
    return media_type, [_Property("body", _described(converted, media), node.flag("required"))]


def _described(converted: Converted, node: Node) -> Converted:
    """The schema with what the parameter or body that uses it says about itself."""
    schema = dict(converted.schema)
    if description := node.text("description"):
        schema["description"] = description
    if node.flag("deprecated"):
        schema["deprecated"] = True
    if examples := _examples(node):
        schema["examples"] = examples
    return Converted(schema, converted.references, converted.size)


def _examples(node: Node) -> list[Any]:
    if node.at("example"):
        return [node.at("example").value]
    named = node.at("examples")
    if not isinstance(named.value, dict):  # a list is wrong here, and common
        return []
    values = (example.followed().at("value") for _, example in named.members())
    return [value.value for value in values if value]


def _arguments_schema(properties: list[_Property], schemas: Schemas) -> Mapping[str, Any]:
    schema = {
        "type": "object",
        "properties": {member.name: member.converted.schema for member in properties},
        "required": [member.name for member in properties if member.required],
        "additionalProperties": False,
    }
    references = tuple(node for member in properties for node in member.converted.references)
    size = sum(member.converted.size for member in properties)
    complete = schemas.complete(Converted(schema, references, size), Direction.SENT, budget=BUDGET)
    return cast("Mapping[str, Any]", complete)
