"""Reads an OpenAPI 3 document into operations that can be called as tools."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from ...credentials.security_scheme import OPEN, SecurityScheme
from ...domain.tool import Effect, Repeat, Tool
from ..operation import CannotCall, Description, Omission, Operation
from ..origins import Base, base_for, base_of
from ..tool_names import Names
from .json_node import DocumentError, JsonDocument, JsonNode
from .request_bodies import json_content, text_content
from .schema import Direction, Schemas
from .text import parse
from .tool_schema import KEY_HEADER, read_inputs


def read_schemes(document: JsonNode) -> dict[str, SecurityScheme]:
    """The security schemes a document declares, by name."""
    declared = document.at("components").at("securitySchemes")
    return {name: _scheme(node.followed()) for name, node in declared.members()}


def read_security(owner: JsonNode) -> tuple[tuple[str, ...], ...]:
    """The alternatives of a `security` list; an empty one means that none is needed.

    A list without any is the same as one with the empty one. Nothing where there is no list.
    """
    listed = owner.at("security")
    found = tuple(tuple(name for name, _ in item.members()) for item in listed.items())
    return found or (OPEN if listed else ())


def read_scopes(owner: JsonNode) -> tuple[tuple[str, ...], ...]:
    """What must be granted for each alternative of a `security` list, in the same order."""
    return tuple(_scopes(item) for item in owner.at("security").items())


def _scopes(alternative: JsonNode) -> tuple[str, ...]:
    scopes = (str(scope.value) for _, wanted in alternative.members() for scope in wanted.items())
    return tuple(dict.fromkeys(scopes))


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


MAX_OPERATIONS: Final = 5_000
OUTPUT_BUDGET: Final = 16 * 1024  # bytes of JSON Schema: enough to see what an answer holds

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_SWAGGER: Final = (
    "Swagger 2.0 is not read; convert the document to OpenAPI 3, as the Swagger Editor does under "
    "Edit, and give the result"
)
_READS: Final = ("GET", "HEAD", "OPTIONS")
# Where a fragment tells operations apart (`/#Action=RunInstances`), one GET does everything,
# so the method says nothing and the verb has to.
_READING_VERB: Final = re.compile(r"[^#]*(#(.*=)?(Describe|Get|List|Search).*)?")

__all__ = ["Description", "DocumentError", "Operation", "describe", "read"]


class _Reading(Struct, frozen=True, kw_only=True):
    """What is the same for every operation of one document."""

    document: JsonNode
    base: Base
    own_servers: bool  # a path or operation may name another base
    source_url: str
    honours_keys: bool
    schemes: Mapping[str, SecurityScheme]
    schemas: Schemas
    names: Names


def read(text: str, *, base_url: str = "", source_url: str = "", honours_keys: bool = False) -> Description:
    """What `describe` makes of a document that stands alone."""
    document = JsonDocument(parse(text), source_url, {}, source_url)
    return describe(document, base_url=base_url, honours_keys=honours_keys)


def describe(document: JsonDocument, *, base_url: str = "", honours_keys: bool = False) -> Description:
    """The operations a document describes, and what of it cannot be called.

    `base_url` wins over the document's servers; relative servers are read against the
    document's URL. `honours_keys`: the service takes an Idempotency-Key on every write, even
    where the document does not say so. DocumentError names the place and what to change.
    """
    root = JsonNode(document.value, "", document)
    _check_version(root)
    found = list(_found(root))
    if len(found) > MAX_OPERATIONS:
        problem = f"the document has more than {MAX_OPERATIONS:,} operations; leave in it what is needed"
        raise DocumentError("paths", problem)
    reading = _Reading(
        document=root,
        base=base_of(root, base_url=base_url, source_url=document.url),
        own_servers=not base_url,
        source_url=document.url,
        honours_keys=honours_keys,
        schemes=read_schemes(root),
        schemas=Schemas(),
        names=Names(_identity(template, operation) for template, _, operation in found),
    )
    return _describe(reading, found)


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


def _describe(reading: _Reading, found: list[tuple[str, JsonNode, JsonNode]]) -> Description:
    operations: list[Operation] = []
    left_out: list[Omission] = []
    for template, path, operation in found:
        try:
            operations.append(_operation(reading, template, path, operation))
        except CannotCall as problem:
            left_out.append(Omission(operation.place, str(problem)))
    return Description(
        title=reading.document.at("info").text("title"),
        origin=reading.base.origin,
        base_path=reading.base.path,
        operations=tuple(operations),
        schemes=reading.schemes,
        left_out=tuple(left_out),
    )


def _found(document: JsonNode) -> Iterator[tuple[str, JsonNode, JsonNode]]:
    for template, item in document.at("paths").members():
        if template.startswith("x-"):
            continue
        if not template.startswith("/"):
            raise item.error("a path starts with a slash")
        path = item.followed()
        for method in _METHODS:
            if path.at(method):
                yield template, path, JsonNode(path.at(method).value, f"{item.place}.{method}", path.root)


def _method(operation: JsonNode) -> str:
    return operation.place.rpartition(".")[2].upper()


def _identity(template: str, operation: JsonNode) -> tuple[str, str, str]:
    return operation.text("operationId"), _method(operation), template


def _operation(reading: _Reading, template: str, path: JsonNode, operation: JsonNode) -> Operation:
    method = _method(operation)
    if method == "TRACE":
        raise CannotCall("TRACE is never sent")
    base = _base(reading, path, operation)
    inputs = read_inputs(path, operation, template=template, schemes=reading.schemes, schemas=reading.schemas)
    owner = operation if operation.at("security") else reading.document
    security = read_security(owner)
    effect = _effect(operation, method, template)
    key_header = inputs.key_header or (KEY_HEADER if reading.honours_keys and effect is Effect.WRITE else "")
    return Operation(
        tool=Tool(
            name=reading.names[method, template],
            title=_title(operation, method, template),
            description=operation.text("description"),
            effect=effect,
            repeat=_repeat(operation, method, effect, keyed=bool(key_header)),
            method=method,
            path=template,
            origin=base.origin,
            parameters=inputs.schema,
            output=_output(operation, reading.schemas),
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
        scopes=read_scopes(owner),
    )


def _base(reading: _Reading, path: JsonNode, operation: JsonNode) -> Base:
    if not reading.own_servers:
        return reading.base
    owner = operation if operation.at("servers").value else path
    return base_for(owner, reading.base, source_url=reading.source_url)


def _title(operation: JsonNode, method: str, template: str) -> str:
    return operation.text("summary") or operation.text("operationId") or f"{method} {template}"


def _effect(operation: JsonNode, method: str, template: str) -> Effect:
    said = operation.text("x-errands-effect")
    if said not in ("", *Effect):
        raise operation.at("x-errands-effect").error("must be `read` or `write`")
    reads = method in _READS and _READING_VERB.fullmatch(template)
    return Effect(said or ("read" if reads else "write"))


def _repeat(operation: JsonNode, method: str, effect: Effect, *, keyed: bool) -> Repeat:
    if effect is Effect.READ or operation.flag("x-errands-idempotent"):
        return Repeat.FREELY
    if keyed:
        return Repeat.KEYED
    return Repeat.BRIEFLY if method in ("PUT", "DELETE") else Repeat.NEVER


def _output(operation: JsonNode, schemas: Schemas) -> Mapping[str, Any] | None:
    """The schema of the first 2xx answer that is JSON, or of a text."""
    contents = [response.followed().at("content") for response in _successes(operation)]
    for media in filter(None, map(json_content, contents)):
        converted = schemas.convert(media.at("schema"), Direction.RECEIVED)
        return schemas.complete(converted, Direction.RECEIVED, budget=OUTPUT_BUDGET) or None
    return {"type": "string"} if any(map(text_content, contents)) else None


def _successes(operation: JsonNode) -> list[JsonNode]:
    """The 2xx answers by number, or the default where the document names no number at all."""
    answers = dict(sorted(operation.at("responses").members(), key=lambda member: member[0]))
    if answers.keys() <= {"default"}:
        return list(answers.values())
    return [answer for status, answer in answers.items() if status.startswith("2")]
