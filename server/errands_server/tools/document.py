"""Reads an OpenAPI 3.0 or 3.1 document into operations that can be called as tools."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from ..domain.tool import Effect, Repeat, Tool
from . import notation
from .inputs import KEY_HEADER, json_content, read_inputs
from .node import DocumentError, Node
from .operation import CannotCall, Description, Omission, Operation, SecurityScheme
from .schema import Direction, Schemas
from .security import read_schemes, read_security
from .servers import Base, base_for, base_of

MAX_OPERATIONS: Final = 5_000
OUTPUT_BUDGET: Final = 16 * 1024  # bytes of JSON Schema: enough to see what an answer holds

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_READS: Final = ("GET", "HEAD", "OPTIONS")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")

__all__ = ["Description", "DocumentError", "Operation", "read"]


class _Reading(Struct, frozen=True, kw_only=True):
    """What is the same for every operation of one document."""

    document: Node
    base: Base
    own_servers: bool  # a path or operation may name another base
    source_url: str
    honours_keys: bool
    schemes: Mapping[str, SecurityScheme]
    schemas: Schemas
    names: set[str]


def read(text: str, *, base_url: str = "", source_url: str = "", honours_keys: bool = False) -> Description:
    """The operations a document describes, and what of it cannot be called.

    `base_url` wins over the document's servers; relative servers are read against
    `source_url`. `honours_keys`: the service takes an Idempotency-Key on every write, even
    where the document does not say so. DocumentError names the place and what to change.
    """
    document = Node(notation.parse(text), "", None)
    document = Node(document.value, "", document.value)
    _check_version(document)
    reading = _Reading(
        document=document,
        base=base_of(document, base_url=base_url, source_url=source_url),
        own_servers=not base_url,
        source_url=source_url,
        honours_keys=honours_keys,
        schemes=read_schemes(document),
        schemas=Schemas(),
        names=set(),
    )
    return _describe(reading)


def _check_version(document: Node) -> None:
    if not isinstance(document.value, dict):
        raise DocumentError("", "this is not an OpenAPI document: it is not an object")
    if document.at("swagger"):
        raise DocumentError("swagger", "Swagger 2.0 is not supported; convert the document to OpenAPI 3")
    version = document.at("openapi").value
    if not isinstance(version, str) or not re.match(r"3\.[01](\.|$)", version):
        raise DocumentError("openapi", f"version {str(version)[:40]!r} is not supported; 3.0 and 3.1 are")


def _describe(reading: _Reading) -> Description:
    operations: list[Operation] = []
    left_out: list[Omission] = []
    for template, path, operation in _found(reading.document):
        if len(operations) == MAX_OPERATIONS:
            raise DocumentError("paths", f"the document has more than {MAX_OPERATIONS:,} operations")
        try:
            operations.append(_operation(reading, template, path, operation))
        except CannotCall as problem:
            left_out.append(Omission(operation.place, str(problem)))
    return Description(
        title=reading.document.at("info").text("title"),
        origin=reading.base.origin,
        operations=tuple(operations),
        schemes=reading.schemes,
        left_out=tuple(left_out),
    )


def _found(document: Node) -> Iterator[tuple[str, Node, Node]]:
    for template, item in document.at("paths").members():
        if template.startswith("x-"):
            continue
        if not template.startswith("/"):
            raise item.error("a path starts with a slash")
        path = item.followed()
        for method in _METHODS:
            if path.at(method):
                yield template, path, Node(path.at(method).value, f"{item.place}.{method}", document.root)


def _operation(reading: _Reading, template: str, path: Node, operation: Node) -> Operation:
    method = operation.place.rpartition(".")[2].upper()
    if method == "TRACE":
        raise CannotCall("TRACE is never sent")
    base = _base(reading, path, operation)
    inputs = read_inputs(path, operation, template=template, schemes=reading.schemes, schemas=reading.schemas)
    security = read_security(operation if operation.at("security") else reading.document)
    effect = _effect(operation, method)
    key_header = inputs.key_header or (KEY_HEADER if reading.honours_keys and effect is Effect.WRITE else "")
    return Operation(
        tool=Tool(
            name=_name(operation, method, template, reading.names),
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
        body_type=inputs.body_type,
        key_header=key_header,
        security=security,
    )


def _base(reading: _Reading, path: Node, operation: Node) -> Base:
    if not reading.own_servers:
        return reading.base
    owner = operation if operation.at("servers").value else path
    return base_for(owner, reading.base, source_url=reading.source_url)


def _name(operation: Node, method: str, template: str, taken: set[str]) -> str:
    wanted = operation.text("operationId") or f"{method.lower()}{template}"
    name = _UNSAFE.sub("_", wanted).strip("_")[:64] or method.lower()
    candidate, number = name, 2
    while candidate in taken:
        suffix = f"_{number}"
        candidate, number = name[: 64 - len(suffix)] + suffix, number + 1
    taken.add(candidate)
    return candidate


def _title(operation: Node, method: str, template: str) -> str:
    return operation.text("summary") or operation.text("operationId") or f"{method} {template}"


def _effect(operation: Node, method: str) -> Effect:
    said = operation.text("x-errands-effect")
    if said not in ("", *Effect):
        raise operation.at("x-errands-effect").error("must be `read` or `write`")
    return Effect(said or ("read" if method in _READS else "write"))


def _repeat(operation: Node, method: str, effect: Effect, *, keyed: bool) -> Repeat:
    if effect is Effect.READ or operation.flag("x-errands-idempotent"):
        return Repeat.FREELY
    if keyed:
        return Repeat.KEYED
    return Repeat.BRIEFLY if method in ("PUT", "DELETE") else Repeat.NEVER


def _output(operation: Node, schemas: Schemas) -> Mapping[str, Any] | None:
    """The schema of the first 2xx answer that is JSON."""
    for status, response in sorted(operation.at("responses").members(), key=lambda member: member[0]):
        found = json_content(response.followed().at("content")) if status.startswith("2") else None
        if found is not None:
            converted = schemas.convert(found[1].at("schema"), Direction.RECEIVED)
            return schemas.complete(converted, Direction.RECEIVED, budget=OUTPUT_BUDGET) or None
    return None
