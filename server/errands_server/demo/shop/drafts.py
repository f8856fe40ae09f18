"""Drafts: what a request may ask the shop to create, checked before anything happens."""

from __future__ import annotations

from typing import Any

from .ledger import Document, Rejected


def order_draft(document: Any) -> Document:
    """An order as asked for. Refused: fields are missing, unknown or of the wrong type."""
    draft = _object(document, required={"customer_id", "items"}, optional={"reference"})
    _text(draft, "customer_id")
    if not isinstance(draft["items"], list) or not draft["items"]:
        raise _invalid("items must be a list with at least one item")
    for item in draft["items"]:
        _text(_object(item, required={"product_id", "quantity"}), "product_id")
        # bool is an int in Python, not in JSON.
        if type(item["quantity"]) is not int or not 1 <= item["quantity"] <= 1000:
            raise _invalid("quantity must be a whole number from 1 to 1000")
    if "reference" in draft:
        _text(draft, "reference")
    return draft


def invoice_draft(document: Any) -> Document:
    """An invoice as asked for. Refused: as for `order_draft`."""
    draft = _object(document, required={"order_id"})
    _text(draft, "order_id")
    return draft


def _object(
    document: Any, *, required: set[str], optional: frozenset[str] | set[str] = frozenset()
) -> Document:
    if not isinstance(document, dict):
        raise _invalid("a JSON object is expected")
    if missing := required - document.keys():
        raise _invalid(f"{', '.join(sorted(missing))} missing")
    if unknown := document.keys() - required - optional:
        raise _invalid(f"{', '.join(sorted(unknown))} unknown")
    return document


def _text(document: Document, field: str) -> None:
    if not isinstance(document[field], str) or len(document[field]) > 200:
        raise _invalid(f"{field} must be a text of at most 200 characters")


def _invalid(message: str) -> Rejected:
    return Rejected(400, "invalid", message)
