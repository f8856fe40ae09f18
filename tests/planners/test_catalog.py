"""The catalog planner: intents as people write them, and the calls a careful clerk would make."""

from __future__ import annotations

import msgspec
import pytest

from errands_server.domain.errors import Reason
from errands_server.domain.tool import ToolRef
from errands_server.planners.catalog.interpreter import Interpreter
from errands_server.planners.catalog.tool_index import ToolIndexCache
from errands_server.ports import Brief, Candidate, Refusal
from tests.planners.catalogs import CRM, PLANNER, SHOP
from tests.planners.conftest import NOW, calls

ADA = "ada@example.com"

SINGLE = [
    (SHOP, "List all customers", "listCustomers", {}),
    (SHOP, "list the top 5 customers. Thanks!", "listCustomers", {"limit": 5}),
    (SHOP, f"Show me the customer with email {ADA}", "listCustomers", {"email": ADA}),
    (SHOP, f"look up the client {ADA}", "listCustomers", {"email": ADA}),
    (
        SHOP,
        f"Create a customer named Ada Lovelace with email {ADA}",
        "createCustomer",
        {"name": "Ada Lovelace", "email": ADA},
    ),
    (
        SHOP,
        "Please register a new client called Bob Stone, bob@stone.io, phone 555-1234",
        "createCustomer",
        {"name": "Bob Stone", "email": "bob@stone.io", "phone": "555-1234"},
    ),
    (SHOP, "Get order ORD-17", "getOrder", {"orderId": "ORD-17"}),
    (SHOP, "I would like to see the purchase ORD-17", "getOrder", {"orderId": "ORD-17"}),
    (SHOP, "cancel order ORD-17", "cancelOrder", {"orderId": "ORD-17"}),
    (SHOP, "Could you please cancel my order ORD-17?", "cancelOrder", {"orderId": "ORD-17"}),
    (SHOP, "delete the customer c_42", "deleteCustomer", {"id": "c_42"}),
    (SHOP, "remove client c_42", "deleteCustomer", {"id": "c_42"}),
    (SHOP, "Give me the order ORD-17", "getOrder", {"orderId": "ORD-17"}),
    (SHOP, "What orders are open?", "listOrders", {"status": "open"}),
    (
        SHOP,
        "list shipped orders created after 2025-01-05",
        "listOrders",
        {"status": "shipped", "created_after": "2025-01-05"},
    ),
    (SHOP, "list orders created after January 5, 2025", "listOrders", {"created_after": "2025-01-05"}),
    (
        SHOP,
        "Search for products matching 'blue mug' under 20",
        "searchProducts",
        {"q": "blue mug", "max_price": 20},
    ),
    (
        SHOP,
        "create an order of 3 units of product p_9 for customer c_1",
        "createOrder",
        {"customer_id": "c_1", "product_id": "p_9", "quantity": 3},
    ),
    (
        SHOP,
        "Create an order of 1,200 mugs for customer c_1, product p_3, as a gift",
        "createOrder",
        {"customer_id": "c_1", "product_id": "p_3", "quantity": 1200, "gift": True},
    ),
    (
        SHOP,
        "create an order of two units of product p_9 for customer c_1, not as a gift",
        "createOrder",
        {"customer_id": "c_1", "product_id": "p_9", "quantity": 2, "gift": False},
    ),
    (
        SHOP,
        'refund $12.50 of order ORD-17 because "it broke; then leaked"',
        "refundOrder",
        {"orderId": "ORD-17", "amount": 12.5, "reason": "it broke; then leaked"},
    ),
    (
        SHOP,
        "update customer c_42: set the name to Ada King",
        "updateCustomer",
        {"id": "c_42", "name": "Ada King"},
    ),
    (
        SHOP,
        "Change the email of customer c_42 to ada@king.uk",
        "updateCustomer",
        {"id": "c_42", "email": "ada@king.uk"},
    ),
    (PLANNER, "What's the weather in Rome?", "getWeather", {"city": "Rome"}),
    (
        PLANNER,
        "weather in New York tomorrow in imperial units",
        "getWeather",
        {"city": "New York", "date": "2025-03-13", "units": "imperial"},
    ),
    (PLANNER, "show the forecast for Oslo on 14 March", "getWeather", {"city": "Oslo", "date": "2025-03-14"}),
    (
        PLANNER,
        "list events from 2025-04-01 to 2025-04-30",
        "listEvents",
        {"from": "2025-04-01", "to": "2025-04-30"},
    ),
    (
        PLANNER,
        "Schedule a meeting called Budget review on 2025-04-01 at 14:00 for 45 minutes "
        "with ada@example.com and bob@example.com",
        "createEvent",
        {
            "title": "Budget review",
            "start": "2025-04-01T14:00:00+00:00",
            "duration_minutes": 45,
            "attendees": ["ada@example.com", "bob@example.com"],
        },
    ),
    (
        PLANNER,
        "add an appointment 'Dentist' on Friday at 3pm in Milan",
        "createEvent",
        {"title": "Dentist", "start": "2025-03-14T15:00:00+00:00", "location": "Milan"},
    ),
    (CRM, 'add a note "called back" to contact 17', "notes_add", {"contact_id": 17, "text": "called back"}),
    (
        CRM,
        "create a high priority task 'Send offer' due 2025-05-02 with tags sales, urgent and q2",
        "tasks_create",
        {
            "title": "Send offer",
            "due_date": "2025-05-02",
            "priority": "high",
            "tags": ["sales", "urgent", "q2"],
        },
    ),
    (CRM, "make a new task called Clean desk", "tasks_create", {"title": "Clean desk"}),
    (CRM, "search contacts for 'Ada'", "contacts_search", {"query": "Ada"}),
    (
        CRM,
        "open a deal 'X' worth 50,000 for contact 5",
        "deals_create",
        {"name": "X", "amount": 50000, "contact_id": 5},
    ),
]


