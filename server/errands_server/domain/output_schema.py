"""Output schemas: what callers may ask a result to look like, and whether it does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.validators import validator_for

MAX_BYTES: Final = 65_536
MAX_DEPTH: Final = 32
_DIALECTS: Final = frozenset(
    {
        "http://json-schema.org/draft-03/schema",
        "http://json-schema.org/draft-04/schema",
        "http://json-schema.org/draft-06/schema",
        "http://json-schema.org/draft-07/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
    }
)
_REFERENCES: Final = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})


def problem(text: str) -> str | None:
    """Why this is no usable schema, or None: draft-07 unless `$schema` says otherwise."""
    if len(text.encode()) > MAX_BYTES:
        return f"is larger than {MAX_BYTES} bytes"
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"is not JSON: {error}"
    if not isinstance(schema, dict):
        return "must be a JSON Schema object"
    return _unusable(schema)


def _unusable(schema: dict[str, Any]) -> str | None:
    types = schema.get("type", "object")
    if "object" not in (types if isinstance(types, list) else [types]):
        return f"must allow an object at its root, not only {types}"
    for depth, key, value in _walk(schema, 1):
        if depth > MAX_DEPTH:
            return f"is nested more than {MAX_DEPTH} levels deep"
        if key in _REFERENCES and not (isinstance(value, str) and value.startswith("#")):
            return f"refers to {value!r}; only references inside the schema (#…) are followed"
    if "$schema" in schema and not _is_known(schema["$schema"]):
        return f"names {schema['$schema']!r} as its $schema; use one of {', '.join(sorted(_DIALECTS))}"
    try:
        validator_for(schema, default=Draft7Validator).check_schema(schema)
    except SchemaError as error:
        return f"is no valid JSON Schema: {error.message} at {error.json_path}"
    return None


def _is_known(dialect: Any) -> bool:
    return isinstance(dialect, str) and dialect.removesuffix("#") in _DIALECTS


def _walk(value: Any, depth: int) -> Iterator[tuple[int, str, Any]]:
    if depth > MAX_DEPTH + 1:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield depth, key, item
            yield from _walk(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield depth, "", item
            yield from _walk(item, depth + 1)


@lru_cache(maxsize=256)
def _validator(text: str) -> Any:
    """Compiling a schema costs milliseconds, so it happens once per text."""
    schema = json.loads(text)
    return validator_for(schema, default=Draft7Validator)(schema)


def mismatch(text: str, result: Any) -> str | None:
    """Why `result` does not fit the schema, naming the place, or None where it fits."""
    if not isinstance(result, dict):
        return f"the result is no object but {type(result).__name__}"
    try:
        error = best_match(_validator(text).iter_errors(result))
    except Exception as unresolved:
        # A reference that leads nowhere shows only when it is followed.
        return f"the output schema cannot be applied: {unresolved}"
    return None if error is None else f"{error.json_path}: {error.message}"[:1_000]
