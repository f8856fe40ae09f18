"""What a step that failed over a form says of it."""

from __future__ import annotations

from typing import Any

import pytest

from errands_server.tools.mcp.forms import in_words

TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({}, "Which?"),
        ({"properties": {"a": TEXT, "b": TEXT}, "required": ["a"]}, "Which? (a; b, optional)"),
        ({"properties": {"a": {**TEXT, "enum": ["x", "y"]}}}, "Which? (a: x, y)"),
        ({"properties": {"a": {"oneOf": [{"const": "x", "title": "X"}]}}}, "Which? (a: x)"),
        ({"properties": {"a": {"type": "array", "items": {"enum": ["x", "y"]}}}}, "Which? (a: x, y)"),
        ({"properties": {"a": {"enum": list(range(99))}}}, "Which? (a: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …)"),
        ({"properties": {"a": True}, "required": "a"}, "Which? (a)"),
        ({"properties": [1]}, "Which?"),
    ],
)
def test_a_form_is_told_with_its_fields_and_what_may_be_chosen(schema: Any, told: str) -> None:
    assert in_words("Which?", schema) == told
