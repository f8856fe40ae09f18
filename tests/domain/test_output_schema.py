"""Output schemas: which are usable, and what fits them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from errands_server.domain.output_schema import MAX_BYTES, MAX_DEPTH, mismatch, problem


def nested(levels: int) -> dict[str, Any]:
    """A schema whose deepest key lies at this level."""
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


def of_size(size: int) -> str:
    return '{"title":"' + "x" * (size - len('{"title":""}')) + '"}'


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        {"type": ["object", "null"]},
        {"definitions": {"a": {}}, "properties": {"b": {"$ref": "#/definitions/a"}}},
        {"$schema": "http://json-schema.org/draft-07/schema#"},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "prefixItems": [{}]},
        nested(MAX_DEPTH),
    ],
)
def test_usable_schemas(schema: dict[str, Any]) -> None:
    assert problem(json.dumps(schema)) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not JSON"),
        ("[" * 60_000, "is not JSON"),
        ("true", "must be a JSON Schema object"),
        ('{"type": "array"}', "must allow an object"),
        ('{"type": ["string", "null"]}', "must allow an object"),
        ('{"type": "object", "minProperties": "x"}', "no valid JSON Schema"),
        ('{"properties": {"a": {"type": "strnig"}}}', "no valid JSON Schema"),
        ('{"properties": {"a": {"pattern": "("}}}', "no valid JSON Schema"),
        ('{"properties": {"a": {"$ref": "https://evil.example/schema"}}}', "refers to"),
        ('{"$ref": "other.json"}', "refers to"),
        ('{"$dynamicRef": "file:///etc/passwd"}', "refers to"),
        ('{"allOf": [{"$ref": 5}]}', "refers to"),
        ('{"$schema": 5}', "as its [$]schema"),
        ('{"$schema": {}}', "as its [$]schema"),
        ('{"$schema": "http://[bad"}', "as its [$]schema"),
        ('{"$schema": "https://example.com/mine"}', "as its [$]schema"),
        (json.dumps(nested(MAX_DEPTH + 1)), "nested more than"),
        (of_size(MAX_BYTES + 1), "larger than"),
    ],
    ids=lambda value: value[:40],
)
def test_unusable_schemas_say_why(text: str, why: str) -> None:
    assert re.search(why, problem(text) or "")


def test_a_schema_of_exactly_the_largest_size_is_usable() -> None:
    assert problem(of_size(MAX_BYTES)) is None


def test_size_is_counted_in_bytes() -> None:
    assert "larger than" in (problem('{"title":"' + "é" * (MAX_BYTES // 2) + '"}') or "")


def test_without_a_dialect_draft_07_applies() -> None:
    tuple_of_two = {"properties": {"a": {"items": [{"type": "string"}]}}}
    later = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {"a": {"prefixItems": [{"type": "string"}]}},
    }

    assert "1 is not of type 'string'" in (mismatch(json.dumps(tuple_of_two), {"a": [1]}) or "")
    assert "1 is not of type 'string'" in (mismatch(json.dumps(later), {"a": [1]}) or "")
    del later["$schema"]
    assert mismatch(json.dumps(later), {"a": [1]}) is None


def test_what_does_not_fit_is_named_with_its_place() -> None:
    schema = json.dumps({"properties": {"items": {"items": {"required": ["id"]}}}})

    assert mismatch(schema, {"items": [{"id": 1}]}) is None
    assert mismatch(schema, {"items": [{"id": 1}, {}]}) == "$.items[1]: 'id' is a required property"


@pytest.mark.parametrize("result", [[], "text", None, 3])
def test_a_result_is_an_object_whatever_the_schema(result: Any) -> None:
    assert mismatch("{}", result) == f"the result is no object but {type(result).__name__}"


@pytest.mark.parametrize(
    "schema", ['{"$ref": "#/nowhere"}', '{"$ref": "#"}', '{"$id": "http://a.example/x", "$ref": "#b"}']
)
def test_a_reference_that_leads_nowhere_is_a_mismatch_and_no_fault(schema: str) -> None:
    assert problem(schema) is None
    assert "cannot be applied" in (mismatch(schema, {}) or "")
