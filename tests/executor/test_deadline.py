"""Deadlines of planners: a run ends in time, whatever its planner does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import pytest

from errands.v1 import event_pb2, plan_pb2
from errands.v1.run_pb2 import CancelRunRequest
from errands_server.app import Overrides
from errands_server.domain.plan import Plan
from errands_server.executor.deadline import PlannerLate, within
from errands_server.ports import Brief, PlannerLimits
from tests.contract import target as targets
from tests.contract.conftest import add_target
from tests.contract.plans import READ, REFUSED, steps
from tests.scripted import ScriptedPlanner
from tests.service import PATIENCE, Service, serving

SHORT = PlannerLimits(deadline_s=0.05)
LONG = PlannerLimits(deadline_s=10 * PATIENCE)
FAILED = (event_pb2.RUN_STATUS_FAILED, "PLANNER_FAILED")
NO_PLAN = "The planner made no plan within 0.05 s."
SCHEMA = '{"type": "object"}'

Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Starts a server with this planner, and the target as its integration."""

    @asynccontextmanager
    async def started(
        planner: ScriptedPlanner, limits: PlannerLimits = SHORT
    ) -> AsyncGenerator[Service, None]:
        overrides = Overrides(planner=planner, planner_limits=limits)
        try:
            async with targets.opened() as target, serving(tmp_path / "data", overrides) as service:
                await add_target(service, target)
                yield service
        finally:  # the event loop waits for a stubborn planner, too
            planner.may_plan.set()
            planner.may_conclude.set()

    return started


@pytest.mark.parametrize("instant", [False, True])
@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_planner_that_never_plans_fails_its_run(serve: Serve, stubborn: bool, instant: bool) -> None:
    planner = ScriptedPlanner(steps(READ), stubborn=stubborn)
    planner.instant = instant
    planner.may_plan.clear()
    async with serve(planner) as service:
        created = await service.create("do")
        run = await service.finished(created.run_id)

        assert (created.plan.plan_type, created.plan.text) == (plan_pb2.PLAN_TYPE_TEXT, NO_PLAN)
        assert (run.status, run.error.reason) == FAILED
        assert run.error.message == NO_PLAN
        assert planner.asked == 1


async def test_a_plan_that_comes_too_late_is_dropped(serve: Serve) -> None:
    made = asyncio.Event()

    def make(brief: Brief) -> Plan:
        made.set()
        return steps(READ)(brief)  # type: ignore[return-value] # which makes a plan

    planner = ScriptedPlanner(make, stubborn=True)
    planner.may_plan.clear()
    async with serve(planner) as service:
        run = await service.finished((await service.create("do")).run_id)
        planner.may_plan.set()
        async with asyncio.timeout(PATIENCE):
            await made.wait()

        assert await service.get(run.run_id) == run
        (event,) = [one for one in await service.events(run.run_id) if one.WhichOneof("event") == "plan"]
        assert event.plan.text == NO_PLAN


@pytest.mark.parametrize("stubborn", [False, True])
@pytest.mark.parametrize("plan", [steps(READ), steps(READ, REFUSED)])
async def test_a_planner_that_never_concludes_fails_its_run(
    serve: Serve, plan: Callable[[Brief], Plan], stubborn: bool
) -> None:
    planner = ScriptedPlanner(plan, stubborn=stubborn)
    planner.may_conclude.clear()
    async with serve(planner) as service:
        run = await service.finished((await service.create("do", output_schema_json=SCHEMA)).run_id)

        assert (run.status, run.error.reason, run.result_json) == (*FAILED, "")
        assert run.error.message == "The planner made no result within 0.05 s."
        assert planner.concluded == 1


async def test_a_validation_answers_in_its_own_time(serve: Serve) -> None:
    planner = ScriptedPlanner(steps(READ), stubborn=True)
    planner.may_plan.clear()
    async with serve(planner, LONG) as service:
        seen = await service.create("do", validate_only=True, plan_wait_ms=10)
        explained = await service.create("do", validate_only=True, explain=True, plan_wait_ms=10)

        assert (seen.plan.plan_type, seen.plan.text) == (plan_pb2.PLAN_TYPE_TEXT, "")
        assert explained.plan == seen.plan
        assert not explained.explanation.clauses


async def test_a_validation_says_that_the_planner_is_late(serve: Serve) -> None:
    planner = ScriptedPlanner(steps(READ), stubborn=True)
    planner.may_plan.clear()
    async with serve(planner) as service:
        seen = await service.create("do", validate_only=True)

        assert (seen.plan.plan_type, seen.plan.text) == (plan_pb2.PLAN_TYPE_TEXT, NO_PLAN)


async def test_a_cancelled_run_does_not_wait_for_its_planner(serve: Serve) -> None:
    planner = ScriptedPlanner(steps(READ), stubborn=True)
    planner.may_plan.clear()
    async with serve(planner, LONG) as service:
        created = await service.create("do", plan_wait_ms=0)
        async with asyncio.timeout(PATIENCE):
            await planner.was_asked.wait()
        await service.runs.CancelRun(CancelRunRequest(run_id=created.run_id))

        assert (await service.finished(created.run_id)).status == event_pb2.RUN_STATUS_CANCELED


async def test_a_brief_says_for_which_run_it_is_and_what_may_be_used_up(serve: Serve) -> None:
    planner = ScriptedPlanner(steps(READ))
    async with serve(planner, LONG) as service:
        created = await service.create("do")
        await service.create("do", validate_only=True, explain=True)

    made, seen = planner.briefs
    assert (made.tenant, made.run_id, made.limits, made.explain) == ("default", created.run_id, LONG, False)
    assert (seen.tenant, seen.run_id, seen.limits, seen.explain) == ("default", "", LONG, True)


async def test_what_a_planner_awaits_reaches_it_as_in_any_task() -> None:
    loop = asyncio.get_running_loop()
    value, error = loop.create_future(), loop.create_future()
    loop.call_soon(value.set_result, 1)
    loop.call_soon(error.set_exception, KeyError("two"))

    async def work() -> list[object]:
        seen: list[object] = [await value]
        with pytest.raises(KeyError):
            await error
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        await asyncio.sleep(0)
        return [*seen, asyncio.current_task()]

    assert await within(PATIENCE, work()) == [1, asyncio.current_task()]


async def test_late_work_is_cancelled_and_cleans_up() -> None:
    clean = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            clean.set()

    with pytest.raises(PlannerLate):
        await within(0, work())
    async with asyncio.timeout(PATIENCE):
        await clean.wait()


async def test_a_timeout_of_the_planners_own_is_no_deadline() -> None:
    async def work() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await within(PATIENCE, work())


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_planner_that_cancels_itself_has_failed(at_once: bool) -> None:
    async def work() -> None:
        if not at_once:
            await asyncio.sleep(0)
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError):
        await within(PATIENCE, work())


@pytest.mark.parametrize("stubborn", [True, False])
async def test_a_caller_that_is_cancelled_does_not_wait_for_the_planner(stubborn: bool) -> None:
    planner = ScriptedPlanner(steps(), stubborn=stubborn)
    planner.may_plan.clear()
    brief = Brief(intent="", context="", candidates=(), now=datetime.now(UTC))
    caller = asyncio.create_task(within(PATIENCE, planner.plan(brief)))
    await planner.was_asked.wait()
    caller.cancel()
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait({caller})

    assert caller.cancelled()
    planner.may_plan.set()
