"""Mentions, dates and clauses: what a sentence speaks of, and what it asks for."""

from __future__ import annotations

import pytest

from errands_server.planners.catalog.clauses import split_clauses
from errands_server.planners.catalog.entities import extract_mentions
from errands_server.planners.catalog.entity import Kind
from errands_server.planners.catalog.sequences import find_series
from tests.planners.conftest import NOW

VALUES = [
    ("it costs $1,200.50", Kind.NUMBER, 1200.5),
    ("about 100 million shares", Kind.NUMBER, 100_000_000),
    ("weighs 70kg", Kind.NUMBER, 70),
    ("drops to -3 degrees", Kind.NUMBER, -3),
    ("at 5% a year", Kind.PERCENT, 5),
    ("for two adults", Kind.COUNT, 2),
    ("for one child", Kind.COUNT, 1),
    ("after thirty-five minutes", Kind.COUNT, 35),
    ("two hundred and fifty crates", Kind.COUNT, 250),
    ("write to ada@example.com.", Kind.EMAIL, "ada@example.com"),
    ("see https://example.com/a?b=1.", Kind.URL, "https://example.com/a?b=1"),
    ("run 0190b5c8-6d5c-7d3a-9f00-0123456789ab", Kind.UUID, "0190b5c8-6d5c-7d3a-9f00-0123456789ab"),
    ("cancel ORD-17", Kind.IDENTIFIER, "ORD-17"),
    ("ping 192.0.2.1.", Kind.IDENTIFIER, "192.0.2.1"),
    ("release 2.1.3 is out", Kind.IDENTIFIER, "2.1.3"),
    ("open report.pdf please", Kind.IDENTIFIER, "report.pdf"),
    ("the shows of next month", Kind.PERIOD, "next month"),
    ("invert [[1, 2], [3, 4]]", Kind.LITERAL, "[[1, 2], [3, 4]]"),
    ("see ada/sea-side", Kind.SLUG, "ada/sea-side"),
    ("see ada/notes.md.", Kind.SLUG, "ada/notes.md"),
    ("print v2.0.1-beta.3", Kind.IDENTIFIER, "v2.0.1-beta.3"),
    ("print v2.0", Kind.IDENTIFIER, "v2.0"),
    ("docket 2022/AL2562", Kind.IDENTIFIER, "2022/AL2562"),
    ("say 'Let's go, then stop'", Kind.QUOTED, "Let's go, then stop"),
    ("in New York", Kind.NAME, "New York"),
    ("at 12 Elm Street", Kind.NAME, "12 Elm Street"),
    ("by J.K. Rowling", Kind.NAME, "J.K. Rowling"),
    ("songs by The Lanterns", Kind.NAME, "The Lanterns"),
    ("The Lanterns sing", Kind.NAME, "Lanterns"),
    ("a list called Things to do", Kind.NAME, "Things"),
    ("tomorrow", Kind.DATE, "2025-03-13"),
    ("on Friday", Kind.DATE, "2025-03-14"),
    ("next Wednesday", Kind.DATE, "2025-03-19"),
    ("March 10th, 2023", Kind.DATE, "2023-03-10"),
    ("on 3 May", Kind.DATE, "2025-05-03"),
    ("from 3 May to 5 May 2023", Kind.DATE, "2023-05-03"),
    ("in 2 weeks", Kind.DATE, "2025-03-26"),
    ("2025-04-01T14:30:00Z", Kind.TIME, "2025-04-01T14:30:00+00:00"),
    ("tomorrow at 3pm", Kind.TIME, "2025-03-13T15:00:00+00:00"),
]


@pytest.mark.parametrize(("text", "kind", "value"), VALUES, ids=[case[0] for case in VALUES])
def test_a_value_is_recognised_by_its_form(text, kind, value):
    assert (kind, value) in [(m.kind, m.value) for m in extract_mentions(text, NOW)]


@pytest.mark.parametrize("text", ["on 2025-02-30", "32 May", "in x^2", "the red one", "one of them"])
def test_what_only_resembles_a_value_is_none(text):
    values = (Kind.DATE, Kind.TIME, Kind.COUNT)

    assert not [m for m in extract_mentions(text, NOW) if m.kind in values or m.value == 2]


@pytest.mark.parametrize(
    "text", ["rain and/or wind", "at 60 km/h", "his/her bag", "2022/AL2562", "on 3/4/2025"]
)
def test_words_with_a_slash_between_them_are_no_slugs(text):
    assert Kind.SLUG not in [m.kind for m in extract_mentions(text, NOW)]


ROWS = [
    ("Rome, Paris and Oslo", ["Rome", "Paris", "Oslo"]),
    ("[3, 4, 5]", [3, 4, 5]),
    ("cash_flows=[200,300,400]", [200, 300, 400]),
    ("'a' or 'b'", ["a", "b"]),
    ("Denver, Colorado", None),
    ("between Rome and Oslo", None),
]


@pytest.mark.parametrize(("text", "values"), ROWS, ids=[case[0] for case in ROWS])
def test_values_said_in_a_row_belong_together(text, values):
    rows = [[item.value for item in row.items] for row in find_series(text, extract_mentions(text, NOW))]

    assert rows == ([values] if values else [])


CLAUSES = [
    ("list customers", ["list customers"]),
    ("find Ada, then delete her", ["find Ada", "delete her"]),
    ("create a task and add a note", ["create a task", "add a note"]),
    ("create a task. Add a note; list deals", ["create a task", "Add a note", "list deals"]),
    ("create a task 'a; then b. And c'", ["create a task 'a; then b. And c'"]),
    ("show the name and order number", ["show the name and order number"]),
    ("weather for Rome, Paris and Oslo", ["weather for Rome, Paris and Oslo"]),
    ("Find Mr. Smith in St. Louis", ["Find Mr. Smith in St. Louis"]),
    ("I have 5 apples. Count them", ["I have 5 apples. Count them"]),
    ("Get the record. Include the owner", ["Get the record. Include the owner"]),
    ("list customers. Thank you!", ["list customers. Thank you"]),
    ("Today is Friday. List customers", ["Today is Friday. List customers"]),
    (
        "I want to see the deals. Can you find that for me?",
        ["I want to see the deals. Can you find that for me"],
    ),
    (
        "To plan my week, could you list the tasks? Delete deal 7",
        ["To plan my week, could you list the tasks", "Delete deal 7"],
    ),
    ("While I wait, it is late. List deals", ["While I wait, it is late. List deals"]),
]


@pytest.mark.parametrize(("intent", "texts"), CLAUSES, ids=[case[0] for case in CLAUSES])
def test_an_intent_is_split_where_it_asks_for_another_thing(intent, texts):
    assert [clause.text for clause in split_clauses(intent, extract_mentions(intent, NOW))] == texts
