"""`errands plan`: what would be done and why, with nothing started."""

from __future__ import annotations

import pytest

from errands.cli.exit_codes import Exit
from tests.cli.command_line import Errands

ORDER = "Find the customer ada@example.com, then order 3 blue mugs for her"


@pytest.fixture(autouse=True)
def _integration(shop_id: str) -> None:
    """Every test here has the shop."""


def test_a_plan_is_shown_and_nothing_is_started(errands: Errands) -> None:
    before = errands.events("ls")
    said = errands("plan", ORDER, "--integration", "shop").stdout

    assert said.startswith("plan: ")
    assert "  s1  Find customers: email ada@example.com" in said
    assert "considered" not in said
    assert errands.events("ls") == before


def test_explain_says_which_tools_were_considered_and_where_each_argument_comes_from(
    errands: Errands,
) -> None:
    said = errands("plan", ORDER, "--integration", "shop", "--context", "reference=PO-7", "--explain").stdout

    assert '"Find the customer ada@example.com"\n  tools considered (1 fits best): searchCustomers 0.' in said
    assert '    email: from the intent "ada@example.com" (' in said
    assert "    body.customer_id: from step s1: customers.0.id\n" in said
    assert '    body.items.0.quantity: from the intent "3" (how many are meant)' in said
    assert "    body.reference: from the context (reference)\n" in said


def test_explain_tells_no_value_of_the_context(errands: Errands) -> None:
    said = errands("plan", ORDER, "--context", "reference=PO-7", "--explain").stdout

    assert "PO-7" not in said


def test_without_a_plan_it_says_what_is_missing_and_ends_with_4(errands: Errands) -> None:
    said = errands("plan", "Send an invoice", "--explain", code=Exit.NO_SUCCESS).stdout

    assert said.startswith("no plan: ")
    assert said.rstrip().endswith("body.order_id: missing")


def test_with_json_the_explanation_is_part_of_the_answer(errands: Errands) -> None:
    answer = errands.json("plan", ORDER, "--explain")

    first, second = answer["explanation"]["clauses"]
    assert first["tools"][0]["tool"] == "searchCustomers"
    assert [call["stepId"] for clause in (first, second) for call in clause["calls"]] == ["s1", "s2", "s3"]
    assert first["calls"][0]["arguments"][0]["source"] == "INTENT"
    assert "explanation" not in errands.json("plan", ORDER)
