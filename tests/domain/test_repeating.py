"""A plan is repeated with what the new context says, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from errands_server.domain.plan import ContextBinding, Path, Plan, PlannedCall, Slot, Step
from errands_server.domain.plan_reuse import DoesNotFit, rebind
from errands_server.domain.tool import ToolRef

REF = ToolRef("shop", 3, "order")


def plan(arguments: Any, **keys: Path) -> Plan:
    call = PlannedCall(
        tool=REF,
        arguments=arguments,
        slots=(Slot(target=("id",), step="s0", source=("id",)),),
        context=tuple(ContextBinding(target=target, key=key) for key, target in keys.items()),
    )
    return Plan(description="d", steps=(Step(id="s1", description="d", calls=(call,)),))


def rebound(arguments: Any, context: Any, **keys: Path) -> Any:
    return rebind(plan(arguments, **keys), context, {REF}).steps[0].calls[0].arguments


def test_what_came_from_the_context_is_bound_anew_and_the_rest_stays() -> None:
    arguments = {"name": "Ada", "items": [{"n": 1}, {"n": 2}], "note": "same"}

    bound = rebound(arguments, {"who": "Eve", "count": 5}, who=("name",), count=("items", 1, "n"))

    assert bound == {"name": "Eve", "items": [{"n": 1}, {"n": 5}], "note": "same"}
    assert arguments["name"] == "Ada"


def test_a_plan_that_read_nothing_from_the_context_is_the_same() -> None:
    original = plan({"name": "Ada"})

    assert rebind(original, {"name": "Eve"}, {REF}) == original


def test_text_becomes_what_the_tool_was_given_before() -> None:
    context = {"count": "12", "price": "1.5", "gift": "true", "name": "7"}
    arguments = {"count": 1, "price": 2.0, "gift": False, "name": "x"}

    assert rebound(arguments, context, **{key: (key,) for key in context}) == {
        "count": 12,
        "price": 1.5,
        "gift": True,
        "name": "7",
    }


@pytest.mark.parametrize(
    ("available", "context", "why"),
    [
        ({ToolRef("shop", 4, "order")}, {"count": 1}, "revision 3 of shop"),
        (set(), {"count": 1}, "revision 3 of shop"),
        ({REF}, {}, "no 'count'"),
        ({REF}, {"count": "many"}, "'many' is no int"),
    ],
)
def test_what_does_not_fit_says_why(available: set[ToolRef], context: Any, why: str) -> None:
    with pytest.raises(DoesNotFit, match=why):
        rebind(plan({"count": 1}, count=("count",)), context, available)
