"""A demand with a verb of its own is fulfilled by a tool that has it, never by a look at its object."""

from __future__ import annotations

from typing import Any

import pytest

from errands_server.ports import Refusal
from tests.planners.catalogs import TEXT, WHOLE, listed, thing, tool
from tests.planners.conftest import calls

DESK = (
    tool("getRequest", "Get a request", "GET", "/requests/{id}", thing("id", id=WHOLE)),
    tool("approveRequest", "Approve a request", "POST", "/requests/{id}/approve", thing("id", id=WHOLE)),
    tool("getMember", "Get a member of the organization", "GET", "/members/{name}", thing("name", name=TEXT)),
    tool(
        "searchDocuments",
        "Search documents",
        "GET",
        "/documents",
        thing(q=TEXT, folder=TEXT, limit=WHOLE),
        thing(items=listed(thing(id=TEXT, title=TEXT))),
    ),
)


@pytest.mark.parametrize(
    "intent",
    [
        "Decline request 14",
        "Please deny request 14",
        "Take maria off the organization",
        "Kick maria out of the organization",
        "Withdraw request 14",
        "Suspend the member maria",
        "Reassign request 14",
    ],
)
async def test_no_read_fulfils_a_demand_to_change(ask: Any, intent: str) -> None:
    planned = await ask(intent, DESK)

    assert isinstance(planned, Refusal), planned


async def test_the_tool_that_has_the_verb_is_taken(ask: Any) -> None:
    assert calls(await ask("Approve request 14", DESK)) == [("approveRequest", {"id": 14})]


@pytest.mark.parametrize(
    ("intent", "words"),
    [
        ("Search my documents for onboarding", "onboarding"),
        ("Find documents about travel expenses", "travel expenses"),
        ("Search the documents for request", "request"),
        ("Look for Ada Lovelace in the documents", "Ada Lovelace"),
    ],
)
async def test_the_words_of_a_search_are_never_left_out(ask: Any, intent: str, words: str) -> None:
    planned = await ask(intent, DESK)

    if isinstance(planned, Refusal):
        return
    for name, arguments in calls(planned):
        assert name == "searchDocuments"
        assert words in str(arguments.get("q", ""))
