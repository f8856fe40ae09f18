"""Turns schemas of OpenAPI 3.0 and 3.1 into self-contained JSON Schema (2020-12)."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec import Struct

from .file_fields import file_schema, is_file
from .json_node import DocumentError, JsonNode
from .text import MAX_DEPTH, levels_within

EXAMPLES: Final = frozenset({"example", "examples"})
SCHEMAS: Final = frozenset({"items", "additionalProperties", "propertyNames"})
SCHEMA_MAPS: Final = frozenset({"properties", "dependentSchemas"})
SCHEMA_LISTS: Final = {"allOf": "allOf", "anyOf": "anyOf", "oneOf": "anyOf", "prefixItems": "prefixItems"}

_TYPES: Final = ("null", "boolean", "object", "array", "number", "string", "integer")


def value_keyword(keyword: str, value: Any) -> Mapping[str, Any]:
    """What a keyword that holds no schema becomes; nothing where it is unknown or ill-typed."""
    if keyword == "type":
        return _type(value)
    if keyword == "example":
        return {"examples": [value]}
    accepts = _VALUES.get(keyword)
    return {keyword: value} if accepts is not None and accepts(value) else {}


def modernised(converted: dict[str, Any], original: Mapping[str, Any]) -> dict[str, Any]:
    """`converted` with what only OpenAPI 3.0 writes in its own way."""
    if "patternProperties" in original:  # not kept, so it cannot be said what is additional
        converted.pop("additionalProperties", None)
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if original.get(exclusive) is True and bound in converted:
            converted[exclusive] = converted.pop(bound)
    return _nullable(converted) if original.get("nullable") is True else converted


def _type(value: Any) -> Mapping[str, Any]:
    types = [name for name in _TYPES if name in (value if isinstance(value, list) else [value])]
    if not types:
        return {}
    return {"type": types if len(types) > 1 else types[0]}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if "type" not in schema or not schema.keys().isdisjoint(("$ref", "allOf", "anyOf", "const")):
        return {"anyOf": [schema, {"type": "null"}]} if schema else schema
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    nullable = {**schema, "type": list(dict.fromkeys([*types, "null"]))}
    if "enum" in schema and None not in schema["enum"]:
        nullable["enum"] = [*schema["enum"], None]
    return nullable


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and bool(value > 0)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_choice(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_requirement(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _is_names(names) and len(set(names)) == len(names) for names in value.values()
    )


def _is_anything(_: Any) -> bool:
    return True


_VALUES: Final[Mapping[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("title", "description", "format", "pattern"), _is_text),
    **dict.fromkeys(("contentEncoding", "contentMediaType"), _is_text),
    **dict.fromkeys(("readOnly", "writeOnly", "deprecated", "uniqueItems"), _is_flag),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _is_count),
    **dict.fromkeys(("minProperties", "maxProperties"), _is_count),
    "multipleOf": _is_positive,
    "required": _is_names,
    "dependentRequired": _is_requirement,
    "enum": _is_choice,
    "const": _is_anything,
    "default": _is_anything,
    "examples": _is_list,
}


MAX_VALUES: Final = 20_000  # in one schema as written; what lies deeper may be anything
MAX_TOTAL: Final = 256 * 1024 * 1024  # bytes of JSON in all self-contained schemas of a document

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


class Direction(Enum):
    """Which way a value goes, and which members its schema therefore cannot require."""

    SENT = "sent", "readOnly"
    UPLOADED = "uploaded", "readOnly"  # sent in a form, where bytes can be given as a file
    RECEIVED = "received", "writeOnly"

    @property
    def hidden(self) -> str:
        """The keyword of members that do not go this way."""
        return self.value[1]


class Converted(Struct, frozen=True):
    """A schema whose `$ref`s point at `$defs` it does not have yet, and the nodes these stand for."""

    schema: Any
    references: tuple[JsonNode, ...] = ()
    size: int = 0  # bytes of JSON


class Schemas:
    """The schemas of one document. A component is converted once, however often it is used."""

    def __init__(self) -> None:
        self._components: dict[tuple[str, Direction], Converted] = {}
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        self._total = 0

    def convert(self, node: JsonNode, direction: Direction) -> Converted:
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
        self._spend(budget - left)
        return {**converted.schema, "$defs": definitions} if definitions else converted.schema

    def name(self, node: JsonNode) -> str:
        """The name of a component under `$defs`, the same wherever it is used."""
        if node.place not in self._names:
            name = last = _UNSAFE.sub("_", node.place.rpartition("/")[2]) or "_"
            number = 2
            while name in self._taken:
                name, number = f"{last}_{number}", number + 1
            self._names[node.place] = name
            self._taken.add(name)
        return self._names[node.place]

    def _component(self, node: JsonNode, direction: Direction) -> Converted:
        key = (node.place, direction)
        if key not in self._components:
            self._components[key] = self._convert(node, direction)
        return self._components[key]

    def _convert(self, node: JsonNode, direction: Direction) -> Converted:
        levels = levels_within(node.value, MAX_VALUES)
        conversion = _Conversion(self, direction, whole=levels == MAX_DEPTH)
        schema = conversion.schema(node, levels)
        if isinstance(schema, bool):
            schema = {} if schema else {"enum": []}
        references = tuple(conversion.references.values())
        return Converted(schema, references, len(msgspec.json.encode(schema)))

    def _spend(self, size: int) -> None:
        self._total += size
        if self._total > MAX_TOTAL:
            raise DocumentError("components.schemas", f"the operations need over {MAX_TOTAL >> 20} MiB")


class _Conversion:
    """Converts one schema and collects what it refers to; not `whole` is one that is cut off."""

    def __init__(self, schemas: Schemas, direction: Direction, *, whole: bool) -> None:
        self.references: dict[str, JsonNode] = {}
        self._schemas = schemas
        self._direction = direction
        self._whole = whole

    def schema(self, node: JsonNode, levels: int) -> Any:
        """The schema, with so many levels of what is in it."""
        if isinstance(node.value, bool):
            return node.value
        if node.value is None or levels < 1:  # the former is an empty line of YAML
            return {}
        if self._direction is Direction.UPLOADED and is_file(node.value):
            return file_schema(node)
        converted: dict[str, Any] = {}
        for keyword, member in node.members():
            converted.update(self._keyword(keyword, member, levels))
        if node.reference() is not None:
            converted["$ref"] = self._refer(node.followed())
        self._require(node, converted)
        if "discriminator" in node.value:
            converted.update(self._discriminator(node))
        return modernised(converted, node.value)

    def _keyword(self, keyword: str, member: JsonNode, levels: int) -> Mapping[str, Any]:
        match member.value:
            case dict() | bool() if keyword in SCHEMAS:
                return {keyword: self.schema(member, levels - 1)}
            case dict() | list() if levels < 2:
                return {}
            case dict() if keyword in SCHEMA_MAPS:
                return {keyword: {name: self.schema(child, levels - 2) for name, child in member.members()}}
            case [_, *_] if keyword in SCHEMA_LISTS:
                schemas = [self.schema(child, levels - 2) for child in member.items()]
                return {SCHEMA_LISTS[keyword]: schemas}
            case dict() | list() if not self._whole and not _is_flat(member.value):
                return {}
            case _ if self._direction is Direction.RECEIVED and keyword in EXAMPLES:
                return {}  # bulky, and nobody writes an answer
        return value_keyword(keyword, member.value)

    def _discriminator(self, node: JsonNode) -> Mapping[str, Any]:
        """The member that tells the alternatives apart, which validators pass over and planners read."""
        match node.value["discriminator"]:
            case {"propertyName": str(name)}:
                mapping = node.at("discriminator").at("mapping").value
                return {"discriminator": {"propertyName": name, **self._mapping(node, mapping)}}
        return {}

    def _mapping(self, node: JsonNode, mapping: Any) -> Mapping[str, Any]:
        """Which value stands for which alternative; only for those that are written out here."""
        found: dict[str, str] = {}
        for value, reference in mapping.items() if isinstance(mapping, dict) else ():
            if isinstance(reference, str) and "#" in reference:
                try:
                    target = node.locate(reference)
                except DocumentError:
                    continue
                if target.place in self.references:
                    found[value] = self._refer(target)
        return {"mapping": found} if found else {}

    def _refer(self, target: JsonNode) -> str:
        self.references[target.place] = target
        return f"#/$defs/{self._schemas.name(target)}"

    def _require(self, node: JsonNode, converted: dict[str, Any]) -> None:
        properties = node.at("properties")
        required = dict.fromkeys(converted.pop("required", ()))
        names = [name for name in required if not self._hidden(properties, name)]
        if names:
            converted["required"] = names

    def _hidden(self, properties: JsonNode, name: str) -> bool:
        if not isinstance(properties.value, dict):
            return False
        declared = properties.at(name).followed().value
        return isinstance(declared, dict) and declared.get(self._direction.hidden) is True


def _is_flat(value: dict[str, Any] | list[Any]) -> bool:
    members = value.values() if isinstance(value, dict) else value
    return not any(isinstance(member, dict | list) for member in members)


def described(converted: Converted, node: JsonNode) -> Converted:
    """The schema with the description, deprecation and examples of what uses it."""
    schema = dict(converted.schema)
    if description := node.text("description"):
        schema["description"] = description
    if node.flag("deprecated"):
        schema["deprecated"] = True
    if examples := _examples(node):
        schema["examples"] = examples
    return Converted(schema, converted.references, converted.size)


def _examples(node: JsonNode) -> list[Any]:
    if node.at("example"):
        return [node.at("example").value]
    named = node.at("examples")
    if not isinstance(named.value, dict):  # a list is wrong here, and common
        return []
    values = (example.followed().at("value") for _, example in named.members())
    return [value.value for value in values if value]
