"""Turns schemas of OpenAPI 3.0 and 3.1 into self-contained JSON Schema (2020-12).

Arguments are checked against the result before a call, so it may be looser than the
document, never tighter: the service checks the rest itself. Hence only keywords that say
what a value must be are kept, `oneOf` becomes `anyOf` (its alternatives may differ only in a
`pattern` or `format`, which are shown and not enforced), and a keyword whose value has the
wrong type is left out.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec import Struct

from .node import Node

MAX_TOTAL: Final = 256 * 1024 * 1024  # bytes of JSON in all self-contained schemas of a document

_TYPES: Final = ("null", "boolean", "object", "array", "number", "string", "integer")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


class Direction(Enum):
    """Which members a schema cannot require: `readOnly` ones we send, `writeOnly` ones we receive."""

    SENT = "readOnly"
    RECEIVED = "writeOnly"


class Converted(Struct, frozen=True):
    """A schema whose `$ref`s point at `$defs` it does not have yet, and the nodes these stand for."""

    schema: Any
    references: tuple[Node, ...] = ()
    size: int = 0  # bytes of JSON


class Schemas:
    """The schemas of one document. A component is converted once, however often it is used."""

    def __init__(self) -> None:
        self._components: dict[tuple[str, Direction], Converted] = {}
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        self._total = 0

    def convert(self, node: Node, direction: Direction) -> Converted:
        """The schema at `node`; one that is only a `$ref` is written out."""
        if node.reference() is not None:
            return self._component(node.followed(), direction)
        return self._convert(node, direction)

    def complete(self, converted: Converted, direction: Direction, *, budget: int) -> Any:
        """The schema with all it refers to under `$defs`, nearest first.

        What no longer fits into `budget` bytes stands there as `{}`, which allows anything:
        components that all refer to each other would otherwise be stored with every operation.
        """
        definitions: dict[str, Any] = {}
        waiting, left = deque(converted.references), budget - converted.size
        while waiting:
            node = waiting.popleft()
            name = self.name(node)
            if name in definitions:
                continue
            component = self._component(node, direction)
            fits = component.size <= left
            definitions[name] = component.schema if fits else {}
            if fits:
                left -= component.size
                waiting.extend(component.references)
        self._spend(budget - left, converted)
        return {**converted.schema, "$defs": definitions} if definitions else converted.schema

    def name(self, node: Node) -> str:
        """The name of a component under `$defs`, the same wherever it is used."""
        if node.place not in self._names:
            name = last = _UNSAFE.sub("_", node.place.rpartition("/")[2]) or "_"
            number = 2
            while name in self._taken:
                name, number = f"{last}_{number}", number + 1
            self._names[node.place] = name
            self._taken.add(name)
        return self._names[node.place]

    def _component(self, node: Node, direction: Direction) -> Converted:
        key = (node.place, direction)
        if key not in self._components:
            self._components[key] = self._convert(node, direction)
        return self._components[key]

    def _convert(self, node: Node, direction: Direction) -> Converted:
        conversion = _Conversion(self, direction)
        schema = conversion.schema(node)
        if isinstance(schema, bool):
            schema = {} if schema else {"enum": []}
        references = tuple(conversion.references.values())
        return Converted(schema, references, len(msgspec.json.encode(schema)))

    def _spend(self, size: int, converted: Converted) -> None:
        self._total += max(size, converted.size)
        if self._total > MAX_TOTAL:
            where = converted.references[0] if converted.references else Node(None, "components", None)
            raise where.error(f"the schemas of all operations hold more than {MAX_TOTAL >> 20} MiB together")


class _Conversion:
    """Converts one schema and collects what it refers to."""

    def __init__(self, schemas: Schemas, direction: Direction) -> None:
        self.references: dict[str, Node] = {}
        self._schemas = schemas
        self._direction = direction

    def schema(self, node: Node) -> Any:
        if isinstance(node.value, bool):
            return node.value
        converted: dict[str, Any] = {}
        for keyword, member in node.members():
            converted.update(self._keyword(keyword, member))
        if node.reference() is not None:
            converted["$ref"] = self._refer(node.followed())
        self._require(node, converted)
        _bounds(node, converted)
        return _nullable(converted) if node.value.get("nullable") is True else converted

    def _keyword(self, keyword: str, member: Node) -> Mapping[str, Any]:
        if keyword in _SCHEMA:
            return self._nested(keyword, member)
        if keyword in _SCHEMA_MAPS and isinstance(member.value, dict):
            return {keyword: {name: self.schema(child) for name, child in member.members()}}
        if keyword in _SCHEMA_LISTS and isinstance(member.value, list):
            return {_SCHEMA_LISTS[keyword]: [self.schema(child) for child in member.items()]}
        if keyword in _VALUES and _VALUES[keyword](member.value):
            return {keyword: member.value}
        if keyword == "type":
            return _type(member.value)
        if keyword == "example" and self._direction is Direction.SENT:
            return {"examples": [member.value]}
        return {}

    def _nested(self, keyword: str, member: Node) -> Mapping[str, Any]:
        if isinstance(member.value, dict | bool):
            return {keyword: self.schema(member)}
        return {}

    def _refer(self, target: Node) -> str:
        self.references[target.place] = target
        return f"#/$defs/{self._schemas.name(target)}"

    def _require(self, node: Node, converted: dict[str, Any]) -> None:
        properties = node.at("properties")
        names = [name for name in converted.pop("required", ()) if not self._hidden(properties, name)]
        if names:
            converted["required"] = names

    def _hidden(self, properties: Node, name: str) -> bool:
        if not isinstance(properties.value, dict):
            return False
        declared = properties.at(name).followed().value
        return isinstance(declared, dict) and declared.get(self._direction.value) is True


def _type(value: Any) -> Mapping[str, Any]:
    types = [name for name in (value if isinstance(value, list) else [value]) if name in _TYPES]
    if not types:
        return {}
    return {"type": types if len(types) > 1 else types[0]}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    types = schema.get("type")
    if types is None:
        return {"anyOf": [schema, {"type": "null"}]} if schema else schema
    nullable = {**schema, "type": list(dict.fromkeys([*([types] if isinstance(types, str) else types), "null"]))}
    if "enum" in schema and None not in schema["enum"]:
        nullable["enum"] = [*schema["enum"], None]
    return nullable


def _bounds(node: Node, converted: dict[str, Any]) -> None:
    # OpenAPI 3.0 has JSON Schema draft 4's booleans here.
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if node.value.get(exclusive) is True and bound in converted:
            converted[exclusive] = converted.pop(bound)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_requirement(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_names(names) for names in value.values())


_SCHEMA: Final = frozenset({"items", "additionalProperties", "propertyNames"})
_SCHEMA_MAPS: Final = frozenset({"properties", "dependentSchemas"})
_SCHEMA_LISTS: Final = {"allOf": "allOf", "anyOf": "anyOf", "oneOf": "anyOf", "prefixItems": "prefixItems"}
_VALUES: Final[Mapping[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("title", "description", "format", "pattern", "contentEncoding", "contentMediaType"), _is_text),
    **dict.fromkeys(("readOnly", "writeOnly", "deprecated", "uniqueItems"), _is_flag),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_count),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "required": _is_names,
    "dependentRequired": _is_requirement,
    "enum": lambda value: isinstance(value, list) and bool(value),
    "const": lambda value: True,
    "default": lambda value: True,
    "examples": lambda value: isinstance(value, list),
}
