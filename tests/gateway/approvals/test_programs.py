"""Links opened by programs: with a key, or asking for JSON by its name, they decide at once."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from errands.v1 import event_pb2, key_pb2, run_pb2
from tests.contract.conftest import Clock, Serve
from tests.contract.plans import WRITE, steps
from tests.contract.target import Target
from tests.gateway.approvals.links import DAY, JSON, ON_START, PATH, asked, opened, somebody, state, waits
from tests.gateway.callers import errors, reason
from tests.service import Service

ANYTHING = {"accept": "*/*"}
NAMED = (
    "application/json",
    "Application/JSON; charset=utf-8",
    "application/json;q=0.5",
    "application/json;q=1.000",
    "application/json, text/plain, */*",
    "text/html, application/json;q=0.1",
)
NOT_NAMED = (
    "",
    "*/*",
    "application/*",
    "application/vnd.errands+json",
    "application/problem+json",
    "application/json-seq",
    "application/jsonp",
    "application/json;q=0",
    "application/json; q=0.000, */*",
    "application/json;q=many",
    "text/html;application/json",
)


async def approver(service: Service) -> tuple[Service, str]:
    """Somebody whose key may decide, and the key's id."""
    made = await service.keys.CreateKey(key_pb2.CreateKeyRequest(name="approver", scopes=["approvals"]))
    return service.speaking_as(made.secret), made.key.id


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
async def test_a_key_that_may_decide_decides_by_opening_a_link(
    serve: Serve, target: Target, header: str
) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, ANYTHING) as client:
        found = await asked(service)
        who, key_id = await approver(service)
        sent = {header: who.key if header == "x-api-key" else f"Bearer {who.key}"}
        answer = await opened(client, found.approving, sent)
        run = await service.finished(found.run_id)

        assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")
        assert answer.json() == {
            "runId": found.run_id,
            "approvalId": found.approval.approval_id,
            "stepId": "s1",
            "decision": "approve",
            "status": "decided",
        }
        assert (await state(service, found)).actor == f"key:{key_id}"
        assert run.status == event_pb2.RUN_STATUS_SUCCESS
        assert len(target.received) == 1


async def test_asking_for_json_by_its_name_decides(serve: Serve, target: Target) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, {}) as client:
        for number, accept in enumerate(NAMED, 1):
            found = await asked(service)
            answer = await opened(client, found.approving, {"accept": accept})
            await service.finished(found.run_id)

            assert (answer.status_code, answer.json()["decision"]) == (201, "approve"), accept
            assert (await state(service, found)).actor == "link"
            assert len(target.received) == number


async def test_json_that_is_not_named_does_not_decide(serve: Serve, target: Target) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, {}) as client:
        found = await asked(service)
        for accept in NOT_NAMED:
            answer = await opened(client, found.approving, {"accept": accept})

            assert answer.status_code == 200, accept
            assert answer.headers["content-type"].startswith("text/html"), accept
            assert await waits(service, found), accept
        assert not target.received


async def test_a_denying_link_denies(serve: Serve, target: Target) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, JSON) as client:
        plan = await asked(service, strategy=ON_START)
        answer = await opened(client, plan.denying)
        run = await service.finished(plan.run_id)

        assert answer.status_code == 201
        assert answer.json() == {
            "runId": plan.run_id,
            "approvalId": plan.approval.approval_id,
            "decision": "deny",
            "status": "decided",
        }
        assert run.status == event_pb2.RUN_STATUS_CANCELED
        assert not target.received


async def test_a_wrong_key_opens_nothing(serve: Serve, target: Target) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as client:
        found = await asked(service)
        stranger = await service.stranger()
        for sent in (
            {"x-api-key": stranger.key},
            {"x-api-key": "none"},
            {"x-api-key": ""},
            {"authorization": "Bearer none"},
            {"x-api-key": service.key, "authorization": f"Bearer {stranger.key}"},
        ):
            for answer in (
                await opened(client, found.approving, sent),
                await opened(client, found.approving, {**sent, **JSON}),
                await opened(client, found.approving, {**sent, "purpose": "prefetch"}),
            ):
                assert reason(answer) == (401, "CREDENTIALS_INVALID"), sent
                assert answer.headers["www-authenticate"] == "Bearer"
        assert await waits(service, found)
        assert not target.received


