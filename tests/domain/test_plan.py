"""Plans: which are sound, and how earlier outputs reach the arguments of later calls."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errands_server.domain.errors import PlanInvalid
from errands_server.domain.plan import MAX_STEPS, Path, Plan, PlannedCall, Slot, Step, bind, check, read_path
from errands_server.domain.tool import ToolRef
from tests.domain.promise import steady

REF = ToolRef("shop", 1, "order")


def call(arguments: Any = None, *slots: Slot) -> PlannedCall:
    return PlannedCall(tool=REF, arguments=arguments or {}, slots=slots)


def step(step_id: str, *depends_on: str, calls: tuple[PlannedCall, ...] = (call(),)) -> Step:
    return Step(id=step_id, description=step_id, depends_on=depends_on, calls=calls)


def plan(*steps: Step) -> Plan:
    return Plan(description="d", steps=steps)


def slot(target: Path, source: Path = (), step: str = "a") -> Slot:
    return Slot(target=target, step=step, source=source)


def test_steps_in_any_order_that_depend_on_each_other_without_a_circle_are_sound() -> None:
    check(plan(step("c", "a", "b"), step("a"), step("b", "a")))


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ((), "has 0"),
        (tuple(step(str(n)) for n in range(MAX_STEPS + 1)), f"has {MAX_STEPS + 1}"),
        ((step("a"), step("a")), "'a' appears twice"),
        ((step("a", "z"),), "unknown step 'z'"),
        ((step("a", "a"),), "circle: a"),
        ((step("a"), step("b", "d"), step("c", "b"), step("d", "c")), "circle: b, c, d"),
        ((step("a", calls=()),), "has no calls"),
        ((step("a"), step("b", calls=(call({}, slot(("id",))),))), "without depending on it"),
    ],
    ids=["empty", "too many", "twice", "unknown", "itself", "circle", "no calls", "slot"],
)
def test_a_plan_that_is_no_sound_graph_is_refused_with_the_reason(
    steps: tuple[Step, ...], problem: str
) -> None:
    with pytest.raises(PlanInvalid, match=problem):
        check(plan(*steps))


def test_a_plan_may_have_as_many_steps_as_are_allowed() -> None:
    check(plan(*(step(str(n)) for n in range(MAX_STEPS))))


@pytest.mark.parametrize("target", [(), ("name", "id"), ("items", 3, "id"), ("items", "id")])
def test_a_slot_without_a_place_in_the_arguments_is_refused(target: Path) -> None:
    arguments = {"name": "Ada", "items": [{}]}

    with pytest.raises(PlanInvalid, match="cannot put an output"):
        check(plan(step("a"), step("b", "a", calls=(call(arguments, slot(target)),))))


@pytest.mark.parametrize(
    ("arguments", "target", "bound"),
    [
        ({}, ("id",), {"id": 7}),
        ({"id": 1}, ("id",), {"id": 7}),
        ({}, ("body", "customer", "id"), {"body": {"customer": {"id": 7}}}),
        ({"body": {"a": 1}}, ("body", "id"), {"body": {"a": 1, "id": 7}}),
        ({"ids": [1]}, ("ids", 0), {"ids": [7]}),
        ({"ids": [1]}, ("ids", 1), {"ids": [1, 7]}),
        ({}, ("items", 0, "id"), {"items": [{"id": 7}]}),
        ({"items": ({"n": 1},)}, ("items", 0, "id"), {"items": [{"n": 1, "id": 7}]}),
    ],
)
def test_a_slot_puts_what_it_reads_where_it_says(arguments: Any, target: Path, bound: Any) -> None:
    assert bind(call(arguments, slot(target, ("id",))), {"a": {"id": 7}}) == bound


def test_binding_leaves_the_plan_as_it_is() -> None:
    planned = call({"body": {"tags": ["x"]}}, slot(("body", "tags", 1), ("id",)))

    bind(planned, {"a": {"id": 7}})

    assert planned.arguments == {"body": {"tags": ["x"]}}


@pytest.mark.parametrize("source", [("name",), ("items", 1), ("items", "id"), ("id", 0), ("text", 0)])
def test_a_value_that_an_output_lacks_is_a_lookup_error(source: Path) -> None:
    output = {"id": 7, "items": [1], "text": "abc"}

    with pytest.raises(LookupError):
        bind(call({}, slot(("x",), source)), {"a": output})


def test_an_empty_path_reads_the_whole_output() -> None:
    assert read_path([1, 2], ()) == [1, 2]


@steady
@given(st.integers(1, 9), st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8))))
def test_a_plan_is_sound_exactly_when_its_steps_can_be_put_in_order(
    count: int, edges: set[tuple[int, int]]
) -> None:
    known = {(one, other) for one, other in edges if one < count and other < count}
    steps = [step(str(n), *(str(other) for one, other in known if one == n)) for n in range(count)]
    reached = dict.fromkeys(range(count), False)
    for _ in range(count):
        for n in range(count):
            reached[n] = reached[n] or all(reached[other] for one, other in known if one == n)

    if all(reached.values()):
        check(plan(*steps))
    else:
        with pytest.raises(PlanInvalid):
            check(plan(*steps))
