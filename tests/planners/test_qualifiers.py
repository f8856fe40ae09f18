"""Words that change what is asked: no plan that changes something leaves one of them out."""

from __future__ import annotations

from typing import Any

import pytest

from errands_server.domain.errors import Reason
from errands_server.domain.plan import Plan
from errands_server.domain.tool import Effect
from errands_server.ports import Refusal
from tests.planners.catalogs import CRM, PLANNER, SHOP, TEXT, WHOLE, thing, tool
from tests.planners.conftest import calls

FORGE = (
    tool(
        "deleteRepository",
        "Delete a repository",
        "DELETE",
        "/repos/{owner}/{repo}",
        thing("owner repo", owner=TEXT, repo=TEXT),
    ),
    tool(
        "closeIssue",
        "Close an issue",
        "POST",
        "/issues/{number}/close",
        thing("number", number=WHOLE, reason=TEXT),
    ),
    tool("getIssue", "Get an issue", "GET", "/issues/{number}", thing("number", number=WHOLE)),
)
COMMANDS = (
    (SHOP, "cancel order ord_17", "cancelOrder"),
    (SHOP, "delete customer cus_ada", "deleteCustomer"),
    (SHOP, "refund order ord_17 with an amount of 5", "refundOrder"),
    (SHOP, "create a customer named Ada with email ada@example.com", "createCustomer"),
    (PLANNER, "delete the calendar event evt_9", "deleteEvent"),
    (CRM, "create a task called Clean desk", "tasks_create"),
    (CRM, 'add the note "call back" to contact 7', "notes_add"),
    (FORGE, "delete the repository acme/webshop", "deleteRepository"),
    (FORGE, "close issue 42", "closeIssue"),
)
PLAIN = (
    "{}",
    "Please {}.",
    "Could you {}, please?",
    "I want to {}.",
    "I'd like you to {}.",
    "Hi! Can you {} for me? Thanks!",
    "Don't forget to {}.",
    "{} now",
    "{} if you don't mind",
    "We need to {} today.",
)
CHANGED = {
    "negation": (
        "Do not {}.",
        "Don't {} yet.",
        "Never {}.",
        "Please don\u2019t {}.",
        "I do NOT want to {}.",
        "Whatever happens, do not {}",
        "Nobody should {}.",
        "Dont {}",
        "Avoid anything that could {}.",
        "{}? No!",
        "{} - never mind",
    ),
    "condition": (
        "{} if it has no open issues",
        "If the teapot is in stock, {}.",
        "{} unless Maria objects",
        "Unless it is paid, {}",
        "{} once the shipment has arrived",
        "When the build is green, {}.",
        "{} as soon as possible after the release is out",
        "In case it rains, {}",
        "{}, provided that the total is right",
        "{}, otherwise tell me",
        "Either {} or tell me why",
        "Depending on the weather, {}.",
    ),
    "restriction": (
        "Only {}",
        "{}, but only the oldest",
        "{} except main",
        "{} with read access only",
        "{} instead of the other",
        "{} apart from what is paid",
        "{} for at most ten euros",
        "{} unless and until further notice",
    ),
    "question": (
        "Should I {}?",
        "How do I {}?",
        "How can I {}?",
        "What would happen if I {}?",
        "What happens when I {}?",
        "Can I {}?",
        "May I {}?",
        "Is it a good idea to {}?",
        "Is it possible to {}?",
        "Would it be wise to {}?",
        "Did you {}?",
        "Why would anybody {}?",
        "Who can {}?",
        "Explain how to {}",
    ),
    "report": (
        "I already asked Bob to {}.",
        "Yesterday somebody wanted to {}.",
        "Maria said to {}",
        "The boss wants us to {}.",
        "They told me to {}",
        "He asked whether we {}",
        "I was told to {}",
        "My colleague thinks we ought to {}",
    ),
    "waiting": (
        "{} but wait until I confirm",
        "Wait for my go-ahead, then {}",
        "Ask me first, then {}",
        "{} after Maria has agreed",
        "{} pending approval by finance",
        "Check with Bob and {}",
        "Let me know before you {}",
    ),
    "time": (
        "{} tomorrow at noon",
        "Tomorrow, {}.",
        "{} next week",
        "{} every Monday",
        "Every day, {}",
        "{} in two hours",
        "{} later",
        "{} on Friday",
        "{} tonight",
        "{} at midnight",
        "{} on 2031-05-04",
    ),
    "uncertain": (
        "Maybe {}",
        "Perhaps we could {}",
        "I am thinking about whether to {}",
        "I was going to {}",
        "Suppose you {}",
        "Imagine that you {}",
        "We might {}",
        "I would have liked to {}",
        "I plan to {}",
    ),
}
SENTENCES = [(kind, form) for kind, forms in CHANGED.items() for form in forms]


