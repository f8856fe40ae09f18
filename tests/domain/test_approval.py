"""What an approval covers: whatever a person saw, and nothing else."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from errands_server.domain.approval import call_hash, calls_hash, covers, digest, plan_hash, question_hash
from errands_server.domain.events import Call
from errands_server.domain.plan import Plan, PlannedCall, Slot, Step
from errands_server.domain.question import Question
from errands_server.domain.tool import ToolRef
from tests.domain.histories import Simulation
from tests.domain.scenarios import KINDS, scenario, tool

REF = ToolRef("shop", 1, "order")
CALL: dict[str, Any] = {
    "run_id": "r",
    "call_id": "c",
    "tool": REF,
    "origin": "https://shop.example",
    "arguments": {"quantity": 1},
    "user_id": "ada",
}
SLOT = Slot(target=("body", "id"), step="s0", source=("id",))
PLANNED = PlannedCall(tool=REF, arguments={"body": {"quantity": 1}}, slots=(SLOT,))
BIG = 2**60


def plan(*calls: PlannedCall) -> Plan:
    return Plan(description="d", steps=(Step(id="s1", description="d", depends_on=("s0",), calls=calls),))


@pytest.mark.parametrize(
    "changed",
    [
        {"run_id": "other"},
        {"call_id": "other"},
        {"tool": replace(REF, integration_id="other")},
        {"tool": replace(REF, revision=2)},
        {"tool": replace(REF, name="other")},
        {"origin": "https://shop.example:444"},
        {"arguments": {"quantity": 2}},
        {"arguments": {"quantity": "1"}},
        {"arguments": {"quantity": True}},
        {"arguments": {"quantity": 1, "gift": None}},
        {"user_id": "eve"},
    ],
    ids=str,
)
def test_whatever_changes_in_a_call_changes_its_hash(changed: dict[str, Any]) -> None:
    assert call_hash(**CALL | changed) != call_hash(**CALL)


def test_the_order_of_arguments_is_no_change() -> None:
    one, other = {"a": 1, "b": {"x": 1, "y": 2}}, {"b": {"y": 2, "x": 1}, "a": 1}

    assert digest(one) == digest(other)
    assert digest({**one, "big": BIG}) == digest({**other, "big": BIG})


@pytest.mark.parametrize("number", [2**53, 2**53 + 1, BIG, -BIG, 2**64, 2**70])
def test_every_digit_of_a_large_integer_counts(number: int) -> None:
    same = {"id": number}
    others = [{"id": number + 1}, {"id": str(number)}, {"id": {"$integer": str(number)}}, {"id": [number]}]

    assert digest(same) == digest(dict(same))
    assert all(digest(same) != digest(other) for other in others)


def two_calls() -> list[Call]:
    wanted = scenario({"s1": ()}, {"s1.0": tool("s1.0", KINDS[0]), "s1.1": tool("s1.1", KINDS[0])})
    return [progress.call for progress in Simulation(wanted).play().run.calls.values()]


def test_the_hash_of_one_call_is_its_own_and_of_several_is_of_all_in_order() -> None:
    one, other = two_calls()

    assert calls_hash((one,)) == one.hash
    assert len({calls_hash(some) for some in ((one,), (other,), (one, other), (other, one))}) == 4


def test_a_question_is_bound_to_its_call_and_to_what_is_asked() -> None:
    one, other = two_calls()
    asked, another = (Question(message="Which?", schema={}, digest=found) for found in ("1", "2"))
    pairs = [(one, asked), (one, another), (other, asked), (other, another)]

    assert len({question_hash(call, question) for call, question in pairs}) == 4


@pytest.mark.parametrize(
    "changed",
    [
        replace(PLANNED, tool=replace(REF, integration_id="other")),
        replace(PLANNED, tool=replace(REF, revision=2)),
        replace(PLANNED, tool=replace(REF, name="other")),
        replace(PLANNED, arguments={"body": {"quantity": 2}}),
        replace(PLANNED, slots=()),
        replace(PLANNED, slots=(replace(SLOT, target=("body", "key")),)),
        replace(PLANNED, slots=(replace(SLOT, source=("key",)),)),
        replace(PLANNED, slots=(replace(SLOT, step="s9"),)),
    ],
)
def test_whatever_changes_in_a_planned_call_changes_the_hash_of_the_plan(changed: PlannedCall) -> None:
    assert plan_hash(plan(changed)) != plan_hash(plan(PLANNED))


def test_calls_may_not_move_between_steps_unseen() -> None:
    together = plan(PLANNED, PLANNED)
    apart = replace(together, steps=plan(PLANNED).steps * 2)

    assert plan_hash(together) != plan_hash(apart)


@pytest.mark.parametrize(
    ("arguments", "covered"),
    [
        ({"body": {"quantity": 1, "id": "x"}}, True),
        ({"body": {"quantity": 1, "id": {"any": ["thing"]}}}, True),
        ({"body": {"quantity": 2, "id": "x"}}, False),
        ({"body": {"quantity": 1.0, "id": "x"}}, False),
        ({"body": {"quantity": True, "id": "x"}}, False),
        ({"body": {"quantity": 1, "id": "x", "admin": True}}, False),
        ({"body": {"quantity": 1, "id": "x", "admin": None}}, False),
        ({"body": {"quantity": 1, "id": "x"}, "more": 1}, False),
        ({"body": {"id": "x"}}, False),
        ({"body": "x"}, False),
        ({}, False),
    ],
)
def test_a_plan_covers_its_literals_exactly_and_its_slots_with_any_value(
    arguments: Any, covered: bool
) -> None:
    assert covers(plan(PLANNED).steps[0], REF, arguments) == covered


@pytest.mark.parametrize(
    ("arguments", "covered"),
    [
        ({"items": [{"n": 1}, {"id": 5, "n": 2}]}, True),
        ({"items": [{"n": 1}, {"id": 5, "n": 3}]}, False),
        ({"items": [{"n": 9}, {"id": 5, "n": 2}]}, False),
        ({"items": [{"n": 1}]}, False),
        ({"items": [{"n": 1}, {"id": 5, "n": 2}, {"n": 3}]}, False),
        ({"items": [{"n": 1}, {"id": 5, "n": 2}, None]}, False),
    ],
)
def test_a_slot_inside_a_list_opens_its_own_place_only(arguments: Any, covered: bool) -> None:
    nested = replace(
        PLANNED,
        arguments={"items": [{"n": 1}, {"n": 2}]},
        slots=(replace(SLOT, target=("items", 1, "id")),),
    )

    assert covers(plan(nested).steps[0], REF, arguments) == covered


def test_another_tool_or_revision_is_not_covered() -> None:
    arguments = {"body": {"quantity": 1, "id": "x"}}

    assert not covers(plan(PLANNED).steps[0], replace(REF, revision=2), arguments)
    assert not covers(plan(PLANNED).steps[0], replace(REF, name="other"), arguments)


def test_a_literal_may_be_a_tuple_in_memory_and_a_list_in_the_log() -> None:
    planned = replace(PLANNED, arguments={"tags": ("a", "b")}, slots=())

    assert covers(plan(planned).steps[0], REF, {"tags": ["a", "b"]})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON)
def test_a_digest_is_that_of_the_canonical_form(document: object) -> None:
    try:
        canonical = rfc8785.dumps(document)
    except rfc8785.CanonicalizationError:  # integers beyond 2**53, lone surrogates
        return

    assert digest(document) == "sha256:" + hashlib.sha256(canonical).hexdigest()
