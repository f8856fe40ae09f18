"""Explanations: which tools were considered for each clause, and where each argument comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from errands.v1 import plan_pb2 as pb
from errands_server.domain.explanation import ArgumentSource, Origin
from errands_server.domain.plan import Plan
from errands_server.planners.catalog.planner import CatalogPlanner
from errands_server.ports import Brief, Candidate, Planned, Refusal
from tests.contract.refusals import refused
from tests.planners.catalogs import SHOP, TEXT, thing, tool
from tests.planners.conftest import NOW
from tests.service import Service, violations

ADA = "ada@example.com"
ORDER = f"Find the customer {ADA}, then create an order of 3 blue mugs for them"


@pytest.fixture
def brief() -> Callable[..., Brief]:
    def make(
        intent: str, context: str = "", tools: Sequence[Candidate] = SHOP, *, explain: bool = True
    ) -> Brief:
        return Brief(intent=intent, context=context, candidates=tools, now=NOW, explain=explain)

    return make


def origins(made: Planned) -> dict[str, Origin]:
    """Every argument's origin, by tool and last name."""
    return {
        f"{choice.ref.name}.{origin.path[-1]}": origin
        for clause in made.clauses
        for choice in clause.choices
        for origin in choice.origins
    }


async def test_an_explained_plan_is_the_plan(planner: CatalogPlanner, brief):
    for intent in (ORDER, "fire the missiles", "cancel an order", "a" * 5_000):
        made = await planner.plan(brief(intent))
        plain = await planner.plan(brief(intent, explain=False))

        assert made.outcome == plain.outcome
        assert plain.clauses == ()


async def test_every_clause_names_its_tools_best_first_and_every_call_its_step(
    planner: CatalogPlanner, brief
):
    made = await planner.plan(brief(ORDER))

    assert isinstance(made.outcome, Plan)
    assert [clause.text for clause in made.clauses] == [
        f"Find the customer {ADA}",
        "create an order of 3 blue mugs for them",
    ]
    for clause in made.clauses:
        scores = [tool.score for tool in clause.considered]
        assert scores == sorted(scores, reverse=True)
        assert 0 < scores[-1] <= scores[0] <= 1
    steps = {choice.step: choice.ref for clause in made.clauses for choice in clause.choices}
    assert steps == {step.id: step.calls[0].tool for step in made.outcome.steps}


async def test_every_argument_names_its_source_and_the_words_it_was_said_in(planner: CatalogPlanner, brief):
    found = origins(await planner.plan(brief(ORDER, "note=gift")))

    assert (found["listCustomers.email"].source, found["listCustomers.email"].words) == (
        ArgumentSource.INTENT,
        (ADA,),
    )
    assert found["createOrder.quantity"].words == ("3",)
    assert (found["createOrder.customer_id"].source, found["createOrder.customer_id"].why) == (
        ArgumentSource.STEP,
        "s1: 0.id",
    )
    assert (found["createOrder.note"].source, found["createOrder.note"].why) == (
        ArgumentSource.CONTEXT,
        "note",
    )


async def test_a_default_of_the_schema_is_told_as_such(planner: CatalogPlanner, brief):
    report = tool(
        "makeReport",
        "Make a report",
        "POST",
        "/reports",
        thing("body", body=thing("shape", shape={**TEXT, "default": "pdf"})),
    )
    found = origins(await planner.plan(brief("make a report", tools=(report,))))

    assert (found["makeReport.shape"].source, found["makeReport.shape"].why) == (
        ArgumentSource.SCHEMA,
        "default",
    )


async def test_a_refused_plan_tells_what_is_missing_and_names_no_step(planner: CatalogPlanner, brief):
    made = await planner.plan(brief("cancel an order"))

    assert isinstance(made.outcome, Refusal)
    (clause,) = made.clauses
    assert clause.missing == (("orderId",),)
    assert [choice.step for choice in clause.choices] == [""]


async def test_only_a_request_that_starts_nothing_is_explained(service: Service):
    error = await refused(service.create("list orders", explain=True))

    assert set(violations(error)) == {"explain"}


async def test_a_validated_request_is_explained_when_it_asks(service: Service, shop_id: str):
    plain = await service.create("Invoice order ord_5", shop_id, validate_only=True)
    told = await service.create("Invoice order ord_5", shop_id, validate_only=True, explain=True)

    assert not plain.HasField("explanation")
    assert told.plan == plain.plan
    (clause,) = told.explanation.clauses
    (call,) = clause.calls
    assert (call.step_id, call.integration_id, call.tool) == ("s1", shop_id, "createInvoice")
    (argument,) = call.arguments
    assert (argument.path, argument.source, list(argument.words)) == (
        "body.order_id",
        pb.ARGUMENT_SOURCE_INTENT,
        ["ord_5"],
    )