@pytest.mark.parametrize(("tools", "intent", "name", "arguments"), SINGLE, ids=[case[1] for case in SINGLE])
async def test_one_demand_becomes_one_call_with_what_was_said(ask, tools, intent, name, arguments):
    assert calls(await ask(intent, tools)) == [(name, arguments)]


REFUSED = [
    (SHOP, "what's the weather in Rome?"),
    (SHOP, "fire the missiles"),
    (SHOP, "Who won the world cup in 2018?"),
    (SHOP, "Ship order ORD-17"),
    (SHOP, "list orders, then launch the rocket"),
    (SHOP, "Translate this page to French"),
    (CRM, "What is the capital of France?"),
    (CRM, "delete contact 17"),
    (PLANNER, "play some jazz"),
    (PLANNER, "How do I bake bread?"),
    (SHOP, "thanks"),
    (SHOP, "   "),
    ((), "list customers"),
]


@pytest.mark.parametrize(("tools", "intent"), REFUSED, ids=[case[1] for case in REFUSED])
async def test_a_demand_no_tool_answers_refuses_the_whole_intent(ask, tools, intent):
    refusal = await ask(intent, tools)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.NO_FITTING_TOOL


async def test_a_refusal_names_the_clause_and_the_nearest_tools(ask):
    refusal = await ask("list customers and ship order ORD-17", SHOP)

    assert "'ship order ORD-17'" in refusal.message
    assert "refundOrder" in refusal.message


async def test_the_nearest_tool_may_be_one_also_where_two_services_have_it(ask):
    refund = next(one for one in SHOP if one.tool.name == "refundOrder")
    other = msgspec.structs.replace(refund, ref=ToolRef("store", 1, "refundOrder"), integration_name="store")
    refusal = await ask("ship order ORD-17", [refund, other])

    assert refusal.message == "No tool fits 'ship order ORD-17'; the nearest is refundOrder."


