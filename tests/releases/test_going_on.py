"""Runs of a data folder go on: what was asked is decided, what was lost is found, what waited is sent."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any, TypeVar

import pytest

from errands.v1 import approval_pb2 as apb
from errands.v1 import event_pb2 as pb
from tests.gateway.approvals.links import JSON, pressed, somebody
from tests.gateway.approvals.parsed import Page
from tests.gateway.connecting.links import COOKIE, told
from tests.gateway.connecting.links import pressed as connected
from tests.releases.conftest import Today

APPROVE, DENY = apb.DECISION_APPROVE, apb.DECISION_DENY
SUCCESS = pb.RUN_STATUS_SUCCESS
T = TypeVar("T")


def only(found: list[T]) -> T:
    (one,) = found
    return one


def notes(today: Today) -> list[str]:
    """What was noted, but for the run that waited in the queue."""
    texts = [request.document["text"] for request in today.office.sent_to("/notes")]
    return [text for text in texts if text != "flour"]


async def test_a_plan_is_approved_and_carried_out(today: Today) -> None:
    last = await today.decide("wait for the plan", APPROVE)

    assert last.status == SUCCESS
    assert notes(today) == ["salt"]


async def test_a_plan_is_denied_and_nothing_is_sent(today: Today) -> None:
    last = await today.decide("wait for the plan", DENY)

    assert last.status == pb.RUN_STATUS_CANCELED
    assert notes(today) == []


async def test_a_program_approves_a_call_by_its_link(today: Today) -> None:
    async with somebody(today.service) as program:
        answer = await today.look(program, today.facts["approvalLinks"]["DECISION_APPROVE"], headers=JSON)
    run = await today.service.finished(today.run("wait for the call"))

    assert (answer.status_code, answer.json()["decision"]) == (201, "approve")
    assert run.status == SUCCESS
    assert notes(today) == ["pepper"]


async def test_a_person_approves_a_call_on_the_page_of_its_link(today: Today) -> None:
    async with somebody(today.service) as ada:
        page = await today.look(ada, today.facts["approvalLinks"]["DECISION_APPROVE"])
        before = notes(today)
        answer = await pressed(ada, page, "approve")
    run = await today.service.finished(today.run("wait for the call"))

    assert (page.status_code, Page.of(page.text).buttons, before) == (200, ["approve", "deny"], [])
    assert answer.status_code == 201
    assert run.status == SUCCESS
    assert notes(today) == ["pepper"]


async def test_the_other_link_of_a_call_denies_it_and_nothing_else(today: Today) -> None:
    async with somebody(today.service) as ada:
        page = await today.look(ada, today.facts["approvalLinks"]["DECISION_DENY"])
        answer = await pressed(ada, page, "deny")
    run = await today.service.finished(today.run("wait for the call"))

    assert (Page.of(page.text).buttons, answer.status_code) == (["deny"], 201)
    assert (run.status, run.error.reason) == (pb.RUN_STATUS_NO_SUCCESS, "APPROVAL_DENIED")
    assert notes(today) == []


async def test_a_call_in_doubt_is_sent_again_when_a_person_says_so(today: Today) -> None:
    last = await today.decide("wait in doubt", apb.DECISION_RETRY)

    assert last.status == SUCCESS
    assert only(today.office.sent_to("/lost")).document == {"text": "eggs"}
    assert notes(today) == ["milk"], "which stands in a document that was read before"


async def test_a_call_in_doubt_is_taken_as_done_when_a_person_says_so(today: Today) -> None:
    last = await today.decide("wait in doubt", apb.DECISION_DONE, output_json='{"id": 1}')

    assert last.status == SUCCESS
    assert today.office.sent_to("/lost") == []
    assert notes(today) == ["milk"]


async def test_the_answer_to_a_question_reaches_who_asked_with_the_state_it_gave(today: Today) -> None:
    last = await today.decide("wait for an answer", APPROVE, input_json='{"colour": "red"}')
    call = only(calls_of(today, "paint"))

    assert last.status == SUCCESS
    assert call["requestState"] == "halfway"
    assert call["inputResponses"] == {"a": {"action": "accept", "content": {"colour": "red"}}}


async def test_a_call_is_made_again_once_the_user_was_at_the_page(today: Today) -> None:
    async with somebody(today.service) as ada:
        page = await today.look(ada, today.facts["connectLinks"]["wait for a page"])
        answer = await connected(ada, page)
    run = await today.service.finished(today.run("wait for a page"))

    assert answer.status_code == 200
    assert run.status == SUCCESS
    assert only(calls_of(today, "buy"))["requestState"] == "halfway"


def calls_of(today: Today, tool: str) -> list[Any]:
    """What was asked of a tool of the MCP server."""
    messages = [json.loads(request.body or "{}") for request in today.office.sent_to("/mcp")]
    calls = [message["params"] for message in messages if message.get("method") == "tools/call"]
    return [call for call in calls if call["name"] == tool]


async def test_a_lost_call_of_a_service_with_keys_is_sent_again_with_its_key(today: Today) -> None:
    run = await today.service.finished(today.run("be lost with a key"))
    sent = only([request for request in today.office.sent_to("/held") if request.host == "ledger"])

    assert run.status == SUCCESS
    assert sent.headers["idempotency-key"] == today.facts["idempotencyKey"]
    assert sent.document == {"amount": 5}


async def test_a_lost_call_of_a_service_without_keys_is_not_sent_and_a_person_is_asked(today: Today) -> None:
    run_id = today.run("be lost without a key")
    asked = (await today.service.until(run_id, "approval_required")).approval_required
    sent = [request for request in today.office.sent_to("/held") if request.host == "notes"]
    await today.service.decide(asked.approval_id, apb.DECISION_RETRY)
    run = await today.service.finished(run_id)
    after = [request for request in today.office.sent_to("/held") if request.host == "notes"]

    assert (asked.kind, sent) == (apb.APPROVAL_KIND_IN_DOUBT, [])
    assert run.status == SUCCESS
    assert only(after).document == {"text": "sugar"}


async def test_a_cancellation_that_was_under_way_ends_and_says_what_is_unknown(today: Today) -> None:
    events = await today.service.events(today.run("be cancelled under way"), include_tool_calls=True)
    calls = [event.tool_call.call_id for event in events if event.HasField("tool_call")]
    sent = [request for request in today.office.sent_to("/held") if request.host == "notes"]

    assert events[-1].status == pb.RUN_STATUS_CANCELED
    assert list(events[-1].status_changed.report.unknown) == [only(calls)]
    assert sent == []


async def test_a_run_that_waited_in_the_queue_is_planned_and_carried_out(today: Today) -> None:
    run = await today.service.finished(today.run("wait in the queue"))

    assert run.status == SUCCESS
    assert today.planner.asked == 1
    assert only(today.office.sent_to("/notes")).document == {"text": "flour"}


async def test_a_call_is_sent_with_what_came_with_its_run(today: Today) -> None:
    last = await today.decide("wait to send what came with the run", APPROVE)
    (sent,) = [request for request in today.office.sent_to("/notes") if request.document["text"] == "rice"]

    assert last.status == SUCCESS
    assert sent.headers["x-key"] == "secret-of-the-run"


async def test_a_call_keeps_to_the_revision_it_was_planned_with_and_its_account_of_all(today: Today) -> None:
    last = await today.decide("wait to send with the account of all", APPROVE)

    assert last.status == SUCCESS
    assert only(today.office.sent_to("/mail")).headers["authorization"] == "Bearer token-of-all"


async def test_a_call_is_sent_with_its_users_connection(today: Today) -> None:
    last = await today.decide("wait to read with a connection", APPROVE)

    assert last.status == SUCCESS
    assert only(today.office.sent_to("/secret")).headers["authorization"] == "Bearer vault-token-of-ada"


async def test_a_connection_that_ran_out_is_renewed_with_the_secret_of_the_client(today: Today) -> None:
    last = await today.decide("wait to read with what must be renewed", APPROVE)
    renewal = only(today.office.sent_to("/token"))

    assert last.status == SUCCESS
    assert "refresh_token=old-calendar-refresh" in renewal.body
    assert (
        b64decode(renewal.headers["authorization"].removeprefix("Basic ")) == b"errands:secret-of-the-client"
    )
    assert only(today.office.sent_to("/calendar")).headers["authorization"] == "Bearer new-calendar-token"


async def test_a_run_that_waits_for_a_connection_goes_on_once_its_link_was_used(today: Today) -> None:
    async with somebody(today.service) as grace:
        page = await today.look(grace, today.facts["connectLinks"]["wait for a connection"])
        answer = await connected(grace, page, secret="vault-token-of-grace")
    run = await today.service.finished(today.run("wait for a connection"))

    assert "Connected" in told(answer)
    assert run.status == SUCCESS
    assert only(today.office.sent_to("/secret")).headers["authorization"] == "Bearer vault-token-of-grace"


async def test_a_link_that_nobody_had_opened_connects(today: Today) -> None:
    async with somebody(today.service) as grace:
        page = await today.look(grace, today.facts["connectLinks"]["nobody has opened"])
        answer = await connected(grace, page, secret="vault-token-of-grace")

    assert "Connected" in told(answer)


@pytest.mark.parametrize(("browser", "status"), [("grace's", 200), ("another", 400)])
async def test_who_was_at_the_service_comes_back_in_the_same_browser(
    today: Today, browser: str, status: int
) -> None:
    flow = today.facts["flow"]
    async with somebody(today.service) as grace:
        grace.cookies.set(COOKIE, flow["browser"] if browser == "grace's" else "A" * 43)
        answer = await grace.get("/connect/callback", params={"state": flow["state"], "code": "code-1"})
    exchanges = today.office.sent_to("/token")

    assert answer.status_code == status
    assert len(exchanges) == (status == 200)
    assert all("code=code-1" in one.body and "code_verifier=" in one.body for one in exchanges)
