"""Conclusions: results that fit a schema, out of what the steps found and nothing else."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from errands_server.domain.plan import PlannedCall, Step
from errands_server.domain.tool import ToolRef
from errands_server.planners.catalog.planner import CatalogPlanner
from errands_server.ports import Finding, ResultBrief
from tests.planners.catalogs import TEXT, WHOLE, listed, thing


def finding(tool: str, output: Any, description: str = "", outcome: str = "done") -> Finding:
    call = PlannedCall(tool=ToolRef("shop", 1, tool), arguments={})
    return Finding(step=Step(id="s1", description=description, calls=(call,)), outcome=outcome, output=output)


CUSTOMERS = finding(
    "listCustomers", [{"id": "c_1", "name": "Ada"}, {"id": "c_2", "name": "Bob"}], "List customers"
)
ORDER = finding("createOrder", {"id": "o_9", "total": 12.5, "customer": {"name": "Ada"}}, "Create an order")
WEATHER = finding(
    "getWeather", [{"city": "Rome", "temp": 20}, {"city": "Oslo", "temp": 4}], "Get the weather"
)

CASES = [
    ("a value of the same name", thing(total={"type": "number"}), [ORDER], {"total": 12.5}),
    (
        "a name of two words finds the thing's own",
        thing(orderId=TEXT),
        [CUSTOMERS, ORDER],
        {"orderId": "o_9"},
    ),
    ("the way to a nested value", thing(customer_name=TEXT), [ORDER], {"customer_name": "Ada"}),
    ("a nested object", thing(customer=thing(name=TEXT)), [ORDER], {"customer": {"name": "Ada"}}),
    (
        "a list by its step",
        thing(customers=listed(thing(name=TEXT))),
        [CUSTOMERS],
        {"customers": [{"name": "Ada"}, {"name": "Bob"}]},
    ),
    ("a count of a list", thing(customerCount=WHOLE), [CUSTOMERS, ORDER], {"customerCount": 2}),
    (
        "the answers of several calls",
        thing(forecasts=listed(thing(city=TEXT, temp=WHOLE))),
        [WEATHER],
        {"forecasts": WEATHER.output},
    ),
    ("the latest of two", thing(id=TEXT), [finding("getOrder", {"id": "o_1"}), ORDER], {"id": "o_9"}),
    ("whether all was done", thing(success={"type": "boolean"}), [ORDER], {"success": True}),
    ("nothing where nothing is", thing(iban=TEXT, total=TEXT), [ORDER], {}),
    ("nothing without findings", thing(orderId=TEXT), [], {}),
]


async def conclude(schema, findings):
    return await CatalogPlanner().conclude(ResultBrief(intent="", schema=schema, findings=findings))


@pytest.mark.parametrize(
    ("schema", "findings", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
async def test_a_result_holds_what_was_found(schema, findings, expected):
    result = await conclude(schema, findings)

    assert result == expected
    jsonschema.validate(result, schema)


async def test_a_summary_says_what_the_steps_came_to():
    failed = finding("cancelOrder", None, "Cancel an order", "failed")

    result = await conclude(thing(summary=TEXT), [ORDER, failed])

    assert result == {"summary": "Create an order: done. Cancel an order: failed."}


async def test_a_value_outside_the_enumeration_is_left_out():
    schema = thing(status={"type": "string", "enum": ["open"]})

    assert await conclude(schema, [finding("getOrder", {"status": "lost"})]) == {}


async def test_a_schema_without_properties_gets_the_last_output():
    assert await conclude({"type": "object"}, [ORDER]) == ORDER.output
