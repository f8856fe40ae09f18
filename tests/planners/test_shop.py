"""The planner on the shop's own description: what its users say, and the calls they mean."""

from __future__ import annotations

from importlib.resources import files

import pytest

from errands_server.domain.errors import Reason
from errands_server.domain.tool import ToolRef
from errands_server.ports import Candidate, Refusal
from errands_server.tools.openapi import document
from tests.planners.conftest import Planned, calls

ADA = "ada@example.com"
GRACE = "grace@example.com"
ORDERS_FOUND = ("listOrders", {"customer_id": "s1.customers.0.id"})


@pytest.fixture(scope="module")
def shop() -> tuple[Candidate, ...]:
    text = files("errands_server.demo.shop").joinpath("openapi.json").read_text()
    operations = document.read(text, base_url="http://127.0.0.1:1").operations
    # Refs name immutable revisions: `shop` revision 1 is the small catalog of the other tests.
    return tuple(Candidate(ToolRef("demo", 1, o.tool.name), "shop", o.tool) for o in operations)


def customer(email: str) -> tuple[str, dict[str, object]]:
    return "searchCustomers", {"email": email}


def named(name: str) -> tuple[str, dict[str, object]]:
    return "searchCustomers", {"name": name}


def product(words: str) -> tuple[str, dict[str, object]]:
    return "searchProducts", {"q": words}


def order(buyer: str, *lines: tuple[object, str], **more: str) -> tuple[str, dict[str, object]]:
    """An order of these quantities; buyer and products are ids, or the steps that found them."""
    items = [(many, thing if "_" in thing else f"{thing}.products.0.id") for many, thing in lines]
    body: dict[str, object] = {"customer_id": buyer if "_" in buyer else f"{buyer}.customers.0.id"} | more
    for number, (many, thing) in enumerate(items):
        body |= {f"items.{number}.quantity": many, f"items.{number}.product_id": thing}
    return "createOrder", body


def invoice(source: str) -> tuple[str, dict[str, object]]:
    return "createInvoice", {"order_id": source}


def itemised(planned: Planned) -> Planned:
    """Calls with the literal elements of `items` by dotted path, as slots are written."""
    return [(name, _without_lists(arguments)) for name, arguments in planned]


def _without_lists(arguments: dict[str, object]) -> dict[str, object]:
    flat = {key: value for key, value in arguments.items() if not isinstance(value, list)}
    for key, value in arguments.items():
        if isinstance(value, list):
            for number, item in enumerate(value):
                flat |= {f"{key}.{number}.{name}": inner for name, inner in item.items()}
    return flat


PLANNED = [
    (
        f"Find the customer {ADA}, order 3 blue mugs for her and then send her an invoice for the order",
        [customer(ADA), product("blue mugs"), order("s1", (3, "s2")), invoice("s3.id")],
    ),
    (
        f'Find the customer {ADA}, find the product "blue mug", order 3 of them for her',
        [customer(ADA), product("blue mug"), order("s1", (3, "s2"))],
    ),
    (f"Order two red mugs for {GRACE}", [customer(GRACE), product("red mugs"), order("s1", (2, "s2"))]),
    ("Order a teapot for Grace Hopper", [named("Grace Hopper"), product("teapot"), order("s1", (1, "s2"))]),
    (
        "Order one red mug for alan@example.com as a gift",
        [customer("alan@example.com"), product("red mug"), order("s1", (1, "s2"))],
    ),
    (
        f"Could you order two dozen blue mugs for {ADA}?",
        [customer(ADA), product("blue mugs"), order("s1", (24, "s2"))],
    ),
    (
        'Please order five notebooks for Alan Turing with reference "PO-77"',
        [named("Alan Turing"), product("notebooks"), order("s1", (5, "s2"), reference="PO-77")],
    ),
    (
        f"As a surprise, order 3 blue mugs for {GRACE}",
        [customer(GRACE), product("blue mugs"), order("s1", (3, "s2"))],
    ),
    (
        f"Order 3 blue mugs and 2 plates for {ADA}",
        [customer(ADA), product("blue mugs"), product("plates"), order("s1", (3, "s2"), (2, "s3"))],
    ),
    (
        "Buy 1 teapot and 2 blue mugs for Ada",
        [named("Ada"), product("teapot"), product("blue mugs"), order("s1", (1, "s2"), (2, "s3"))],
    ),
    (
        f"Order 2 mugs and 3 blue mugs for {ADA}",
        [customer(ADA), product("mugs"), product("blue mugs"), order("s1", (2, "s2"), (3, "s3"))],
    ),
    (
        'Order 2 "Blue mug" and 1 "Teapot" for cus_ada',
        [product("Blue mug"), product("Teapot"), order("cus_ada", (2, "s1"), (1, "s2"))],
    ),
    (
        f"Find the product teapot, then order 2 teapots and 3 mugs for {ADA}",
        [product("teapot"), customer(ADA), product("mugs"), order("s2", (2, "s1"), (3, "s3"))],
    ),
    (
        f"Find the product teapot, then order 3 blue mugs for {ADA}",
        [product("teapot"), customer(ADA), product("blue mugs"), order("s2", (3, "s3"))],
    ),
    ("Create an order of 2 prd_teapot for cus_ada", [order("cus_ada", (2, "prd_teapot"))]),
    (
        "Order a teapot and 3 of prd_mug_blue for cus_ada",
        [product("teapot"), order("cus_ada", (1, "s1"), (3, "prd_mug_blue"))],
    ),
    (
        f"Find {ADA} and order her a notebook",
        [customer(ADA), product("notebook"), order("s1", (1, "s2"))],
    ),
    (
        "Create an order of 5 teapots for customer cus_grace and invoice it",
        [product("teapots"), order("cus_grace", (5, "s1")), invoice("s2.id")],
    ),
    (
        f"Order 3 blue mugs for {ADA} and send her the invoice",
        [customer(ADA), product("blue mugs"), order("s1", (3, "s2")), invoice("s3.id")],
    ),
    (f"How many orders does {ADA} have?", [customer(ADA), ORDERS_FOUND]),
    (f"List the orders of {ADA}", [customer(ADA), ORDERS_FOUND]),
    (f"Show all orders of {ADA}", [customer(ADA), ORDERS_FOUND]),
    (
        "Show the orders of Grace Hopper",
        [named("Grace Hopper"), ORDERS_FOUND],
    ),
    (
        "What has Grace Hopper ordered?",
        [named("Grace Hopper"), ORDERS_FOUND],
    ),
    ("Show me all orders", [("listOrders", {})]),
    ("Get order ord_123", [("getOrder", {"order_id": "ord_123"})]),
    ("Get the order ord_123 and invoice it", [("getOrder", {"order_id": "ord_123"}), invoice("s1.id")]),
    ("Invoice order ord_5", [invoice("ord_5")]),
    ("Invoice orders ord_5, ord_6 and ord_7", [invoice("ord_5"), invoice("ord_6"), invoice("ord_7")]),
    ("List the invoices for order ord_5", [("listInvoices", {"order_id": "ord_5"})]),
    ("Has order ord_5 been invoiced?", [("listInvoices", {"order_id": "ord_5"})]),
    ("What is the email address of Alan Turing?", [named("Alan Turing")]),
    (f"Who is {GRACE}?", [customer(GRACE)]),
    ("Which products do you have?", [("searchProducts", {})]),
    ("Find products that are blue", [product("blue")]),
]


