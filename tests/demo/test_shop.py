"""What the shop promises those who test against it."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import httpx2
import pytest

from tests.demo.shops import OpenShop

MUGS = {"customer_id": "cus_ada", "items": [{"product_id": "prd_mug_blue", "quantity": 3}]}


def order(shop: httpx2.Client, *, key: str = "", body: Any = MUGS) -> httpx2.Response:
    return shop.post("/orders", json=body, headers={"Idempotency-Key": key} if key else {})


def effects(shop: httpx2.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.get("/_journal").json()["effects"]
    return found


def fault(shop: httpx2.Client, **document: Any) -> None:
    shop.post("/_faults", json=document).raise_for_status()


def test_a_customer_is_found_by_email_whatever_its_case(shop: httpx2.Client) -> None:
    found = shop.get("/customers", params={"email": "ADA@example.com"}).json()

    assert [customer["id"] for customer in found["customers"]] == ["cus_ada"]


def test_a_product_is_found_by_its_words_in_the_plural(shop: httpx2.Client) -> None:
    found = shop.get("/products", params={"q": "blue mugs"}).json()

    assert [product["id"] for product in found["products"]] == ["prd_mug_blue"]


def test_an_order_costs_what_its_items_cost_and_can_be_read_and_listed(shop: httpx2.Client) -> None:
    created = order(shop).json()

    assert created["total_cents"] == 3 * 1250
    assert shop.get(f"/orders/{created['id']}").json() == created
    assert shop.get("/orders", params={"customer_id": "cus_ada"}).json() == {"orders": [created]}


def test_an_invoice_is_sent_to_the_customer_of_its_order(shop: httpx2.Client) -> None:
    created = order(shop, body={**MUGS, "reference": "run 7"}).json()
    invoice = shop.post("/invoices", json={"order_id": created["id"]}).json()

    assert (invoice["sent_to"], invoice["amount_cents"]) == ("ada@example.com", 3750)
    assert [(e["kind"], e["reference"]) for e in effects(shop)] == [
        ("order.created", "run 7"),
        ("invoice.sent", "run 7"),
    ]


def test_the_same_key_gives_the_same_order_once(shop: httpx2.Client) -> None:
    first, second = order(shop, key="k1"), order(shop, key="k1")

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "idempotent-replay" not in first.headers
    assert second.headers["idempotent-replay"] == "true"
    assert [(e["key"], e["requests"]) for e in effects(shop)] == [("k1", 2)]


def test_without_a_key_every_request_is_an_order(shop: httpx2.Client) -> None:
    order(shop)
    order(shop)

    assert len(effects(shop)) == 2


def test_the_same_key_with_another_body_is_refused(shop: httpx2.Client) -> None:
    order(shop, key="k1")
    other = order(shop, key="k1", body={**MUGS, "reference": "other"})

    assert (other.status_code, other.json()["error"]["code"]) == (422, "key_reused")
    assert len(effects(shop)) == 1


def test_a_key_belongs_to_one_operation(shop: httpx2.Client) -> None:
    created = order(shop, key="k1").json()
    invoice = shop.post("/invoices", json={"order_id": created["id"]}, headers={"Idempotency-Key": "k1"})

    assert invoice.status_code == 422


async def test_a_key_whose_first_request_is_under_way_is_told_to_come_back(shop: httpx2.Client) -> None:
    fault(shop, operation="createOrder", delay_before=0.5, times=2)
    async with httpx2.AsyncClient(base_url=shop.base_url) as client:
        answers = await asyncio.gather(
            *[client.post("/orders", json=MUGS, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
        )

    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert order(shop, key="k1").headers["idempotent-replay"] == "true"


def test_a_killed_shop_remembers_orders_and_keys(open_shop: OpenShop) -> None:
    shop = open_shop()
    first = order(shop, key="k1")
    os.kill(int(shop.headers["x-pid"]), signal.SIGKILL)
    shop = open_shop()
    second = order(shop, key="k1")

    assert second.json() == first.json()
    assert len(effects(shop)) == 1


def test_a_dropped_answer_leaves_its_effect_behind(shop: httpx2.Client) -> None:
    fault(shop, operation="createOrder", drop=True, times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        order(shop, key="k1")

    assert len(effects(shop)) == 1
    assert order(shop, key="k1").headers["idempotent-replay"] == "true"


def test_an_unavailable_shop_says_when_to_come_back_and_does_nothing(shop: httpx2.Client) -> None:
    fault(shop, operation="createOrder", unavailable=True, retry_after=2, times=1)
    refused = order(shop)

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert effects(shop) == []
    assert order(shop).status_code == 201


def test_a_shop_that_ignores_a_key_repeats_the_effect(shop: httpx2.Client) -> None:
    fault(shop, operation="createOrder", ignore_key=True)
    order(shop, key="k1")
    order(shop, key="k1")
    shop.delete("/_faults").raise_for_status()
    order(shop, key="k1")

    assert [e["key"] for e in effects(shop)] == [None, None, "k1"]


def test_the_journal_can_be_awaited_while_an_answer_is_held_back(shop: httpx2.Client) -> None:
    fault(shop, operation="createOrder", delay_after=30, times=1)
    with pytest.raises(httpx2.ReadTimeout):
        shop.post("/orders", json=MUGS, timeout=0.2)

    assert len(shop.get("/_journal", params={"effects": 1}).json()["effects"]) == 1


def test_a_shop_without_keys_offers_none_and_honours_none(open_shop: OpenShop) -> None:
    shop = open_shop("--no-keys")
    order(shop, key="k1")
    order(shop, key="k1")

    assert len(effects(shop)) == 2
    assert "parameters" not in shop.get("/openapi.json").json()["paths"]["/orders"]["post"]


def test_the_document_names_the_shop_itself_as_its_server(shop: httpx2.Client) -> None:
    document = shop.get("/openapi.json").json()

    assert document["servers"] == [{"url": str(shop.base_url).rstrip("/")}]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {**MUGS, "colour": "blue"},
        {**MUGS, "items": []},
        {**MUGS, "items": [{"product_id": "prd_mug_blue", "quantity": True}]},
        {**MUGS, "items": [{"product_id": "prd_mug_blue", "quantity": 0}]},
        {**MUGS, "items": [{"product_id": "prd_mug_blue"}]},
        {**MUGS, "customer_id": 7},
    ],
)
def test_a_malformed_order_is_refused(shop: httpx2.Client, body: Any) -> None:
    assert order(shop, body=body).status_code == 400
    assert effects(shop) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({**MUGS, "customer_id": "cus_nobody"}, "customer_unknown"),
        ({**MUGS, "items": [{"product_id": "prd_nothing", "quantity": 1}]}, "product_unknown"),
        ({**MUGS, "items": [{"product_id": "prd_teapot", "quantity": 1000}] * 11}, "out_of_stock"),
    ],
)
def test_an_impossible_order_is_refused_whole(shop: httpx2.Client, body: Any, code: str) -> None:
    refused = order(shop, key="k1", body=body)

    assert (refused.status_code, refused.json()["error"]["code"]) == (422, code)
    assert effects(shop) == []
    assert {p["in_stock"] for p in shop.get("/products").json()["products"]} == {10000}


def test_an_unknown_fault_is_refused(shop: httpx2.Client) -> None:
    assert shop.post("/_faults", json={"operation": "*", "explode": True}).status_code == 400


def test_a_shop_with_a_token_lets_in_only_who_sends_it_and_says_so(open_shop: OpenShop) -> None:
    shop = open_shop("--token", "the-token")
    document = shop.get("/openapi.json").json()
    refused = [shop.get("/products"), shop.get("/products", headers={"Authorization": "Bearer another"})]
    let_in = shop.get("/products", headers={"Authorization": "Bearer the-token"})

    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}
    assert [answer.status_code for answer in refused] == [401, 401]
    assert let_in.status_code == 200
