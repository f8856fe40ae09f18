"""Creating runs: what the answer holds, what it waits for, and what is stored."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from google.rpc import error_details_pb2
from grpc import StatusCode, aio

from errands.v1 import event_pb2, integration_pb2, plan_pb2
from errands.v1 import run_pb2 as runs
from errands_server.domain.errors import Reason
from errands_server.domain.plan import Plan, Step
from errands_server.ports import Brief, Refusal
from tests.contract.conftest import Serve, add_target
from tests.contract.plans import HELD, READ, WRITE, steps
from tests.contract.refusals import details, refused
from tests.contract.target import Target
from tests.databases import counts_of
from tests.scripted import ScriptedPlanner
from tests.service import PATIENCE, Service, reason, violations

SELECTION = "selected_customer_integration_ids"


def slow() -> ScriptedPlanner:
    """A planner that plans only once it is told to."""
    planner = ScriptedPlanner(steps(READ))
    planner.may_plan.clear()
    return planner


async def test_the_answer_holds_the_plan_and_the_events_so_far(serve: Serve) -> None:
    async with serve(steps(HELD, READ)) as service:
        created = await service.create("do it")
        events = await service.runs.ListRunEvents(runs.ListRunEventsRequest(run_id=created.run_id))

        assert created.plan.plan_type == plan_pb2.PLAN_TYPE_JSON
        assert [step.id for step in created.plan.details.steps] == ["s1", "s2"]
        assert created.plan.execution_plan_id == created.execution_plan_id
        assert created.repeat_key
        assert created.events == events.events[: len(created.events)]
        assert created.events[0].status_changed.status == event_pb2.RUN_STATUS_QUEUED


async def test_without_a_wait_the_answer_comes_first_and_the_plan_follows(serve: Serve) -> None:
    planner = slow()
    async with serve(planner) as service:
        created = await service.create("do", plan_wait_ms=0)
        planner.may_plan.set()
        event = await service.until(created.run_id, "plan")

        assert (created.plan.plan_type, created.plan.text) == (plan_pb2.PLAN_TYPE_TEXT, "")
        assert created.plan.execution_plan_id == created.execution_plan_id
        assert event.plan.execution_plan_id == created.execution_plan_id
        assert event.plan.plan_type == plan_pb2.PLAN_TYPE_JSON


async def test_the_answer_comes_before_the_callers_deadline(serve: Serve) -> None:
    planner = slow()
    async with serve(planner) as service:
        request = runs.CreateRunRequest(
            intent="do", selected_customer_integration_ids=["*"], user_id="u", plan_wait_ms=60_000
        )
        created = await service.runs.CreateRun(request, timeout=1.0)
        planner.may_plan.set()
        run = await service.finished(created.run_id)

        assert created.plan.plan_type == plan_pb2.PLAN_TYPE_TEXT
        assert run.status == event_pb2.RUN_STATUS_SUCCESS


async def test_a_plan_is_waited_for_as_long_as_asked(serve: Serve) -> None:
    planner = slow()
    async with serve(planner) as service:
        creating = asyncio.create_task(service.create("do", plan_wait_ms=60_000))
        await planner.was_asked.wait()
        planner.may_plan.set()
        created = await creating

        assert created.plan.plan_type == plan_pb2.PLAN_TYPE_JSON


async def test_a_caller_who_goes_away_changes_nothing(serve: Serve) -> None:
    planner = slow()
    async with serve(planner) as service:
        call = service.runs.CreateRun(
            runs.CreateRunRequest(intent="do", selected_customer_integration_ids=["*"], user_id="u")
        )
        await planner.was_asked.wait()
        call.cancel()
        planner.may_plan.set()
        listed = await service.runs.ListRuns(runs.ListRunsRequest())
        run = await service.finished(listed.runs[0].run_id)

        assert run.status == event_pb2.RUN_STATUS_SUCCESS


async def test_a_create_that_waits_does_not_hold_up_a_drain(serve: Serve) -> None:
    planner = slow()
    async with serve(planner, drain=0.1) as service:
        creating = asyncio.create_task(service.create("do", plan_wait_ms=60_000))
        await planner.was_asked.wait()
        async with asyncio.timeout(PATIENCE):
            await service.app.drain()
            created = await creating

        assert created.run_id
        assert created.plan.plan_type == plan_pb2.PLAN_TYPE_TEXT


async def test_nothing_is_created_while_the_server_drains(serve: Serve, tmp_path: Path) -> None:
    async with serve(steps(HELD), drain=5.0) as service:
        await service.create("do")
        before = counts_of(tmp_path / "data")["runs"]
        draining = asyncio.create_task(service.app.drain())
        error = await refused(service.create("do"))
        service.app.hurry()
        await draining

        assert reason(error) == "SERVER_DRAINING"
        assert counts_of(tmp_path / "data")["runs"] == before


async def test_a_run_that_asks_first_is_answered_as_paused(serve: Serve) -> None:
    async with serve() as service:
        created = await service.create("do", approval_strategy=runs.APPROVAL_STRATEGY_ON_START)
        run = await service.get(created.run_id)

        assert created.status == event_pb2.RUN_STATUS_PAUSED
        assert created.events[-1].status_changed.status == event_pb2.RUN_STATUS_PAUSED
        assert run.pending_approvals


def refuse(_: Brief) -> Refusal:
    return Refusal(Reason.NO_FITTING_TOOL, "No tool can do that.")


def fail(_: Brief) -> Plan:
    raise RuntimeError("out of ideas")


def circle(_: Brief) -> Plan:
    return Plan(
        description="round",
        steps=(
            Step(id="a", description="a", depends_on=("b",)),
            Step(id="b", description="b", depends_on=("a",)),
        ),
    )


def nothing(_: Brief) -> Plan:
    return Plan(description="nothing", steps=())


@pytest.mark.parametrize(
    ("make", "status", "expected"),
    [
        (refuse, event_pb2.RUN_STATUS_NO_SUCCESS, "NO_FITTING_TOOL"),
        (fail, event_pb2.RUN_STATUS_FAILED, "PLANNER_FAILED"),
        (circle, event_pb2.RUN_STATUS_FAILED, "PLAN_INVALID"),
        (nothing, event_pb2.RUN_STATUS_FAILED, "PLAN_INVALID"),
    ],
)
async def test_a_refusal_or_failure_of_the_planner_is_an_outcome(
    serve: Serve, make: object, status: int, expected: str
) -> None:
    async with serve(make) as service:
        created = await service.create("do")
        run = await service.finished(created.run_id)

        assert created.status in {event_pb2.RUN_STATUS_RUNNING, status}
        assert created.plan.plan_type == plan_pb2.PLAN_TYPE_TEXT
        assert created.plan.text
        assert (run.status, run.error.reason) == (status, expected)
        assert not run.result_json


async def test_everything_means_what_was_active_then(serve: Serve, target: Target) -> None:
    planner = slow()
    async with serve(planner) as service:
        idle = await add_target(service, target, "idle")
        await service.integrations.UpdateIntegration(
            integration_pb2.UpdateIntegrationRequest(
                id=idle, status=integration_pb2.INTEGRATION_STATUS_INACTIVE
            )
        )
        created = await service.create("do", "*", plan_wait_ms=0)
        later = await add_target(service, target, "later")
        planner.may_plan.set()
        run = await service.finished(created.run_id)

        assert len(run.selected_customer_integration_ids) == 1
        assert not {idle, later} & set(run.selected_customer_integration_ids)


async def test_each_integration_that_cannot_be_used_is_named_by_its_place(
    serve: Serve, target: Target
) -> None:
    async with serve() as service:
        good, idle = await add_target(service, target, "good"), await add_target(service, target, "idle")
        gone = await add_target(service, target, "gone")
        await service.integrations.UpdateIntegration(
            integration_pb2.UpdateIntegrationRequest(
                id=idle, status=integration_pb2.INTEGRATION_STATUS_INACTIVE
            )
        )
        await service.integrations.DeleteIntegration(integration_pb2.DeleteIntegrationRequest(id=gone))
        error = await refused(service.create("do", good, idle, "nobody", gone))

        assert set(violations(error)) == {f"{SELECTION}[{index}]" for index in (1, 2, 3)}


async def test_the_same_integration_twice_is_one(serve: Serve, target: Target) -> None:
    async with serve() as service:
        other = await add_target(service, target, "other")
        created = await service.create("do", other, other)
        run = await service.get(created.run_id)

        assert list(run.selected_customer_integration_ids) == [other]


async def test_a_request_that_is_only_validated_stores_nothing(serve: Serve, tmp_path: Path) -> None:
    async with serve() as service:
        before = counts_of(tmp_path / "data")
        answer = await service.create("do", validate_only=True, request_id="once")
        error = await refused(service.create("", validate_only=True))
        planned = await service.create("do", request_id="once")

        assert not answer.run_id
        assert answer.plan.details.steps
        assert set(violations(error)) == {"intent"}
        assert counts_of(tmp_path / "data")["runs"] == before["runs"] + 1
        assert planned.run_id


async def test_validation_does_not_wait_for_a_plan_for_ever(serve: Serve) -> None:
    async with serve(slow()) as service:
        answer = await service.create("do", validate_only=True, plan_wait_ms=0)

        assert (answer.plan.plan_type, answer.plan.text) == (plan_pb2.PLAN_TYPE_TEXT, "")


async def test_a_full_queue_refuses_and_stores_nothing(serve: Serve, tmp_path: Path) -> None:
    planner = slow()
    async with serve(planner, max_active=1, max_queued=2) as service:
        for _ in range(3):
            await service.create("do", plan_wait_ms=0)
        before = counts_of(tmp_path / "data")["runs"]
        error = await refused(service.create("do", plan_wait_ms=0))
        stranger = await service.stranger("others", "admin")
        foreign = await refused(stranger.create("do", "*", plan_wait_ms=0, user_id=""))

        assert (reason(error), error.code()) == ("RUN_QUEUE_FULL", StatusCode.RESOURCE_EXHAUSTED)
        assert details(error, error_details_pb2.RetryInfo)[0].retry_delay.seconds >= 1
        assert details(error, error_details_pb2.QuotaFailure)
        assert counts_of(tmp_path / "data")["runs"] == before
        assert reason(foreign) == "FIELD_INVALID"  # one tenant's queue is not another's
        planner.may_plan.set()


async def test_the_same_request_again_answers_with_the_same_run(serve: Serve, tmp_path: Path) -> None:
    async with serve() as service:
        first = await service.create("do", request_id="once")
        await service.finished(first.run_id)
        again = await service.create("do", request_id="once")

        assert (again.run_id, again.execution_plan_id, again.repeat_key, again.plan) == (
            first.run_id,
            first.execution_plan_id,
            first.repeat_key,
            first.plan,
        )
        assert again.status == event_pb2.RUN_STATUS_SUCCESS
        assert counts_of(tmp_path / "data")["runs"] == 1


async def test_another_request_under_the_same_id_is_refused(serve: Serve, tmp_path: Path) -> None:
    async with serve() as service:
        await service.create("do", request_id="once")
        before = counts_of(tmp_path / "data")["runs"]
        error = await refused(service.create("do something else", request_id="once"))

        assert (reason(error), error.code()) == ("IDEMPOTENCY_KEY_REUSED", StatusCode.FAILED_PRECONDITION)
        assert counts_of(tmp_path / "data")["runs"] == before


async def test_duplicates_at_once_make_one_run(serve: Serve, tmp_path: Path, target: Target) -> None:
    async with serve(steps(WRITE)) as service:
        made = await asyncio.gather(*(service.create("do", request_id="once") for _ in range(20)))
        await service.finished(made[0].run_id)

        assert len({answer.run_id for answer in made}) == 1
        assert counts_of(tmp_path / "data")["runs"] == 1
        assert len(target.bodies()) == 1


async def test_a_request_id_is_forgotten_after_a_day(serve: Serve, clock: object) -> None:
    async with serve() as service:
        first = await service.create("do", request_id="once")
        clock.moved += 24 * 3_600_000 + 1  # type: ignore[attr-defined] # a Clock
        again = await service.create("do something else", request_id="once")

        assert again.run_id != first.run_id


async def test_a_request_that_was_carried_out_is_answered_even_when_the_queue_is_full(serve: Serve) -> None:
    planner = slow()
    async with serve(planner, max_active=1, max_queued=1) as service:
        await service.create("do", plan_wait_ms=0)
        first = await service.create("do", plan_wait_ms=0, request_id="once")
        try:
            again = await service.create("do", plan_wait_ms=0, request_id="once")
        finally:
            planner.may_plan.set()

        assert again.run_id == first.run_id


async def test_ids_are_time_ordered_and_unique(serve: Serve) -> None:
    async with serve() as service:
        before = int(time.time() * 1_000)
        made = [(await service.create("do", plan_wait_ms=0)).run_id for _ in range(20)]

        assert made == sorted(set(made))
        assert {run_id[14] for run_id in made} == {"7"}
        assert before - 1_000 <= int(made[0].replace("-", "")[:12], 16) <= before + 60_000


async def test_what_was_given_comes_back_on_the_run_and_nowhere_else(serve: Serve) -> None:
    async with serve() as service:
        created = await service.create(
            " do ", context="token-abc123 not=quoted", user_id="ada", repeat_key="weekly"
        )
        events = await service.events(created.run_id, include_tool_calls=True)
        run = await service.get(created.run_id)

        assert (run.intent, run.context, run.user_id, run.repeat_key) == (
            " do ",
            "token-abc123 not=quoted",
            "ada",
            "weekly",
        )
        assert not any("token-abc123" in str(event) for event in events)


async def test_a_broken_connection_of_the_caller_leaves_the_server_well(serve: Serve) -> None:
    planner = slow()
    async with serve(planner) as service:
        async with aio.insecure_channel(service.app.grpc_address) as channel:
            other = Service(service.app, channel, service.key)
            creating = asyncio.create_task(other.create("do"))
            await planner.was_asked.wait()
        with pytest.raises((aio.AioRpcError, asyncio.CancelledError)):
            await creating
        planner.may_plan.set()
        listed = await service.runs.ListRuns(runs.ListRunsRequest())

        assert (await service.finished(listed.runs[0].run_id)).status == event_pb2.RUN_STATUS_SUCCESS