async def test_a_key_that_may_not_decide_counts_as_none(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, {}) as client:
        found = await asked(service)
        reader = await service.with_scopes("runs:read", "runs:write", "integrations")
        shown = await opened(client, found.approving, {"x-api-key": reader.key, "accept": "*/*"})
        waited = await waits(service, found)
        decided = await opened(client, found.approving, {"x-api-key": reader.key, **JSON})

        assert (shown.status_code, waited) == (200, True)
        assert shown.headers["content-type"].startswith("text/html")
        assert decided.status_code == 201
        assert (await state(service, found)).actor == "link"


async def test_a_password_for_a_proxy_is_no_key(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, ANYTHING) as client:
        found = await asked(service)
        answer = await opened(client, found.approving, {"authorization": "Basic dXNlcjpwYXNz"})

        assert answer.status_code == 200
        assert await waits(service, found)


async def test_what_is_no_token_is_refused(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, JSON) as client:
        found = await asked(service)
        good = found.approving
        for text in (
            "",
            "A",
            good[:-4],
            good + "AAAA",
            good[::-1],
            "é",
            "\0",
            "a b",
            "A" * 3_000,
            good + "!",
        ):
            answer = await opened(client, text)

            assert reason(answer) == (400, "TOKEN_INVALID"), text
        missing = await client.get(PATH)
        twice = await client.get(PATH, params=[("token", good), ("token", good)])

        assert (reason(missing), set(errors(missing))) == ((400, "FIELD_INVALID"), {"token"})
        assert (reason(twice), set(errors(twice))) == ((400, "FIELD_INVALID"), {"token"})
        assert await waits(service, found)


async def test_the_same_decision_again_succeeds_and_the_opposite_is_refused(
    serve: Serve, target: Target
) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, JSON) as client:
        found = await asked(service)
        first = await opened(client, found.approving)
        await service.finished(found.run_id)
        again = await opened(client, found.approving)
        by_key = await opened(client, found.approving, {"x-api-key": service.key})
        opposite = await opened(client, found.denying)

        assert first.status_code == again.status_code == by_key.status_code == 201
        assert first.json() == again.json() == by_key.json()
        assert reason(opposite) == (400, "ALREADY_DECIDED")
        assert len(target.received) == 1


async def test_a_link_ends_with_its_run_and_with_its_time(serve: Serve, clock: Clock, target: Target) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, JSON) as client:
        late, stopped = await asked(service), await asked(service)
        await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=stopped.run_id))
        closed = await opened(client, stopped.approving)
        clock.moved += DAY
        expired = await opened(client, late.approving)

        assert reason(closed) == (400, "APPROVAL_CLOSED")
        assert reason(expired) == (400, "APPROVAL_EXPIRED")
        assert not target.received


async def test_other_methods_are_refused(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, JSON) as client:
        found = await asked(service)
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
            answer: httpx2.Response = await client.request(method, PATH, params={"token": found.approving})

            assert reason(answer) == (405, "METHOD_NOT_ALLOWED")
            assert answer.headers["allow"] == "GET, HEAD, POST"
        assert await waits(service, found)


async def test_the_document_says_how_links_answer(service: Service) -> None:
    async with somebody(service) as client:
        paths: Any = (await client.get("/openapi.json")).json()["paths"][PATH]

    assert paths["get"]["operationId"] == "RunController_runApproval"
    assert {} in paths["get"]["security"]
    assert set(paths["get"]["responses"]["201"]["content"]) == {"application/json"}
    assert set(paths["get"]["responses"]["200"]["content"]) == {"text/html"}
    assert set(paths["get"]["responses"]["400"]["content"]) == {"application/problem+json", "text/html"}
    assert set(paths["post"]["requestBody"]["content"]) == {"application/x-www-form-urlencoded"}
    assert set(paths["post"]["responses"]["201"]["content"]) == {"application/json", "text/html"}
    assert {"400", "401", "408", "413", "415"} <= set(paths["post"]["responses"])
