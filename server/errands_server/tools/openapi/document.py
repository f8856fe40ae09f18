"""Reads an OpenAPI 3 document into operations that can be called as tools."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from ...credentials.security_scheme import OPEN, SecurityScheme
from ...domain.tool import Effect, Repeat, Tool
from ..operation import CannotCall, Description, Omission, Operation
from ..origins import Base, document_base, operation_base
from ..tool_names import ToolNames
from .json_node import DocumentError, JsonDocument, JsonNode
from .request_bodies import json_content, text_content
from .schema import Direction, SchemaConverter
from .text import parse
from .tool_schema import KEY_HEADER, read_inputs

MAX_OPERATIONS: Final = 5_000
OUTPUT_BUDGET: Final = 16 * 1024  # bytes of JSON Schema for the output of one operation

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_SWAGGER: Final = (
    "Swagger 2.0 is not read; convert the document to OpenAPI 3, as the Swagger Editor does under "
    "Edit, and give the result"
)
_READS: Final = ("GET", "HEAD", "OPTIONS")
# Where operations of one path differ by a fragment (`/#Action=RunInstances`), all of them are GET,
# so the verb decides which ones only read.
_READING_VERB: Final = re.compile(r"[^#]*(#(.*=)?(Describe|Get|List|Search).*)?")

__all__ = ["Description", "DocumentError", "Operation", "describe", "read"]


class _Context(Struct, frozen=True, kw_only=True):
    """What all operations of one document share."""

    document: JsonNode
    base: Base
    own_servers: bool  # a path or operation may name another base
    source_url: str
    honours_keys: bool
    schemes: Mapping[str, SecurityScheme]
    converter: SchemaConverter
    names: ToolNames


def read(text: str, *, base_url: str = "", source_url: str = "", honours_keys: bool = False) -> Description:
    """The description in the text of a document that refers to no others. Raises as `describe`."""
    document = JsonDocument(parse(text), source_url, {}, source_url)
    return describe(document, base_url=base_url, honours_keys=honours_keys)


def describe(document: JsonDocument, *, base_url: str = "", honours_keys: bool = False) -> Description:
    """The operations a document describes, and those that cannot be called.

    `base_url` takes precedence over the document's servers; relative servers are resolved
    against the document's URL. `honours_keys`: the service takes an Idempotency-Key on every
    write, even where the document does not say so. DocumentError: the document cannot be used.
    """
    root = JsonNode(document.value, "", document)
    _check_version(root)
    found = list(_find_operations(root))
    if len(found) > MAX_OPERATIONS:
        problem = f"the document has more than {MAX_OPERATIONS:,} operations; leave in it what is needed"
        raise DocumentError("paths", problem)
    context = _Context(
        document=root,
        base=document_base(root, base_url=base_url, source_url=document.url),
        own_servers=not base_url,
        source_url=document.url,
        honours_keys=honours_keys,
        schemes=read_schemes(root),
        converter=SchemaConverter(),
        names=ToolNames(
            (operation.text("operationId"), _method(operation), template) for template, _, operation in found
        ),
    )
    operations: list[Operation] = []
    left_out: list[Omission] = []
    for template, path, operation in found:
        try:
            operations.append(_operation(context, template, path, operation))
        except CannotCall as problem:
            left_out.append(Omission(operation.place, str(problem)))
    return Description(
        title=root.at("info").text("title"),
        origin=context.base.origin,
        base_path=context.base.path,
        operations=tuple(operations),
        schemes=context.schemes,
        left_out=tuple(left_out),
    )


def _check_version(document: JsonNode) -> None:
    if not isinstance(document.value, dict):
        raise DocumentError("", "this is not an OpenAPI document: it is not an object")
    if document.at("swagger"):
        raise DocumentError("swagger", _SWAGGER)
    version = document.at("openapi").value
    if version is None:
        raise DocumentError("openapi", "is missing; a document says which OpenAPI it is, such as 3.1.0")
    # Without quotes, YAML reads 3.1 as a number.
    if not isinstance(version, str | float) or not re.match(r"3\.[01](\.|$)", str(version)):
        raise DocumentError("openapi", f"version {str(version)[:40]!r} is not supported; 3.0 and 3.1 are")


def _find_operations(document: JsonNode) -> Iterator[tuple[str, JsonNode, JsonNode]]:
    """Each operation with its path's template and object; its place ends with the method."""
    for template, item in document.at("paths").members():
        if template.startswith("x-"):
            continue
        if not template.startswith("/"):
            raise item.error("a path starts with a slash")
        path = item.follow()
        for method in _METHODS:
            if path.at(method):
                yield template, path, JsonNode(path.at(method).value, f"{item.place}.{method}", path.root)


def _method(operation: JsonNode) -> str:
    return operation.place.rpartition(".")[2].upper()


