"""What a server said of a data folder's runs is said by every later one, to the keys and tokens of then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from grpc import aio

from errands.v1 import approval_pb2, connection_pb2, integration_pb2, key_pb2
from errands.v1 import run_pb2 as pb
from tests.contract.refusals import refused
from tests.gateway import callers
from tests.releases.conftest import Today
from tests.releases.folder import missing, shown
from tests.releases.plans import PLANS
from tests.service import Service, reason

LARGE = 65_536


async def test_everything_that_rest_told_is_told_again(today: Today) -> None:
    async with today.asking() as http:
        now = {path: shown((await http.get(path)).json()) for path in today.folder.told["rest"]}

    assert missing(today.folder.told["rest"], now) == []


async def test_the_events_of_every_run_read_as_they_did(today: Today) -> None:
    then = today.folder.told["events"]
    now: dict[str, list[Any]] = {}
    for intent, events in then.items():
        request = pb.ListRunEventsRequest(run_id=today.run(intent), include_tool_calls=True, limit=1_000)
        listed = (await today.service.runs.ListRunEvents(request)).events
        now[intent] = [shown(MessageToDict(event)) for event in listed][: len(events)]

    assert then.keys() == today.facts["runs"].keys() == {*PLANS, "find no tool"}
    assert missing(then, now) == []


async def test_runs_are_listed_newest_first(today: Today) -> None:
    listed = await today.service.runs.ListRuns(pb.ListRunsRequest(page_size=100))
    ids = [run.run_id for run in listed.runs]

    assert ids == sorted(ids, reverse=True)
    assert set(today.facts["runs"].values()) <= set(ids)


async def test_a_document_too_large_for_an_event_is_read_whole(today: Today) -> None:
    run = await today.service.get(today.run("read much"))

    assert run.result_json == f'{{"first":"milk","rest":"{"x" * LARGE}"}}'


async def test_a_key_opens_what_its_scope_says_and_no_more(today: Today) -> None:
    scopes = today.facts["keys"].keys() - {"operator", "stranger", "revoked"}
    open_to = {scope: await _open_to(today.key(scope)) for scope in scopes}
    revoked = await refused(today.key("revoked").runs.ListRuns(pb.ListRunsRequest()))
    request = pb.GetRunRequest(run_id=today.run("read much"))
    foreign = await refused(today.key("stranger").runs.GetRun(request))

    assert open_to == {
        "runs:read": {"runs:read", "approvals"},
        "runs:write": {"runs:write"},
        "approvals": {"approvals"},
        "integrations": {"integrations"},
        "connections": {"connections"},
        "admin": {"runs:read", "runs:write", "approvals", "integrations", "connections", "admin"},
    }
    assert (reason(revoked), reason(foreign)) == ("CREDENTIALS_INVALID", "RUN_NOT_FOUND")


async def _open_to(service: Service) -> set[str]:
    """The scopes whose requests are not refused to this key."""
    unknown = integration_pb2.DeleteIntegrationRequest(id="unknown")
    nothing = pb.CreateRunRequest(
        intent="read much", user_id="ada", selected_customer_integration_ids=["*"], validate_only=True
    )
    requests = {
        "runs:read": service.runs.ListRuns(pb.ListRunsRequest(page_size=1)),
        "runs:write": service.runs.CreateRun(nothing),
        "approvals": service.approvals.ListApprovals(approval_pb2.ListApprovalsRequest()),
        "integrations": service.integrations.DeleteIntegration(unknown),
        "connections": service.connections.ListConnections(connection_pb2.ListConnectionsRequest()),
        "admin": service.keys.ListKeys(key_pb2.ListKeysRequest()),
    }
    answers = await asyncio.gather(*requests.values(), return_exceptions=True)
    return {scope for scope, one in zip(requests, answers, strict=True) if not _lacks_scope(one)}


def _lacks_scope(answer: Any) -> bool:
    return isinstance(answer, aio.AioRpcError) and reason(answer) in {"SCOPE_MISSING", "CREDENTIALS_INVALID"}


async def test_a_stream_ticket_opens_its_stream_once(today: Today) -> None:
    request = pb.StreamRunEventsRequest(run_id=today.run("read much"))

    async def open_stream() -> list[int]:
        call = today.service.runs.StreamRunEvents(
            request, metadata=[("x-stream-ticket", today.facts["ticket"])]
        )
        return [event.sequence async for message in call for event in message.events]

    streamed = await open_stream()
    with pytest.raises(aio.AioRpcError) as again:
        await open_stream()

    assert streamed == [event.sequence for event in await today.service.events(today.run("read much"))]
    assert reason(again.value) == "TICKET_INVALID"


async def test_the_same_request_is_the_same_run_and_another_body_is_refused(today: Today) -> None:
    key, body = today.facts["requests"]["rest"]["key"], today.facts["requests"]["rest"]["body"]
    fields = today.facts["requests"]["grpc"]
    async with today.asking() as http:
        same = await http.post("/v1/runs", json=body, headers={"Idempotency-Key": key})
        other = await http.post(
            "/v1/runs", json={**body, "intent": "another"}, headers={"Idempotency-Key": key}
        )
    again = await today.service.create("read much", **fields)
    refusal = await refused(today.service.create("another", **fields))

    assert (same.status_code, same.json()["runId"]) == (201, today.run("note what the context says"))
    assert callers.reason(other) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert again.run_id == today.run("read much")
    assert reason(refusal) == "IDEMPOTENCY_KEY_REUSED"


async def test_a_repeat_key_repeats_the_run_with_its_plan(today: Today) -> None:
    body = {**today.facts["requests"]["rest"]["body"], "context": "text=honey"}
    async with today.asking() as http:
        created = (await http.post("/v1/runs", json=body)).json()
    await today.service.finished(created["runId"])

    assert created["repeatRunId"] == today.run("note what the context says")
    assert created["executionPlanId"] == today.facts["executionPlanId"]
    assert {"text": "honey"} in [request.document for request in today.office.sent_to("/notes")]