@pytest.mark.parametrize(("intent", "expected"), PLANNED, ids=[case[0] for case in PLANNED])
async def test_what_a_user_says_becomes_the_calls_that_are_meant(ask, shop, intent, expected):
    assert itemised(calls(await ask(intent, shop))) == expected


NO_TOOL, MISSING = Reason.NO_FITTING_TOOL, Reason.ARGUMENT_MISSING
REFUSED = [
    ("Cancel my subscription", NO_TOOL, "Cancel my subscription"),
    ("Cancel order ord_123", NO_TOOL, "Cancel order ord_123"),
    ("Refund order ord_5", NO_TOOL, "Refund order ord_5"),
    (f"Delete the customer {ADA}", NO_TOOL, "Delete"),
    (f"Change the email of {ADA} to ada@king.uk", NO_TOOL, "Change"),
    (f"I'd like 2 red mugs for {GRACE}", NO_TOOL, "red mugs"),
    # One order has one buyer.
    (f"Order 2 blue mugs for {ADA} and 3 teapots for {GRACE}", NO_TOOL, GRACE),
    ("Order a blue mug for Ada Lovelace and a teapot for Grace Hopper", NO_TOOL, "teapot"),
    ("Order 3 blue mugs", MISSING, "customer_id"),
    (f"Place a new order for {ADA}", MISSING, "quantity"),
    (f"Order 0 blue mugs for {ADA}", MISSING, "quantity"),
    (f"Order 2.5 blue mugs for {ADA}", MISSING, "quantity"),
    ("Send an invoice", MISSING, "order_id"),
    # Which of the orders is the last cannot be told from the shop's description.
    (f"Send {ADA} an invoice for her last order", MISSING, "order_id"),
]


@pytest.mark.parametrize(("intent", "reason", "told"), REFUSED, ids=[case[0] for case in REFUSED])
async def test_what_the_shop_cannot_do_or_was_not_told_is_refused(ask, shop, intent, reason, told):
    refusal = await ask(intent, shop)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason
    assert told in refusal.message


async def test_a_step_behind_then_waits_for_the_demand_before_it_and_not_for_look_ups(ask, shop):
    plan = await ask(PLANNED[0][0], shop)

    assert [step.depends_on for step in plan.steps] == [(), (), ("s1", "s2"), ("s3",)]


async def test_a_read_behind_then_waits_for_the_write_before_it(ask, shop):
    plan = await ask("Invoice order ord_5, then list the invoices for order ord_5", shop)

    assert [step.depends_on for step in plan.steps] == [(), ("s1",)]


async def test_steps_say_what_is_searched_for_and_how_many_are_ordered(ask, shop):
    plan = await ask(f"Order 3 blue mugs and 2 plates for {ADA}", shop)

    assert [step.description for step in plan.steps] == [
        f"Find customers: email {ADA}",
        "Search products: blue mugs",
        "Search products: plates",
        "Order products for a customer: quantity 3 and 2",
    ]