def said(form: str, command: str) -> str:
    sentence = form.format(command)
    return sentence[:1].upper() + sentence[1:]


@pytest.mark.parametrize(("tools", "command", "name"), COMMANDS, ids=[command for _, command, _ in COMMANDS])
async def test_a_plain_command_is_planned_however_politely_it_is_said(
    ask: Any, tools: Any, command: str, name: str
) -> None:
    for form in PLAIN:
        planned = await ask(said(form, command), tools)
        assert [tool for tool, _ in calls(planned)] == [name], (form, planned)


@pytest.mark.parametrize(("kind", "form"), SENTENCES, ids=[form for _, form in SENTENCES])
async def test_nothing_is_changed_where_words_change_what_is_asked(ask: Any, kind: str, form: str) -> None:
    for tools, command, name in COMMANDS:
        if kind == "time" and name == "tasks_create":
            continue  # it takes a day
        planned = await ask(said(form, command), tools)
        changing = {one.tool.name for one in tools if one.tool.effect is Effect.WRITE}
        assert isinstance(planned, Refusal) or changing.isdisjoint(tool for tool, _ in calls(planned)), (
            kind,
            said(form, command),
            planned,
        )


@pytest.mark.parametrize(
    ("tools", "intent"),
    [
        (FORGE, "Maria deleted the repository acme/webshop"),
        (FORGE, "The intern closed issue 42"),
        (FORGE, "Issue 42 got closed"),
        (FORGE, "Delete all branches of acme/webshop except main"),
        (FORGE, "We will delete the repository acme/webshop"),
        (FORGE, "I'll delete the repository acme/webshop"),
        (FORGE, "Read issue 42, but do not close issue 42"),
        (SHOP, "The customer cancelled order ord_17"),
        (SHOP, "Order ord_17 has been cancelled"),
        (SHOP, "I already ordered 3 mugs for customer cus_ada, did they arrive?"),
        (SHOP, "Get order ord_17 and refund it with an amount of 5 unless it is paid"),
        (SHOP, "Cancel order ord_17, or better not"),
        (CRM, "Create a task called Clean desk, high priority, only if nobody did"),
        (PLANNER, "Cancel the calendar event evt_9? I am not sure"),
    ],
)
async def test_what_is_told_or_excepted_is_not_done(ask: Any, tools: Any, intent: str) -> None:
    planned = await ask(intent, tools)
    changing = {one.tool.name for one in tools if one.tool.effect is Effect.WRITE}

    assert isinstance(planned, Refusal) or changing.isdisjoint(tool for tool, _ in calls(planned)), planned


async def test_the_refusal_names_the_words(ask: Any) -> None:
    refusal = await ask("Delete the repository acme/webshop if it has no open issues", FORGE)

    assert refusal.reason is Reason.INTENT_NOT_UNDERSTOOD
    assert "'if'" in refusal.message


@pytest.mark.parametrize(
    ("tools", "intent", "given"),
    [
        (CRM, 'Add the note "do not call before noon" to contact 7', "do not call before noon"),
        (CRM, "Create a task called 'Only if it rains: wait'", "Only if it rains: wait"),
    ],
)
async def test_texts_may_say_what_they_like(ask: Any, tools: Any, intent: str, given: str) -> None:
    ((_, arguments),) = calls(await ask(intent, tools))

    assert given in arguments.values()


async def test_a_time_that_the_tool_takes_is_no_qualifier(ask: Any) -> None:
    planned = await ask("Create a calendar event called Standup tomorrow at 10:00", PLANNER)

    assert [name for name, _ in calls(planned)] == ["createEvent"]


async def test_reads_go_on(ask: Any) -> None:
    planned = await ask("If you find it, show issue 42, but only the title", FORGE)

    assert isinstance(planned, Plan)
