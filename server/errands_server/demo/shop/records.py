"""Records: what the shop knows and does: customers, products, orders and invoices."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from .ledger import Document, Done, Ledger, Rejected

_CURRENCY: Final = "EUR"


class Records:
    """The shop's business over one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def customers(self, *, email: str, name: str) -> list[Document]:
        return self._ledger.rows(
            "SELECT * FROM customers WHERE (:email = '' OR email = :email)"
            " AND name LIKE '%' || :name || '%' ORDER BY id",
            email=email,
            name=name,
        )

    def products(self, *, query: str) -> list[Document]:
        """Products whose name or description holds every word of the query, in singular or plural."""
        wanted = [word.removesuffix("s") for word in query.lower().split()]
        found = self._ledger.rows("SELECT * FROM products ORDER BY id")
        return [p for p in found if all(word in f"{p['name']} {p['description']}".lower() for word in wanted)]

    def orders(self, *, customer_id: str) -> list[Document]:
        return self._documents(
            "SELECT document FROM orders WHERE :owner IN ('', customer_id) ORDER BY created_at, id",
            owner=customer_id,
        )

    def invoices(self, *, order_id: str) -> list[Document]:
        return self._documents(
            "SELECT document FROM invoices WHERE :owner IN ('', order_id) ORDER BY created_at, id",
            owner=order_id,
        )

    def order(self, order_id: str) -> Document:
        found = self._documents("SELECT document FROM orders WHERE id = :id", id=order_id)
        if not found:
            raise Rejected(404, "order_not_found", f"there is no order {order_id}")
        return found[0]

    def create_order(self, draft: Document, *, key: str | None) -> Done:
        """Order goods. Refused: the customer or a product is unknown, or too little is in stock."""
        return self._ledger.once("createOrder", draft, key=key, act=lambda: self._order(draft, key))

    def create_invoice(self, draft: Document, *, key: str | None) -> Done:
        """Send an invoice to the customer of an order. Refused: the order is unknown."""
        return self._ledger.once("createInvoice", draft, key=key, act=lambda: self._invoice(draft, key))

    def _order(self, draft: Document, key: str | None) -> Document:
        customer = self._customer(draft["customer_id"])
        items = [self._item(wanted) for wanted in draft["items"]]
        order = {
            "id": f"ord_{secrets.token_hex(6)}",
            "customer_id": customer["id"],
            "items": items,
            "total_cents": sum(item["quantity"] * item["unit_price_cents"] for item in items),
            "currency": _CURRENCY,
            "status": "open",
            "reference": draft.get("reference", ""),
            "created_at": _now(),
        }
        self._ledger.write(
            "INSERT INTO orders VALUES (:id, :customer_id, :created_at, :document)",
            **order,
            document=json.dumps(order),
        )
        self._ledger.record("order.created", order, key=key)
        return order

    def _item(self, wanted: Mapping[str, Any]) -> Document:
        product, quantity = self._product(wanted["product_id"]), wanted["quantity"]
        if product["in_stock"] < quantity:
            raise Rejected(422, "out_of_stock", f"{product['name']}: only {product['in_stock']} in stock")
        self._ledger.write(
            "UPDATE products SET in_stock = in_stock - :quantity WHERE id = :id",
            quantity=quantity,
            id=product["id"],
        )
        return {
            "product_id": product["id"],
            "name": product["name"],
            "quantity": quantity,
            "unit_price_cents": product["price_cents"],
        }

    def _invoice(self, draft: Document, key: str | None) -> Document:
        order = self.order(draft["order_id"])
        invoice = {
            "id": f"inv_{secrets.token_hex(6)}",
            "order_id": order["id"],
            "sent_to": self._customer(order["customer_id"])["email"],
            "amount_cents": order["total_cents"],
            "currency": order["currency"],
            "status": "sent",
            "reference": order["reference"],
            "created_at": _now(),
        }
        self._ledger.write(
            "INSERT INTO invoices VALUES (:id, :order_id, :created_at, :document)",
            **invoice,
            document=json.dumps(invoice),
        )
        self._ledger.record("invoice.sent", invoice, key=key)
        return invoice

    def _customer(self, customer_id: str) -> Document:
        found = self._ledger.rows("SELECT * FROM customers WHERE id = :id", id=customer_id)
        if not found:
            raise Rejected(422, "customer_unknown", f"there is no customer {customer_id}")
        return found[0]

    def _product(self, product_id: str) -> Document:
        found = self._ledger.rows("SELECT * FROM products WHERE id = :id", id=product_id)
        if not found:
            raise Rejected(422, "product_unknown", f"there is no product {product_id}")
        return found[0]

    def _documents(self, statement: str, **values: str) -> list[Document]:
        return [json.loads(row["document"]) for row in self._ledger.rows(statement, **values)]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
