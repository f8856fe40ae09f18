"""Creating safely: the same request again is the same run, and waiting for a plan is the caller's choice."""

from __future__ import annotations

import asyncio
import json

from tests.contract.conftest import Serve
from tests.contract.plans import READ, steps
from tests.gateway.callers import RUN, asking, errors, problem, reason
from tests.gateway.raw import send
from tests.scripted import ScriptedPlanner
from tests.service import PATIENCE, Service


async def test_the_same_request_again_is_the_same_run_however_it_is_written(service: Service) -> None:
    shuffled = dict(reversed(RUN.items()))
    async with asking(service) as http:
        first = await http.post("/v1/runs", json=RUN, headers={"Idempotency-Key": "once"})
        for key, content in (
            ("once", json.dumps(RUN)),
            ('"once"', json.dumps(RUN)),
            ('"\\o\\nce"', json.dumps(RUN)),
            ("once", json.dumps(RUN, indent=4)),
            ("once", json.dumps(shuffled)),
            ("once", json.dumps({**RUN, "approvalStrategy": "NONE", "passThrough": []})),
        ):
            headers = {"Idempotency-Key": key, "Prefer": "wait=1"}
            again = await http.post("/v1/runs", content=content, headers=headers)

            assert again.status_code == 201
            assert again.json()["runId"] == first.json()["runId"], (key, content)
            assert again.headers["location"] == first.headers["location"]
        assert len((await http.get("/v1/runs")).json()) == 1


async def test_the_same_request_tells_where_the_run_stands_now(serve: Serve) -> None:
    planner = ScriptedPlanner(steps(READ))
    planner.may_plan.clear()
    headers = {"Idempotency-Key": "once", "Prefer": "wait=0"}
    async with serve(planner) as service, asking(service) as http:
        first = (await http.post("/v1/runs", json=RUN, headers=headers)).json()
        planner.may_plan.set()
        await service.finished(first["runId"])
        again = (await http.post("/v1/runs", json=RUN, headers=headers)).json()

    assert (first["plan"]["planType"], first["plan"]["plan"]) == ("text", "")
    assert again["status"] == "SUCCESS"
    assert again["plan"]["planType"] == "json"
    assert again["executionPlanId"] == first["executionPlanId"]
    assert again["events"][: len(first["events"])] == first["events"]
    assert planner.asked == 1


async def test_many_at_once_are_one(service: Service) -> None:
    async with asking(service) as http:
        asked = [http.post("/v1/runs", json=RUN, headers={"Idempotency-Key": "once"}) for _ in range(20)]
        answers = await asyncio.gather(*asked)

        assert len((await http.get("/v1/runs?pageSize=100")).json()) == 1
    # 409 says that the other one is about to be stored.
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["runId"] for answer in answers if answer.status_code == 201}) == 1


async def test_another_request_under_a_used_key_is_refused(service: Service) -> None:
    async with asking(service) as http:
        await http.post("/v1/runs", json=RUN, headers={"Idempotency-Key": "once"})
        for other in ({"intent": "other"}, {"userId": "other"}, {"outputSchema": {}}, {"repeatKey": "other"}):
            answer = await http.post("/v1/runs", json={**RUN, **other}, headers={"Idempotency-Key": "once"})

            assert reason(answer) == (422, "IDEMPOTENCY_KEY_REUSED"), other
            assert (
                problem(answer)["detail"] == "the Idempotency-Key was used with another body; use a new one"
            )
        assert len((await http.get("/v1/runs")).json()) == 1


async def test_a_refused_request_uses_no_key_up(service: Service) -> None:
    async with asking(service) as http:
        headers = {"Idempotency-Key": "once"}
        wrong = await http.post(
            "/v1/runs", json={**RUN, "selectedCustomerIntegrationIds": ["a"]}, headers=headers
        )
        right = await http.post("/v1/runs", json=RUN, headers=headers)

    assert (wrong.status_code, right.status_code) == (400, 201)


async def test_a_key_belongs_to_its_tenant(service: Service) -> None:
    stranger = await service.stranger()
    async with asking(service) as mine, asking(stranger) as theirs:
        headers = {"Idempotency-Key": "once"}
        one = await mine.post("/v1/runs", json=RUN, headers=headers)
        other = await theirs.post("/v1/runs", json=RUN, headers=headers)

    assert one.json()["runId"] != other.json()["runId"]


async def test_a_key_is_1_to_255_printable_ascii_characters(service: Service) -> None:
    body = json.dumps(RUN).encode()
    length = f"content-length: {len(body)}"
    for good in ("a", "x" * 255, f'"{"x" * 255}"', "a b", '"', '"a', "'a'", ' "spaces"  '):
        answer = await send(service, "POST", "/v1/runs", length, f"idempotency-key: {good}", body=body)

        assert answer.status == 201, good
    for bad in ("", '""', "x" * 256, f'"{"x" * 256}"', "é", "a\tb"):
        answer = await send(service, "POST", "/v1/runs", length, f"idempotency-key: {bad}", body=body)

        assert answer.status == 400, bad
        assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]
    async with asking(service) as http:
        twice = await http.post(
            "/v1/runs", json=RUN, headers=[("idempotency-key", "a"), ("idempotency-key", "a")]
        )

    assert errors(twice) == {"Idempotency-Key": "is given more than once"}


async def test_a_caller_says_how_long_to_wait_for_the_plan(serve: Serve) -> None:
    planner = ScriptedPlanner(steps(READ))
    planner.may_plan.clear()
    async with serve(planner) as service, asking(service) as http:
        for preferences in (
            [("prefer", "wait=0")],
            [("prefer", 'respond-async, wait = "0"; a=b')],
            [("prefer", "respond-async"), ("prefer", "WAIT=0")],
        ):
            async with asyncio.timeout(PATIENCE):
                answer = await http.post("/v1/runs", json=RUN, headers=preferences)

            assert answer.status_code == 201
            assert answer.headers["preference-applied"] == "wait=0"
            assert answer.json()["plan"]["plan"] == ""
        waiting = asyncio.create_task(http.post("/v1/runs", json=RUN, headers={"prefer": "wait=99999"}))
        while planner.asked < 4:
            planner.was_asked.clear()
            await asyncio.wait_for(planner.was_asked.wait(), PATIENCE)
        planner.may_plan.set()
        waited = await waiting
        event = await service.until(answer.json()["runId"], "plan")

    assert waited.headers["preference-applied"] == "wait=60"
    assert waited.json()["plan"]["planType"] == "json"
    assert event.plan.execution_plan_id == answer.json()["executionPlanId"]


async def test_a_preference_that_is_not_understood_is_ignored(service: Service) -> None:
    async with asking(service) as http:
        for preference in ("wait=x", "wait=-1", "wait", "respond-async", "awaits=1", ""):
            answer = await http.post("/v1/runs", json=RUN, headers={"prefer": preference})

            assert answer.status_code == 201
            assert "preference-applied" not in answer.headers, preference
