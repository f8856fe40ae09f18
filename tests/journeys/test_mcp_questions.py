"""Runs whose MCP server asks a person something: they pause, are answered, and go on."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from grpc import aio

from errands.v1 import approval_pb2 as pb
from errands.v1 import event_pb2
from errands.v1.integration_pb2 import ListIntegrationsRequest
from errands.v1.run_pb2 import APPROVAL_STRATEGY_ON_TOOL_CALL, CancelRunRequest, PassThrough
from errands_server.app import Overrides
from tests.contract.conftest import Clock
from tests.gateway.approvals.links import CHROME, JSON, PATH, somebody
from tests.gateway.approvals.parsed import Page
from tests.journeys.test_mcp import add
from tests.scripted import Scene, ScriptedPlanner, plan_of
from tests.service import Service, reason, serving, violations
from tests.tools.mcp.servers import Target, target

DAY = 24 * 3_600_000
RED = {"colour": "red"}
SECRET = "canary-9c41/+d7e"


class Studio:
    """A server that paints in the colour a person says, and the service that calls it."""

    def __init__(self, service: Service, target: Target) -> None:
        self.service = service
        self.target = target

    async def asked(self, after: int = 0, run_id: str = "", **fields: Any) -> pb.Approval:
        """The question of a run, of a new one where none is given."""
        run_id = run_id or (await self.service.create("Paint", user_id="ada", **fields)).run_id
        event = await self.service.until(run_id, "approval_required", after)
        assert event.status == event_pb2.RUN_STATUS_PAUSED
        return event.approval_required

    async def decide(self, asked: pb.Approval, answer: Any = None, **fields: Any) -> pb.Approval:
        decision = fields.pop("decision", pb.DECISION_APPROVE)
        text = "" if answer is None else json.dumps(answer)
        request = pb.DecideApprovalRequest(
            approval_id=asked.approval_id, decision=decision, input_json=text, **fields
        )
        return (await self.service.approvals.DecideApproval(request)).approval


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def studio_at(
    data: Path, found: Target, clock: Clock, tool: str = "paint", **arguments: Any
) -> AsyncGenerator[Studio]:
    overrides = Overrides(
        environment=clock.environment, planner=ScriptedPlanner(plan_of(Scene(tool, arguments)))
    )
    async with serving(data, overrides) as service:
        yield Studio(service, found)


@pytest.fixture(params=[True, False], ids=["2026-07-28", "2025-11-25"])
async def studio(tmp_path: Path, clock: Clock, request: pytest.FixtureRequest) -> AsyncGenerator[Studio]:
    async with (
        target(modern=request.param) as found,
        studio_at(tmp_path / "data", found, clock, what="door") as studio,
    ):
        await add(studio.service, "studio", mcp_url=found.url, internal=True)
        yield studio


async def test_a_run_pauses_for_the_question_and_goes_on_with_the_answer(studio: Studio) -> None:
    asked = await studio.asked()
    before = list(studio.target.notes)
    decided = await studio.decide(asked, RED)
    run = await studio.service.finished(asked.run_id)

    assert asked.kind == pb.APPROVAL_KIND_INPUT
    assert asked.question.message == "Which colour?"
    assert json.loads(asked.question.schema_json)["properties"] == {
        "colour": {"type": "string", "title": "Colour"}
    }
    assert list(asked.choices) == [pb.DECISION_APPROVE, pb.DECISION_DENY]
    assert [json.loads(call.arguments_json) for call in asked.calls] == [{"what": "door"}]
    assert (json.loads(decided.input_json), decided.decision) == (RED, pb.DECISION_APPROVE)
    assert run.status == event_pb2.RUN_STATUS_SUCCESS, run.error
    assert (before, studio.target.notes) == ([], ["door red"])


async def test_an_answer_that_holds_a_secret_of_the_run_is_refused_and_the_question_stays(
    studio: Studio,
) -> None:
    listed = await studio.service.integrations.ListIntegrations(ListIntegrationsRequest())
    passed = PassThrough(customer_integration_id=listed.integrations[0].id, headers={"X-Key": SECRET})
    asked = await studio.asked(pass_through=[passed])
    with pytest.raises(aio.AioRpcError) as refused:
        await studio.decide(asked, {"colour": f"as {SECRET}"})
    waiting = (await studio.service.get(asked.run_id)).status
    await studio.decide(asked, RED)
    await studio.service.finished(asked.run_id)

    assert "passed through" in violations(refused.value)["input_json"]
    assert waiting == event_pb2.RUN_STATUS_PAUSED
    assert studio.target.notes == ["door red"]


@pytest.mark.parametrize(
    ("answer", "fields", "field", "message"),
    [
        (None, {}, "input_json", "must answer the question"),
        ({}, {}, "input_json.colour", "must be given"),
        ({"colour": 1}, {}, "input_json.colour", "must be a string"),
        ({**RED, "size": 1}, {}, "input_json.size", "is no field"),
        ([], {}, "input_json", "must be an object"),
        (RED, {"decision": pb.DECISION_DENY}, "input_json", "goes only with approving an INPUT"),
        (RED, {"decision": pb.DECISION_RETRY}, "decision", "does not fit"),
    ],
)
@pytest.mark.parametrize("studio", [True], indirect=True)
async def test_an_answer_that_does_not_fit_changes_nothing_and_names_its_field(
    studio: Studio, answer: Any, fields: Any, field: str, message: str
) -> None:
    asked = await studio.asked()
    with pytest.raises(aio.AioRpcError) as refused:
        await studio.decide(asked, answer, **fields)

    assert message in violations(refused.value)[field]
    assert (await studio.service.get(asked.run_id)).status == event_pb2.RUN_STATUS_PAUSED


async def test_the_same_answer_again_changes_nothing_and_another_is_too_late(studio: Studio) -> None:
    asked = await studio.asked()
    first = await studio.decide(asked, RED)
    again = await studio.decide(asked, RED)
    with pytest.raises(aio.AioRpcError) as refused:
        await studio.decide(asked, {"colour": "blue"})
    await studio.service.finished(asked.run_id)

    assert first == again
    assert reason(refused.value) == "ALREADY_DECIDED"
    assert studio.target.notes == ["door red"]


async def test_who_will_not_answer_ends_the_step_and_the_call_is_not_made_again(studio: Studio) -> None:
    asked = await studio.asked()
    await studio.decide(asked, decision=pb.DECISION_DENY)
    run = await studio.service.finished(asked.run_id)

    assert (run.status, run.error.reason) == (event_pb2.RUN_STATUS_NO_SUCCESS, "APPROVAL_DENIED")
    assert studio.target.notes == []


async def test_nobody_answers_in_time_which_counts_as_denied(studio: Studio, clock: Clock) -> None:
    asked = await studio.asked()
    clock.moved += DAY
    with pytest.raises(aio.AioRpcError) as refused:
        await studio.decide(asked, RED)
    run = await studio.service.finished(asked.run_id)

    assert reason(refused.value) == "APPROVAL_EXPIRED"
    assert run.status == event_pb2.RUN_STATUS_NO_SUCCESS
    assert studio.target.notes == []


async def test_a_cancelled_run_takes_no_answer(studio: Studio) -> None:
    asked = await studio.asked()
    await studio.service.runs.CancelRun(CancelRunRequest(run_id=asked.run_id))
    with pytest.raises(aio.AioRpcError) as refused:
        await studio.decide(asked, RED)

    assert reason(refused.value) == "APPROVAL_CLOSED"
    assert studio.target.notes == []


async def test_a_call_that_was_approved_is_asked_for_and_not_approved_again(studio: Studio) -> None:
    first = await studio.asked(approval_strategy=APPROVAL_STRATEGY_ON_TOOL_CALL)
    await studio.decide(first)
    required = await studio.service.until(first.run_id, "approval_resolved")
    second = await studio.asked(required.sequence, first.run_id)
    await studio.decide(second, RED)
    run = await studio.service.finished(first.run_id)

    assert (first.kind, second.kind) == (pb.APPROVAL_KIND_CALLS, pb.APPROVAL_KIND_INPUT)
    assert run.status == event_pb2.RUN_STATUS_SUCCESS, run.error


async def test_a_question_survives_the_service_and_so_does_its_answer(tmp_path: Path, clock: Clock) -> None:
    data = tmp_path / "data"
    async with target() as found:
        async with studio_at(data, found, clock, "repeat") as studio:
            await add(studio.service, "studio", mcp_url=found.url, internal=True)
            first = await studio.asked()
        async with studio_at(data, found, clock, "repeat") as studio:
            await studio.decide(first, RED)
            resolved = await studio.service.until(first.run_id, "approval_resolved")
            second = await studio.asked(resolved.sequence, first.run_id)
        async with studio_at(data, found, clock, "repeat") as studio:
            await studio.decide(second, {"number": 3})
            run = await studio.service.finished(first.run_id)

    assert run.status == event_pb2.RUN_STATUS_SUCCESS, run.error
    assert found.notes == ["3 red"]


async def test_a_server_that_asks_without_end_fails_the_step_after_ten_questions(
    tmp_path: Path, clock: Clock
) -> None:
    async with target(modern=False) as found, studio_at(tmp_path / "data", found, clock, "guess") as studio:
        await add(studio.service, "studio", mcp_url=found.url, internal=True)
        asked = await studio.asked()
        after = 0
        for _ in range(9):
            await studio.decide(asked, {"number": 1})
            after = (await studio.service.until(asked.run_id, "approval_resolved", after)).sequence
            asked = await studio.asked(after, asked.run_id)
        await studio.decide(asked, {"number": 1})
        run = await studio.service.finished(asked.run_id)

    assert run.status == event_pb2.RUN_STATUS_NO_SUCCESS
    assert "asks without end: 10 questions were answered" in run.error.message


# Over REST, by link, and on a page.


async def test_rest_shows_the_question_and_takes_the_answer(studio: Studio) -> None:
    asked = await studio.asked()
    async with somebody(studio.service, {"x-api-key": studio.service.key}) as client:
        [listed] = (await client.get("/v1/approvals", params={"runId": asked.run_id})).json()["approvals"]
        wrong = await client.post(
            f"/v1/approvals/{asked.approval_id}", json={"decision": "approve", "input": {"colour_of": 1}}
        )
        decided = await client.post(
            f"/v1/approvals/{asked.approval_id}", json={"decision": "approve", "input": RED}
        )
    await studio.service.finished(asked.run_id)

    assert listed["kind"] == "INPUT"
    assert listed["question"]["message"] == "Which colour?"
    assert listed["question"]["schema"]["required"] == ["colour"]
    fields = {error["field"] for error in wrong.json()["errors"]}
    assert (wrong.status_code, fields) == (400, {"input.colour", "input.colour_of"})
    assert (decided.status_code, decided.json()["input"]) == (200, RED)
    assert studio.target.notes == ["door red"]


def token(asked: pb.Approval, decision: int = pb.DECISION_APPROVE) -> str:
    return next(link.url for link in asked.actions if link.action == decision).partition("?token=")[2]


async def filled(client: httpx2.AsyncClient, asked: pb.Approval, **fields: Any) -> httpx2.Response:
    """The page's form, sent with these fields."""
    page = Page.of((await client.get(PATH, params={"token": token(asked)}, headers=CHROME)).text)
    data: Mapping[str, Any] = {**page.hidden, "decision": "approve", **fields}
    return await client.post(PATH, data=data, headers=CHROME)


