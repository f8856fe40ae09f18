"""Output schemas: which schemas callers may give, and whether a result fits one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.validators import extend, validator_for

from . import patterns

MAX_BYTES: Final = 65_536  # of a schema as UTF-8
MAX_DEPTH: Final = 32  # levels of nesting in a schema
MAX_PATTERNS: Final = 100  # in a schema
MAX_REFERENCES: Final = 100_000  # followed while one result is checked
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
    """Return why this text is no usable schema, or None. Draft-07 applies unless `$schema` names another."""
    if len(text.encode()) > MAX_BYTES:
        return f"is larger than {MAX_BYTES} bytes"
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"is not JSON: {error}"
    if not isinstance(schema, dict):
        return "must be a JSON Schema object"
    return _schema_problem(schema)


def _schema_problem(schema: dict[str, Any]) -> str | None:
    types = schema.get("type", "object")
    if "object" not in (types if isinstance(types, list) else [types]):
        return f"must allow an object at its root, not only {types}"
    for depth, key, value in _walk(schema, 1):
        if depth > MAX_DEPTH:
            return f"is nested more than {MAX_DEPTH} levels deep"
        if key in _REFERENCES and not (isinstance(value, str) and value.startswith("#")):
            return f"refers to {value!r}; only references inside the schema (#…) are followed"
    if "$schema" in schema and not _is_known_dialect(schema["$schema"]):
        return f"names {schema['$schema']!r} as its $schema; use one of {', '.join(sorted(_DIALECTS))}"
    try:
        validator_for(schema, default=Draft7Validator).check_schema(schema)
    except SchemaError as error:
        return f"is no valid JSON Schema: {error.message} at {error.json_path}"
    return _pattern_problem(schema)


def _pattern_problem(schema: dict[str, Any]) -> str | None:
    found = list(_patterns(schema))
    if len(found) > MAX_PATTERNS:
        return f"has {len(found)} patterns; at most {MAX_PATTERNS} are allowed"
    for pattern in found:
        try:
            patterns.check(pattern)
        except patterns.Unmatchable as error:
            return (
                f"has the pattern {pattern[:200]!r}, which cannot be matched in bounded time "
                f"({error}); lookaround, backreferences and large counts are not supported"
            )
    names = {key for _, key, _ in _walk(schema, 1)}
    if {"patternProperties", "unevaluatedProperties"} <= names:
        return "has patternProperties beside unevaluatedProperties, which is not supported"
    return None


def _patterns(schema: dict[str, Any]) -> Iterator[str]:
    for _, key, value in _walk(schema, 1):
        if key == "pattern" and isinstance(value, str):
            yield value
        elif key == "patternProperties" and isinstance(value, dict):
            yield from value


def _is_known_dialect(dialect: Any) -> bool:
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


class _TooManyReferences(Exception):
    """A check followed more than MAX_REFERENCES references."""


class _CompiledSchema:
    """One compiled schema. Compiling costs milliseconds, so it happens once for each text."""

    def __init__(self, schema: dict[str, Any]) -> None:
        dialect = validator_for(schema, default=Draft7Validator)
        followed = {
            name: self._count(keyword) for name, keyword in dialect.VALIDATORS.items() if name in _REFERENCES
        }
        self._validator = extend(dialect, {**patterns.KEYWORDS, **followed})(schema)  # type: ignore[no-untyped-call] # jsonschema types its results only
        self._left = 0

    def _count(self, keyword: Any) -> Any:
        """Count the references that `keyword` follows: each level of them may double the work."""

        def follow(*arguments: Any) -> Iterator[Any]:
            self._left -= 1
            if self._left < 0:
                raise _TooManyReferences(f"it follows more than {MAX_REFERENCES} references")
            yield from keyword(*arguments) or ()

        return follow

    def error(self, result: Any) -> Any:
        """Return the error closest to the cause, or None."""
        self._left = MAX_REFERENCES
        return best_match(self._validator.iter_errors(result))


@lru_cache(maxsize=256)
def _compile(text: str) -> _CompiledSchema:
    return _CompiledSchema(json.loads(text))


def mismatch(text: str, result: Any) -> str | None:
    """Return why `result` does not fit the schema, with the place in it, or None."""
    if not isinstance(result, dict):
        return f"the result is no object but {type(result).__name__}"
    try:
        error = _compile(text).error(result)
    except Exception as unresolved:
        # A reference that leads nowhere shows only when it is followed.
        return f"the output schema cannot be applied: {unresolved}"
    return None if error is None else f"{error.json_path}: {error.message}"[:1_000]