MISSING = [
    ("create an order", {"customer_id", "product_id", "quantity"}),
    ("create a customer named Ada", {"email"}),
    ("cancel an order", {"orderId"}),
    ("delete all orders", {"orderId"}),
    ("delete all open orders", {"orderId"}),
    (f"cancel all orders of {ADA}", {"orderId"}),
    ("refund 5 to customer c_1", {"orderId"}),
]


@pytest.mark.parametrize(("intent", "names"), MISSING)
async def test_a_missing_argument_is_named_and_never_guessed(ask, intent, names):
    refusal = await ask(intent, SHOP)

    assert refusal.reason is Reason.ARGUMENT_MISSING
    assert all(repr(name) in refusal.message for name in names)


async def test_a_value_no_parameter_takes_refuses_instead_of_being_ignored(ask):
    only_list = [c for c in SHOP if c.tool.name == "listOrders"]

    refusal = await ask(f"show the orders of {ADA}", only_list)

    assert isinstance(refusal, Refusal)
    assert ADA in refusal.message


async def test_missing_identifiers_are_looked_up_first(ask):
    plan = await ask(f"Create an order of 3 blue mugs for {ADA}", SHOP)

    assert calls(plan) == [
        ("listCustomers", {"email": ADA}),
        ("searchProducts", {"q": "blue mugs"}),
        ("createOrder", {"customer_id": "s1.0.id", "product_id": "s2.items.0.id", "quantity": 3}),
    ]
    assert [step.depends_on for step in plan.steps] == [(), (), ("s1", "s2")]


async def test_an_earlier_step_gives_what_a_later_one_needs(ask):
    plan = await ask(f"Find the customer {ADA} and create an order of 2 units of product p_9 for them", SHOP)

    assert calls(plan) == [
        ("listCustomers", {"email": ADA}),
        ("createOrder", {"customer_id": "s1.0.id", "product_id": "p_9", "quantity": 2}),
    ]


async def test_a_created_thing_is_used_by_the_next_clause(ask):
    intent = f"Create a customer named Ada with email {ADA}, then create an order of 2 units of product p_9"

    assert calls(await ask(intent, SHOP))[1] == (
        "createOrder",
        {"customer_id": "s1.id", "product_id": "p_9", "quantity": 2},
    )


async def test_a_person_is_looked_up_by_name_where_an_id_is_wanted(ask):
    plan = await ask("create a deal named 'Big one' for contact Ada Lovelace", CRM)

    assert calls(plan) == [
        ("contacts_search", {"query": "Ada Lovelace"}),
        ("deals_create", {"name": "Big one", "contact_id": "s1.data.0.id"}),
    ]


async def test_values_of_one_look_up_fill_several_arguments(ask):
    assert calls(await ask("get the air quality of Lisbon", PLANNER)) == [
        ("geocode", {"place": "Lisbon"}),
        ("getAirQuality", {"latitude": "s1.latitude", "longitude": "s1.longitude"}),
    ]


async def test_an_optional_filter_is_looked_up_when_a_value_has_no_other_place(ask):
    assert calls(await ask(f"show the orders of {ADA}", SHOP)) == [
        ("listCustomers", {"email": ADA}),
        ("listOrders", {"customer_id": "s1.0.id"}),
    ]


async def test_an_unfiltered_list_chooses_nobody(ask):
    refusal = await ask("List customers and create an order of 2 units of product p_9", SHOP)

    assert refusal.reason is Reason.ARGUMENT_MISSING


async def test_a_row_of_values_becomes_several_calls_of_one_step(ask):
    plan = await ask("What's the weather in Rome, Paris and Oslo?", PLANNER)

    assert calls(plan) == [("getWeather", {"city": city}) for city in ("Rome", "Paris", "Oslo")]
    assert len(plan.steps) == 1


async def test_a_row_of_identifiers_becomes_several_calls(ask):
    plan = await ask("cancel orders ORD-1, ORD-2 and ORD-3", SHOP)

    assert calls(plan) == [("cancelOrder", {"orderId": f"ORD-{n}"}) for n in (1, 2, 3)]