async def test_the_page_of_the_link_asks_and_carries_the_answer(studio: Studio) -> None:
    asked = await studio.asked()
    async with somebody(studio.service) as ada:
        page = Page.of((await ada.get(PATH, params={"token": token(asked)}, headers=CHROME)).text)
        [field] = [found for tag, found in page.elements if found.get("name") == "input.colour"]
        empty = await filled(ada, asked, **{"input.colour": ""})
        done = await filled(ada, asked, **{"input.colour": "red"})
    run = await studio.service.finished(asked.run_id)

    assert "Which colour?" in page.words
    assert "Do not give passwords" in page.words
    assert (field["type"], "required" in field) == ("text", True)
    assert empty.status_code == 400
    assert "must be given" in Page.of(empty.text).words
    assert Page.of(empty.text).buttons == ["approve", "deny"]
    assert done.status_code == 201
    assert all(word in Page.of(done.text).words for word in ("Answered", "The answer", "red"))
    assert run.status == event_pb2.RUN_STATUS_SUCCESS, run.error
    assert studio.target.notes == ["door red"]


async def test_a_program_answers_by_the_link_or_is_told_what_is_missing(studio: Studio) -> None:
    asked = await studio.asked()
    async with somebody(studio.service) as program:
        bare = await program.get(PATH, params={"token": token(asked)}, headers=JSON)
        data = {"token": token(asked), "decision": "approve", "input.colour": "red"}
        page = Page.of((await program.get(PATH, params={"token": token(asked)}, headers=CHROME)).text)
        sent = await program.post(PATH, data={**data, "form": page.hidden["form"]}, headers=JSON)
    await studio.service.finished(asked.run_id)

    assert (bare.status_code, [e["field"] for e in bare.json()["errors"]]) == (400, ["input"])
    assert (sent.status_code, sent.json()["decision"]) == (201, "approve")
    assert studio.target.notes == ["door red"]


async def test_the_page_of_a_denying_link_has_no_fields(studio: Studio) -> None:
    asked = await studio.asked()
    async with somebody(studio.service) as ada:
        found = await ada.get(PATH, params={"token": token(asked, pb.DECISION_DENY)}, headers=CHROME)

    page = Page.of(found.text)
    assert page.buttons == ["deny"]
    assert not [name for _, e in page.elements if (name := e.get("name", "")).startswith("input.")]