def _operation(context: _Context, template: str, path: JsonNode, operation: JsonNode) -> Operation:
    method = _method(operation)
    if method == "TRACE":
        raise CannotCall("TRACE is never sent")
    base = context.base
    if context.own_servers:
        server_owner = operation if operation.at("servers").value else path
        base = operation_base(server_owner, base, source_url=context.source_url)
    security_owner = operation if operation.at("security") else context.document
    security = read_security(security_owner)
    inputs = read_inputs(
        path,
        operation,
        template=template,
        schemes=context.schemes,
        converter=context.converter,
        secured=bool(security),
    )
    effect = _effect(operation, method, template)
    key_header = inputs.key_header or (KEY_HEADER if context.honours_keys and effect is Effect.WRITE else "")
    return Operation(
        tool=Tool(
            name=context.names[method, template],
            title=_title(operation, method, template),
            description=operation.text("description"),
            effect=effect,
            repeat=_repeat(operation, method, effect, keyed=bool(key_header)),
            method=method,
            path=template,
            origin=base.origin,
            parameters=inputs.schema,
            output=_output(operation, context.converter),
            tags=tuple(tag.value for tag in operation.at("tags").items() if isinstance(tag.value, str)),
            deprecated=operation.flag("deprecated"),
            secured=bool(security) and () not in security,
        ),
        base_path=base.path,
        parameters=inputs.parameters,
        body_type="" if inputs.body is None else inputs.body.content_type,
        body_parts={} if inputs.body is None else inputs.body.parts,
        key_header=key_header,
        security=security,
        scopes=read_scopes(security_owner),
    )


def _title(operation: JsonNode, method: str, template: str) -> str:
    return operation.text("summary") or operation.text("operationId") or f"{method} {template}"


def _effect(operation: JsonNode, method: str, template: str) -> Effect:
    declared = operation.text("x-errands-effect")
    if declared not in ("", *Effect):
        raise operation.at("x-errands-effect").error("must be `read` or `write`")
    reads = method in _READS and _READING_VERB.fullmatch(template)
    return Effect(declared or ("read" if reads else "write"))


def _repeat(operation: JsonNode, method: str, effect: Effect, *, keyed: bool) -> Repeat:
    if effect is Effect.READ or operation.flag("x-errands-idempotent"):
        return Repeat.FREELY
    if keyed:
        return Repeat.KEYED
    return Repeat.BRIEFLY if method in ("PUT", "DELETE") else Repeat.NEVER


def _output(operation: JsonNode, converter: SchemaConverter) -> Mapping[str, Any] | None:
    """The schema of the first 2xx response that is JSON, else of a text; None where there is neither."""
    contents = [response.follow().at("content") for response in _successes(operation)]
    for media in filter(None, map(json_content, contents)):
        converted = converter.convert(media.at("schema"), Direction.RECEIVED)
        return converter.complete(converted, Direction.RECEIVED, budget=OUTPUT_BUDGET) or None
    return {"type": "string"} if any(map(text_content, contents)) else None


def _successes(operation: JsonNode) -> list[JsonNode]:
    """The 2xx responses by number, or the default where the document names no number."""
    responses = dict(sorted(operation.at("responses").members(), key=lambda member: member[0]))
    if responses.keys() <= {"default"}:
        return list(responses.values())
    return [response for status, response in responses.items() if status.startswith("2")]


def read_schemes(document: JsonNode) -> dict[str, SecurityScheme]:
    """The security schemes a document declares, by name."""
    declared = document.at("components").at("securitySchemes")
    return {name: _scheme(node.follow()) for name, node in declared.members()}


def read_security(owner: JsonNode) -> tuple[tuple[str, ...], ...]:
    """The alternatives of a `security` list; an empty alternative needs no credential.

    An empty list is read as one empty alternative. Empty where there is no list.
    """
    listed = owner.at("security")
    found = tuple(tuple(name for name, _ in item.members()) for item in listed.items())
    return found or (OPEN if listed else ())


def read_scopes(owner: JsonNode) -> tuple[tuple[str, ...], ...]:
    """What must be granted for each alternative of a `security` list, in the same order."""
    return tuple(
        tuple(dict.fromkeys(str(scope.value) for _, scopes in item.members() for scope in scopes.items()))
        for item in owner.at("security").items()
    )


def _scheme(node: JsonNode) -> SecurityScheme:
    flows = node.at("flows")
    return SecurityScheme(
        kind=node.text("type"),
        scheme=node.text("scheme").lower(),
        location=node.text("in"),
        name=node.text("name"),
        flows={name: flow.value for name, flow in flows.members()},
        discovery_url=node.text("openIdConnectUrl"),
        aws_service=node.at("x-errands-aws").text("service"),
        aws_region=node.at("x-errands-aws").text("region"),
    )