async def test_looked_up_rows_stay_in_step(ask):
    plan = await ask("get the air quality of Rome and Oslo", PLANNER)

    assert [len(step.calls) for step in plan.steps] == [2, 2]
    assert [call.slots[0].source for call in plan.steps[1].calls] == [(0, "latitude"), (1, "latitude")]


async def test_clauses_that_do_not_need_each_other_stay_independent(ask):
    plan = await ask("delete event ev_1 and add an appointment 'Dentist' on Friday at 3pm", PLANNER)

    assert [step.depends_on for step in plan.steps] == [(), ()]


async def test_a_write_behind_then_waits_for_the_clause_before(ask):
    plan = await ask("delete event ev_1, then add an appointment 'Dentist' on Friday at 3pm", PLANNER)

    assert [step.depends_on for step in plan.steps] == [(), ("s1",)]


async def test_one_intent_may_need_several_integrations(ask):
    intent = f"What's the weather in Oslo, and create a customer named Ada with email {ADA}"

    assert [name for name, _ in calls(await ask(intent, SHOP + PLANNER + CRM))] == [
        "getWeather",
        "createCustomer",
    ]


async def test_an_identifier_of_one_thing_is_not_given_to_another(ask):
    refusal = await ask("cancel order ORD-17, then create an order of 2 units of product p_9", SHOP)

    assert refusal.reason is Reason.ARGUMENT_MISSING
    assert "'customer_id'" in refusal.message


async def test_context_fills_what_the_intent_leaves_open_and_says_from_which_key(ask):
    plan = await ask(
        "create an order of 2 units of product p_9", SHOP, '{"customerId": "c_7", "quantity": 9}'
    )

    assert calls(plan) == [("createOrder", {"customer_id": "c_7", "product_id": "p_9", "quantity": 2})]
    (call,) = plan.steps[0].calls
    assert [(b.target, b.key) for b in call.context] == [(("body", "customer_id"), "customerId")]


async def test_context_values_stay_out_of_descriptions(ask):
    plan = await ask("get an order", SHOP, "orderId=ORD-secret")

    assert calls(plan) == [("getOrder", {"orderId": "ORD-secret"})]
    assert "secret" not in plan.description + plan.steps[0].description


async def test_times_are_told_in_the_timezone_of_the_context(ask):
    plan = await ask("Create an event 'Standup' tomorrow at 9:30am", PLANNER, "timezone=Europe/Rome")

    assert calls(plan)[0][1]["start"] == "2025-03-13T09:30:00+01:00"


async def test_steps_are_described_for_people(ask):
    plan = await ask(f"Create an order of 3 blue mugs for {ADA}", SHOP)

    assert plan.description == "List customers, search products and create an order."
    assert plan.steps[0].description == f"List customers: email {ADA}"


async def test_the_explanation_names_scores_and_the_source_of_every_argument():
    brief = Brief(intent="list open orders", context="customer_id=c_7", candidates=SHOP, now=NOW)

    (reading,) = Interpreter(brief, await ToolIndexCache().index(SHOP)).interpret()

    assert reading.ranked[0].profile.tool.name == "listOrders"
    assert {a.parameter.name: a.source for a in reading.drafts[-1].arguments} == {
        "customer_id": "context: customer_id",
        "status": "intent: a documented value",
    }


async def test_deprecated_tools_are_left_alone_while_others_remain(ask):
    retired = msgspec.structs.replace(SHOP[0].tool, deprecated=True)
    old = Candidate(ToolRef("shop", 2, "listCustomers"), "shop", retired)

    assert isinstance(await ask("list customers", (old, *SHOP[1:])), Refusal)
    assert calls(await ask("list customers", (old,))) == [("listCustomers", {})]


async def test_an_intent_that_is_a_document_is_refused(ask):
    assert isinstance(await ask("list customers. " * 1000, SHOP), Refusal)
