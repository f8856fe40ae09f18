"""Output schemas: which are usable, and what fits them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from errands_server.domain.output_schema import MAX_BYTES, MAX_DEPTH, mismatch, problem

DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"
ALL_OF_D = {"properties": {"a": {"$ref": "#/$defs/d"}}}


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
        ('{"properties": {"a": {"pattern": "^(?=a)b$"}}}', "bounded time.*lookaround"),
        ('{"properties": {"a": {"pattern": "(a)\\\\1"}}}', "bounded time"),
        ('{"properties": {"a": {"pattern": "((a{1,99}){1,99}){1,99}"}}}', "bounded time"),
        ('{"patternProperties": {"(?<!a)b": {}}}', "bounded time"),
        (json.dumps({"allOf": [{"pattern": f"a{n}"} for n in range(101)]}), "101 patterns"),
        ('{"patternProperties": {"a": {}}, "not": {"unevaluatedProperties": false}}', "beside"),
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


# What makes a backtracking matcher try every way to split a text.
CATASTROPHIC = ["^(a+)+$", "^(a|aa)+$", "^(a*)*b$", "^([a-z]+)*\\d$", "(.*)*x$", "^(\\w+\\s?)*$"]
TEXT = "a" * 5_000 + "!"


@pytest.mark.parametrize("pattern", CATASTROPHIC)
@pytest.mark.parametrize(
    ("schema", "result"),
    [
        (lambda p: {"properties": {"a": {"pattern": p}}}, {"a": TEXT}),
        (lambda p: {"patternProperties": {p: False}, "minProperties": 2}, {TEXT: 1}),
        (lambda p: {"patternProperties": {p: {}}, "additionalProperties": False}, {TEXT: 1}),
        (lambda p: {"propertyNames": {"pattern": p}}, {TEXT: 1}),
        (lambda p: {"$schema": DRAFT_2020, "$defs": {"d": {"pattern": p}}, **ALL_OF_D}, {"a": TEXT}),
    ],
    ids=["pattern", "patternProperties", "additionalProperties", "propertyNames", "reference"],
)
@pytest.mark.timeout(10)  # with `re` each of them would take longer than anybody lives
def test_no_pattern_holds_up_the_process(
    pattern: str, schema: Callable[[str], dict[str, Any]], result: dict[str, Any]
) -> None:
    text = json.dumps(schema(pattern))

    assert problem(text) is None
    assert mismatch(text, result) is not None


@pytest.mark.timeout(30)
def test_references_that_double_the_work_at_every_level_end() -> None:
    levels = {
        f"d{n}": {"allOf": [{"$ref": f"#/definitions/d{n + 1}"}, {"$ref": f"#/definitions/d{n + 1}"}]}
        for n in range(40)
    }
    text = json.dumps({"definitions": {**levels, "d40": {}}, "$ref": "#/definitions/d0"})

    assert problem(text) is None
    assert "references" in (mismatch(text, {}) or "")


@pytest.mark.parametrize(
    ("pattern", "fits", "misfits"),
    [
        ("^\\d{3}-\\d{4}$", "555-1234", "5551234"),
        ("^\\u00e9$", "é", "e"),
        ("^\\\\u00e9$", "\\u00e9", "é"),
        ("^(?<year>[0-9]{4})$", "2026", "26"),
        ("b", "abc", "xyz"),
        ("^a/b\\/c$", "a/b/c", "abc"),
    ],
)
def test_patterns_mean_what_json_schema_says(pattern: str, fits: str, misfits: str) -> None:
    text = json.dumps({"properties": {"a": {"pattern": pattern}}})

    assert problem(text) is None or "(?<" in pattern  # which Python cannot read, and is refused
    assert mismatch(text, {"a": fits}) is None
    assert "does not match" in (mismatch(text, {"a": misfits}) or "")


def test_properties_are_told_apart_by_pattern() -> None:
    text = json.dumps(
        {
            "properties": {"id": {"type": "integer"}},
            "patternProperties": {"^x-": {"type": "string"}},
            "additionalProperties": {"type": "boolean"},
        }
    )

    assert mismatch(text, {"id": 1, "x-a": "b", "more": True}) is None
    assert mismatch(text, {"id": 1, "x-a": 1}) == "$['x-a']: 1 is not of type 'string'"
    assert mismatch(text, {"more": 1}) == "$.more: 1 is not of type 'boolean'"
