"""Which keywords of a schema are kept, and how those of OpenAPI 3.0 read in JSON Schema 2020-12.

Arguments are checked against the result before a call, so it may be looser than the
document, never tighter: the service checks the rest itself. Hence only keywords that say
what a value must be are kept, `oneOf` becomes `anyOf` (its alternatives may differ only in a
`pattern` or `format`, which are shown and not enforced), and a keyword whose value has the
wrong type is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

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
