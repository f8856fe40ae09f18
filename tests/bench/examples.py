"""Makes example arguments for a tool from the JSON Schema of its arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_DEPTH: Final = 4  # of objects inside objects whose optional members are given too
_FORMATS: Final[Mapping[str, str]] = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T10:20:30Z",
    "time": "10:20:30Z",
    "email": "ada@example.com",
    "uri": "https://example.com/a?b=c",
    "url": "https://example.com/a?b=c",
    "uuid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
    "byte": "AAEC",
}

# For the patterns of the documents used here: times of messages, postcodes, words, codes of a language.
_PATTERNED: Final = ("1234567890.123456", "SW1A 1AA", "word", "en-GB", "AB", "a1b2c3")


def example(schema: Mapping[str, Any], *, full: bool) -> Any:
    """A value that fits; with every optional member if `full`, else with none."""
    return _Example(schema.get("$defs", {}), full=full).value(schema, 0)


class _Example:
    def __init__(self, definitions: Mapping[str, Any], *, full: bool) -> None:
        self._definitions = definitions
        self._full = full

    def value(self, schema: Any, depth: int) -> Any:
        schema = self._plain(schema, depth)
        for keyword in ("const", "default"):
            if keyword in schema:
                return schema[keyword]
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else kind
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                least = max(schema.get("minItems", 1), 1)
                return [self.value(schema.get("items", {}), depth + 1)] * least if depth < 2 * _DEPTH else []
            case "integer" | "number":
                return _number(schema)
            case "boolean":
                return True
            case "null":
                return None
        return _text(schema)

    def _plain(self, schema: Any, depth: int) -> dict[str, Any]:
        """The schema with its reference followed, its parts put together and its first alternative taken."""
        found = dict(schema) if isinstance(schema, Mapping) else {}
        parts = [self._definitions.get(found.pop("$ref").rpartition("/")[2], {})] if "$ref" in found else []
        parts += found.pop("allOf", [])
        alternatives = found.pop("anyOf", [])
        parts += [_fullest(alternatives)] if alternatives else []
        for part in parts if depth < 3 * _DEPTH else []:
            plain = self._plain(part, depth + 1)
            properties = {**plain.get("properties", {}), **found.get("properties", {})}
            required = [*plain.get("required", ()), *found.get("required", ())]
            found = {**plain, **found}
            found |= {"properties": properties} if properties else {}
            found |= {"required": required} if required else {}
        return found

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        undeclared = {name: {} for name in required}  # real documents require what they do not describe
        return {
            name: self.value(member, depth + 1)
            for name, member in {**undeclared, **schema.get("properties", {})}.items()
            if name in required or (self._full and depth < _DEPTH and not _is_read_only(member))
        }


def _fullest(alternatives: list[Any]) -> Any:
    """An alternative that is something; null is the last choice."""
    return next((one for one in alternatives if one != {"type": "null"}), alternatives[0])


def _is_read_only(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("readOnly") is True


def _number(schema: Mapping[str, Any]) -> float:
    least = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    step = schema.get("multipleOf", 1)
    number = -(-least // step) * step if least else step
    return min(number, schema["maximum"]) if "maximum" in schema else number


def _text(schema: Mapping[str, Any]) -> str:
    # A format is certain; the examples of real documents often break their own.
    given = [one for one in schema.get("examples", ()) if isinstance(one, str)]
    text = _FORMATS.get(schema.get("format", "")) or (given[0] if given else "a b&c=ü/1")
    if "pattern" in schema and not given:
        text = next((one for one in _PATTERNED if re.search(schema["pattern"], one)), text)
    text = text.ljust(schema.get("minLength", 0), "x")
    return text[: schema["maxLength"]] if "maxLength" in schema else text
