"""Reading runs: lists with every filter, pages without gap or repeat, events, plans, results."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from errands.v1 import event_pb2, plan_pb2
from errands.v1 import run_pb2 as runs
from errands_server.domain.plan import MAX_STEPS
from tests.contract.conftest import Serve, add_target
from tests.contract.plans import HELD, READ, REFUSED, chain, steps
from tests.contract.refusals import refused
from tests.contract.target import Target
from tests.scripted import ScriptedPlanner, in_turn
from tests.service import Service, reason, violations

SCHEMA = json.dumps({"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}})


async def listed(service: Service, **filters: Any) -> list[str]:
    page = await service.runs.ListRuns(runs.ListRunsRequest(page_size=100, **filters))
    return [run.run_id for run in page.runs]


async def test_every_filter_of_the_list_narrows_it_and_they_combine(serve: Serve, target: Target) -> None:
    async with serve() as service:
        other = await add_target(service, target, "other")
        ada = (await service.create("do", other, user_id="ada")).run_id
        bob = (await service.create("do", other, user_id="bob")).run_id
        await service.finished(ada)
        await service.finished(bob)
        waiting = (await service.create("do", "*", user_id="ada", approval_strategy=2)).run_id
        narrow = (await service.create("do", other, user_id="ada", approval_strategy=2)).run_id
        first = next(
            one for one in (await service.get(waiting)).selected_customer_integration_ids if one != other
        )

        assert await listed(service) == [narrow, waiting, bob, ada]
        assert await listed(service, user_id="ada") == [narrow, waiting, ada]
        assert await listed(service, status=event_pb2.RUN_STATUS_SUCCESS) == [bob, ada]
        assert await listed(service, customer_integration_ids=[first]) == [waiting]
        assert await listed(service, customer_integration_ids=[other, first]) == [narrow, waiting, bob, ada]
        assert await listed(service, customer_integration_ids=["nobody"]) == []
        assert await listed(
            service, user_id="ada", status=event_pb2.RUN_STATUS_PAUSED, customer_integration_ids=[other]
        ) == [narrow, waiting]
        assert await listed(service, skip=1) == [waiting, bob, ada]
        assert await listed(service, skip=1, user_id="ada") == [waiting, ada]
        assert await listed(service, skip=99) == []


async def test_pages_hold_every_run_once_while_new_ones_appear(serve: Serve) -> None:
    async with serve() as service:
        made = [(await service.create("do", plan_wait_ms=0)).run_id for _ in range(7)]
        seen: list[str] = []
        token = ""
        while True:
            page = await service.runs.ListRuns(runs.ListRunsRequest(page_size=2, page_token=token))
            seen += [run.run_id for run in page.runs]
            await service.create("meanwhile", plan_wait_ms=0)
            token = page.next_page_token
            if not token:
                break

        assert seen == made[::-1]


async def test_the_last_page_has_no_token_even_when_it_is_full(serve: Serve) -> None:
    async with serve() as service:
        for _ in range(2):
            await service.create("do", plan_wait_ms=0)
        page = await service.runs.ListRuns(runs.ListRunsRequest(page_size=2))

        assert len(page.runs) == 2
        assert not page.next_page_token


async def test_a_page_of_heavy_runs_fits_a_clients_message_and_leads_on(serve: Serve) -> None:
    async with serve() as service:
        made = [(await service.create("do", plan_wait_ms=0, context="é" * 65_000)).run_id for _ in range(40)]
        first = await service.runs.ListRuns(runs.ListRunsRequest(page_size=100))
        second = await service.runs.ListRuns(
            runs.ListRunsRequest(page_size=100, page_token=first.next_page_token)
        )
        third = await service.runs.ListRuns(
            runs.ListRunsRequest(page_size=100, page_token=second.next_page_token)
        )

        assert first.next_page_token
        assert [run.run_id for page in (first, second, third) for run in page.runs] == made[::-1]


async def test_lists_hold_fifty_events_of_each_run_and_say_so(serve: Serve) -> None:
    async with serve(steps(*[READ] * 30)) as service:
        run = await service.finished((await service.create("do")).run_id)
        bare = (await service.runs.ListRuns(runs.ListRunsRequest())).runs[0]
        full = (await service.runs.ListRuns(runs.ListRunsRequest(include_events=True))).runs[0]
        own = await service.get(run.run_id, include_events=True)

        assert not bare.events
        assert not bare.events_truncated
        assert (len(full.events), full.events_truncated) == (50, True)
        assert full.events == own.events[:50]
        assert not own.events_truncated
        assert own.events[-1].status_changed.status == event_pb2.RUN_STATUS_SUCCESS


async def test_a_run_shows_its_finished_steps_in_the_order_they_ended(serve: Serve) -> None:
    async with serve(chain(READ, REFUSED, READ)) as service:
        run = await service.finished((await service.create("do")).run_id)

        assert [(step.step_id, step.outcome) for step in run.steps_finished] == [
            ("s1", event_pb2.OUTCOME_DONE),
            ("s2", event_pb2.OUTCOME_FAILED),
            ("s3", event_pb2.OUTCOME_SKIPPED),
        ]
        assert run.status == event_pb2.RUN_STATUS_PARTIAL_SUCCESS
        assert run.error.reason == "PARTLY_DONE"
        assert run.last_sequence == (await service.events(run.run_id))[-1].sequence
        assert [entry["outcome"] for entry in json.loads(run.result_json)["steps"]] == [
            "done",
            "failed",
            "skipped",
        ]


async def test_a_plan_is_read_by_its_id(serve: Serve) -> None:
    async with serve() as service:
        created = await service.create("do")
        plan = (
            await service.runs.GetPlan(runs.GetPlanRequest(execution_plan_id=created.execution_plan_id))
        ).plan

        assert plan == created.plan
        assert plan.plan_type == plan_pb2.PLAN_TYPE_JSON


async def test_the_largest_plan_is_answered_whole(serve: Serve) -> None:
    async with serve(steps(*[READ] * MAX_STEPS)) as service:
        created = await service.create("do", approval_strategy=2)

        assert len(created.plan.details.steps) == MAX_STEPS


async def test_event_pages_put_together_are_the_stream(serve: Serve) -> None:
    async with serve(steps(READ, READ)) as service:
        run = await service.finished((await service.create("do")).run_id)
        for tool_calls in (False, True):
            for limit in (1, 3, 1_000):
                assert await _paged(service, run.run_id, limit, tool_calls) == await service.events(
                    run.run_id, include_tool_calls=tool_calls
                )


async def _paged(service: Service, run_id: str, limit: int, tool_calls: bool) -> list[Any]:
    found: list[Any] = []
    after, end = 0, False
    while not end:
        page = await service.runs.ListRunEvents(
            runs.ListRunEventsRequest(
                run_id=run_id, after_sequence=after, limit=limit, include_tool_calls=tool_calls
            )
        )
        found += page.events
        assert page.next_after_sequence > after
        after, end = page.next_after_sequence, page.end
    return found


async def test_events_tell_their_time_to_the_millisecond(serve: Serve) -> None:
    async with serve() as service:
        before = time.time_ns() // 1_000_000
        run = await service.finished((await service.create("do")).run_id)
        after = time.time_ns() // 1_000_000
        events = await service.events(run.run_id)

    times = [event.created_at.ToMilliseconds() for event in events]
    assert times == sorted(times)
    assert before <= times[0]
    assert times[-1] <= after
    assert (events[0].created_at, events[-1].created_at) == (run.created_at, run.updated_at)


async def test_a_page_behind_the_head_of_a_live_run_is_empty_and_not_the_end(serve: Serve) -> None:
    async with serve(steps(HELD)) as service:
        created = await service.create("do", approval_strategy=2)
        run = await service.get(created.run_id)
        ask = runs.ListRunEventsRequest
        page = await service.runs.ListRunEvents(ask(run_id=run.run_id, after_sequence=run.last_sequence))
        ahead = await refused(
            service.runs.ListRunEvents(ask(run_id=run.run_id, after_sequence=run.last_sequence + 1))
        )

        assert (list(page.events), page.next_after_sequence, page.end) == ([], run.last_sequence, False)
        assert reason(ahead) == "CURSOR_AHEAD"


async def test_a_result_that_fits_the_schema_is_answered(serve: Serve) -> None:
    planner = ScriptedPlanner(steps(READ), conclude=in_turn({"wrong": 1}, {"total": "wrong"}, {"total": 3}))
    async with serve(planner) as service:
        run = await service.finished((await service.create("do", output_schema_json=SCHEMA)).run_id)

        assert (run.status, json.loads(run.result_json)) == (event_pb2.RUN_STATUS_SUCCESS, {"total": 3})
        assert planner.concluded == 3
        assert not run.HasField("error")


@pytest.mark.parametrize(
    ("plan", "status", "expected"),
    [
        (steps(READ), event_pb2.RUN_STATUS_FAILED, "OUTPUT_SCHEMA_MISMATCH"),
        (steps(READ, REFUSED), event_pb2.RUN_STATUS_PARTIAL_SUCCESS, "OUTPUT_INCOMPLETE"),
    ],
)
async def test_a_result_that_does_not_fit_is_not_answered(
    serve: Serve, plan: Any, status: int, expected: str
) -> None:
    planner = ScriptedPlanner(plan, conclude=in_turn({}, {"total": "a"}, {"total": "b"}, {"total": 1}))
    async with serve(planner) as service:
        run = await service.finished((await service.create("do", output_schema_json=SCHEMA)).run_id)
        events = await service.events(run.run_id)

        assert (run.status, run.error.reason, run.result_json) == (status, expected, "")
        assert planner.concluded == 3  # one attempt and two repairs
        assert "result" not in {event.WhichOneof("event") for event in events}


async def test_every_status_but_success_has_an_error(serve: Serve) -> None:
    async with serve(steps(REFUSED)) as service:
        run = await service.finished((await service.create("do")).run_id)
        events = await service.events(run.run_id)
        told = [event.error for event in events if event.WhichOneof("event") == "error"]

        assert run.status == event_pb2.RUN_STATUS_NO_SUCCESS
        assert run.error == told[0]
        assert run.error.reason == "SERVICE_REFUSED"
        assert run.error.code == "FAILED_PRECONDITION"


async def test_a_run_that_needs_authorization_says_so(serve: Serve) -> None:
    async with serve(steps(("readLocked", {}))) as service:
        created = await service.create("do", user_id="ada")
        asked = (await service.until(created.run_id, "auth_required")).auth_required
        run = await service.get(created.run_id)
        page = await service.runs.ListRuns(runs.ListRunsRequest(status=event_pb2.RUN_STATUS_AUTH_REQUIRED))

        assert (asked.user_id, asked.integration_name) == ("ada", "desk")
        assert asked.expires_at.ToMilliseconds() > run.created_at.ToMilliseconds()
        assert run.status == event_pb2.RUN_STATUS_AUTH_REQUIRED
        assert [listed.run_id for listed in page.runs] == [created.run_id]


async def test_an_empty_id_in_a_filter_is_refused(service: Service) -> None:
    error = await refused(service.runs.ListRuns(runs.ListRunsRequest(customer_integration_ids=[""])))

    assert set(violations(error)) == {"customer_integration_ids[0]"}
