"""Converts schemas of OpenAPI 3.0 and 3.1 to self-contained JSON Schema (2020-12)."""

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
SCHEMA_KEYWORDS: Final = frozenset({"items", "additionalProperties", "propertyNames"})
SCHEMA_MAPS: Final = frozenset({"properties", "dependentSchemas"})
SCHEMA_LISTS: Final = {"allOf": "allOf", "anyOf": "anyOf", "oneOf": "anyOf", "prefixItems": "prefixItems"}

_TYPES: Final = ("null", "boolean", "object", "array", "number", "string", "integer")


MAX_VALUES: Final = 20_000  # in one schema; deeper levels are cut off, and allow anything
MAX_TOTAL: Final = 256 * 1024 * 1024  # bytes of JSON in all self-contained schemas of a document

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


class Direction(Enum):
    """Which way a value goes, and with it the keyword of members that its schema cannot require."""

    SENT = "sent", "readOnly"  # an argument
    UPLOADED = "uploaded", "readOnly"  # an argument in a form, where bytes are given as a file
    RECEIVED = "received", "writeOnly"  # an output

    @property
    def hidden(self) -> str:
        """The keyword of members that do not go this way."""
        return self.value[1]


class ConvertedSchema(Struct, frozen=True):
    """A converted schema without the `$defs` that its `$ref`s point at."""

    schema: Any
    references: tuple[JsonNode, ...] = ()  # the schemas that belong under `$defs`
    size: int = 0  # bytes of JSON


