"""How a server's form is read, and which forms nobody is shown."""

from __future__ import annotations

from typing import Any

import pytest

from errands_server.domain.question import problems
from errands_server.tools.mcp import elicitation

TEXT = {"type": "string"}


def read(**fields: Any) -> Any:
    """The fields as they are shown."""
    return elicitation.read_form("Which?", {"type": "object", "properties": fields}).schema["properties"]


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ({**TEXT, "title": "T", "description": "D"}, {**TEXT, "title": "T", "description": "D"}),
        (
            {**TEXT, "format": "email", "maxLength": 9, "pattern": "x"},
            {**TEXT, "format": "email", "maxLength": 9},
        ),
        ({**TEXT, "format": "hostname"}, TEXT),
        ({"type": "integer", "minimum": 1, "default": 2}, {"type": "integer", "minimum": 1, "default": 2}),
        ({"type": "boolean", "default": False}, {"type": "boolean", "default": False}),
        ({"type": "boolean", "default": "no"}, {"type": "boolean"}),
        ({"type": "number", "default": True}, {"type": "number"}),
    ],
)
def test_plain_fields_keep_what_a_person_needs(field: Any, shown: Any) -> None:
    assert read(a=field) == {"a": shown}


CHOICES = [{"const": "x", "title": "X"}, {"const": "y", "title": "y"}]


@pytest.mark.parametrize(
    "field",
    [
        {**TEXT, "enum": ["x", "y"], "enumNames": ["X", "y"]},
        {**TEXT, "oneOf": [{"const": "x", "title": "X"}, {"const": "y"}]},
        {"enum": ["x", "y"], "enumNames": ["X", "y"]},
    ],
)
def test_every_way_of_listing_values_becomes_one(field: Any) -> None:
    assert read(a=field) == {"a": {"type": "string", "oneOf": CHOICES}}


@pytest.mark.parametrize("items", [{**TEXT, "enum": ["x", "y"], "enumNames": ["X", "y"]}, {"anyOf": CHOICES}])
def test_of_several_values_each_may_be_chosen_once(items: Any) -> None:
    field = read(a={"type": "array", "items": items, "minItems": 1, "default": ["y"]})["a"]

    assert field["items"] == {"type": "string", "anyOf": CHOICES}
    assert (field["uniqueItems"], field["minItems"], field["default"]) == (True, 1, ["y"])


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "no fields"),
        ({f"a{n}": TEXT for n in range(51)}, "more than 50 fields"),
        ({"a": {"type": "object"}}, "is of type object"),
        ({"a": {"type": "array", "items": TEXT}}, "list of anything"),
        ({"a": True}, "says nothing of its type"),
        ({"a": {"enum": []}}, "offers no choice"),
        ({"a": {"enum": [1, 2]}}, "no short texts"),
        ({"\u202e": TEXT}, "not printable"),
        ({"password": TEXT}, "asks for a secret"),
        ({"a": {**TEXT, "title": "API key"}}, "asks for a secret"),
        ({"a": {**TEXT, "format": "password"}}, "asks for a secret"),
        ({f"a{n}": {**TEXT, "enum": ["x" * 999] * 9} for n in range(9)}, "longer than"),
    ],
)
def test_a_form_nobody_is_shown_says_why(fields: Any, why: str) -> None:
    with pytest.raises(elicitation.FormRejected, match=why):
        read(**fields)


def test_the_same_question_has_the_same_digest_and_another_has_another() -> None:
    def digest(message: str, **fields: Any) -> str:
        return elicitation.read_form(message, {"properties": fields}).digest

    same = digest("Which?", a={**TEXT, "unknown": 1})
    assert same == digest("Which?", a=TEXT)
    others = [digest("Why?", a=TEXT), digest("Which?", b=TEXT), digest("Which?", a={"type": "boolean"})]
    assert len({same, *others}) == 4


FORM = elicitation.read_form(
    "Which?",
    {
        "properties": {
            "who": {**TEXT, "format": "email"},
            "when": {**TEXT, "format": "date"},
            "at": {**TEXT, "format": "date-time"},
            "where": {**TEXT, "format": "uri", "maxLength": 30},
            "count": {"type": "integer", "minimum": 1, "maximum": 5},
            "size": {**TEXT, "enum": ["small", "large"]},
            "with": {"type": "array", "items": {"enum": ["milk", "sugar"]}, "maxItems": 1},
            "now": {"type": "boolean"},
        },
        "required": ["who", "size"],
    },
)
FITS = {"who": "ada@example.com", "size": "small"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"when": "2026-02-28", "at": "2026-01-31T12:00:00z", "where": "https://a.example/", "count": 5},
        {"with": ["milk"], "now": False, "count": 1.0},
    ],
)
def test_an_answer_that_fits(more: Any) -> None:
    assert problems(FORM, {**FITS, **more}, "input") == []


@pytest.mark.parametrize(
    ("more", "field", "message"),
    [
        ({"who": "ada"}, "who", "must be an e-mail address"),
        ({"when": "2026-02-30"}, "when", "must be a date"),
        ({"at": "2026-01-31T12:00:00"}, "at", "must be a moment"),
        ({"where": "nowhere"}, "where", "must be a URI"),
        ({"where": "https://a.example/" + "a" * 30}, "where", "at most 30 characters"),
        ({"count": 6}, "count", "at most 5"),
        ({"count": "1"}, "count", "must be an integer"),
        ({"count": True}, "count", "must be an integer"),
        ({"size": "huge"}, "size", "must be one of small, large"),
        ({"with": ["tea"]}, "with.0", "must be one of milk, sugar"),
        ({"with": ["milk", "sugar"]}, "with", "at most 1 choices"),
        ({"now": "yes"}, "now", "must be true or false"),
        ({"nothing": 1}, "nothing", "is no field"),
        ({"who": None}, "who", "must be a string"),
    ],
)
def test_an_answer_that_does_not_fit_names_its_field(more: Any, field: str, message: str) -> None:
    [found] = problems(FORM, {**FITS, **more}, "input")

    assert found.field == f"input.{field}"
    assert message in found.message


def test_every_field_that_must_be_given_is_named() -> None:
    found = problems(FORM, {}, "input")

    assert [(one.field, one.message) for one in found] == [
        ("input.who", "must be given"),
        ("input.size", "must be given"),
    ]