class SchemaConverter:
    """Converts the schemas of one document. A component is converted once, however often it is used."""

    def __init__(self) -> None:
        self._components: dict[tuple[str, Direction], ConvertedSchema] = {}
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        self._total = 0

    def convert(self, node: JsonNode, direction: Direction) -> ConvertedSchema:
        """The schema at `node`; a `$ref` is replaced by the component it names."""
        if node.reference() is not None:
            return self._component(node.follow(), direction)
        return self._convert(node, direction)

    def complete(self, converted: ConvertedSchema, direction: Direction, *, budget: int) -> Any:
        """The schema with all it refers to under `$defs`, nearest first.

        A component that no longer fits into `budget` bytes becomes `{}`, which allows anything:
        components that all refer to each other would otherwise be stored with every operation.
        DocumentError: all schemas of the document together exceed MAX_TOTAL.
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
        self._total += budget - left
        if self._total > MAX_TOTAL:
            raise DocumentError("components.schemas", f"the operations need over {MAX_TOTAL >> 20} MiB")
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

    def _component(self, node: JsonNode, direction: Direction) -> ConvertedSchema:
        key = (node.place, direction)
        if key not in self._components:
            self._components[key] = self._convert(node, direction)
        return self._components[key]

    def _convert(self, node: JsonNode, direction: Direction) -> ConvertedSchema:
        levels = levels_within(node.value, MAX_VALUES)
        conversion = _Conversion(self, direction, whole=levels == MAX_DEPTH)
        schema = conversion.schema(node, levels)
        if isinstance(schema, bool):
            schema = {} if schema else {"enum": []}
        references = tuple(conversion.references.values())
        return ConvertedSchema(schema, references, len(msgspec.json.encode(schema)))


class _Conversion:
    """Converts one schema and collects what it refers to. One that is not `whole` is cut off."""

    def __init__(self, converter: SchemaConverter, direction: Direction, *, whole: bool) -> None:
        self.references: dict[str, JsonNode] = {}
        self._converter = converter
        self._direction = direction
        self._whole = whole

    def schema(self, node: JsonNode, levels: int) -> Any:
        """The schema, cut off after so many levels."""
        if isinstance(node.value, bool):
            return node.value
        if node.value is None or levels < 1:  # an empty value of YAML is None
            return {}
        if self._direction is Direction.UPLOADED and is_file(node.value):
            return file_schema(node)
        converted: dict[str, Any] = {}
        for keyword, member in node.members():
            converted.update(self._convert_keyword(keyword, member, levels))
        if node.reference() is not None:
            converted["$ref"] = self._add_reference(node.follow())
        self._convert_required(node, converted)
        if "discriminator" in node.value:
            converted.update(self._discriminator(node))
        return upgrade_from_3_0(converted, node.value)

    def _convert_keyword(self, keyword: str, member: JsonNode, levels: int) -> Mapping[str, Any]:
        match member.value:
            case dict() | bool() if keyword in SCHEMA_KEYWORDS:
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
                return {}  # examples are large, and no caller writes an output
        return convert_value_keyword(keyword, member.value)

    def _discriminator(self, node: JsonNode) -> Mapping[str, Any]:
        """The discriminator, which validators ignore and planners read."""
        match node.value["discriminator"]:
            case {"propertyName": str(name)}:
                mapping = node.at("discriminator").at("mapping").value
                return {"discriminator": {"propertyName": name, **self._mapping(node, mapping)}}
        return {}

    def _mapping(self, node: JsonNode, mapping: Any) -> Mapping[str, Any]:
        """Which value means which alternative, for those that the converted schema refers to."""
        found: dict[str, str] = {}
        for value, reference in mapping.items() if isinstance(mapping, dict) else ():
            if isinstance(reference, str) and "#" in reference:
                try:
                    target = node.locate(reference)
                except DocumentError:
                    continue
                if target.place in self.references:
                    found[value] = self._add_reference(target)
        return {"mapping": found} if found else {}

    def _add_reference(self, target: JsonNode) -> str:
        self.references[target.place] = target
        return f"#/$defs/{self._converter.name(target)}"

    def _convert_required(self, node: JsonNode, converted: dict[str, Any]) -> None:
        """Do not require members that do not go this way."""
        properties = node.at("properties")
        names = []
        for name in dict.fromkeys(converted.pop("required", ())):
            declared = properties.at(name).follow().value if isinstance(properties.value, dict) else None
            if not (isinstance(declared, dict) and declared.get(self._direction.hidden) is True):
                names.append(name)
        if names:
            converted["required"] = names


def _is_flat(value: dict[str, Any] | list[Any]) -> bool:
    members = value.values() if isinstance(value, dict) else value
    return not any(isinstance(member, dict | list) for member in members)


def add_description(converted: ConvertedSchema, node: JsonNode) -> ConvertedSchema:
    """The schema with the description, deprecation and examples of the parameter or body that uses it."""
    schema = dict(converted.schema)
    if description := node.text("description"):
        schema["description"] = description
    if node.flag("deprecated"):
        schema["deprecated"] = True
    if examples := _examples(node):
        schema["examples"] = examples
    return ConvertedSchema(schema, converted.references, converted.size)


def _examples(node: JsonNode) -> list[Any]:
    if node.at("example"):
        return [node.at("example").value]
    named = node.at("examples")
    if not isinstance(named.value, dict):  # a list is wrong here, and common
        return []
    values = (example.follow().at("value") for _, example in named.members())
    return [value.value for value in values if value]


def convert_value_keyword(keyword: str, value: Any) -> Mapping[str, Any]:
    """A keyword whose value is no schema, converted; empty where it is unknown or of the wrong type."""
    if keyword == "type":
        return _type(value)
    if keyword == "example":
        return {"examples": [value]}
    accepts = _VALUES.get(keyword)
    return {keyword: value} if accepts is not None and accepts(value) else {}


def upgrade_from_3_0(converted: dict[str, Any], original: Mapping[str, Any]) -> dict[str, Any]:
    """`converted` with `nullable` and boolean exclusive bounds, which only OpenAPI 3.0 has, translated."""
    if "patternProperties" in original:  # not kept, so it is not known which members are additional
        converted.pop("additionalProperties", None)
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if original.get(exclusive) is True and bound in converted:
            converted[exclusive] = converted.pop(bound)
    return _make_nullable(converted) if original.get("nullable") is True else converted


def _type(value: Any) -> Mapping[str, Any]:
    types = [name for name in _TYPES if name in (value if isinstance(value, list) else [value])]
    if not types:
        return {}
    return {"type": types if len(types) > 1 else types[0]}


def _make_nullable(schema: dict[str, Any]) -> dict[str, Any]:
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
