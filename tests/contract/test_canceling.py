"""Cancelling: a fence, an end, and a report."""

from __future__ import annotations

from pathlib import Path

import pytest
from grpc import StatusCode

from errands.v1 import approval_pb2, event_pb2
from errands.v1 import run_pb2 as runs
from tests.contract.conftest import Serve
from tests.contract.plans import HELD, HELD_WRITE, READ, WRITE, chain, steps
from tests.contract.refusals import refused
from tests.contract.target import Target
from tests.databases import counts_of
from tests.scripted import ScriptedPlanner
from tests.service import Service, reason

pytestmark = pytest.mark.execution


async def cancel(service: Service, run_id: str, **fields: bool) -> runs.Run:
    return (await service.runs.CancelRun(runs.CancelRunRequest(run_id=run_id, **fields))).run


async def test_a_finished_run_is_not_cancelled(serve: Serve, tmp_path: Path) -> None:
    async with serve() as service:
        run = await service.finished((await service.create("do")).run_id)
        before = counts_of(tmp_path / "data")
        error = await refused(service.runs.CancelRun(runs.CancelRunRequest(run_id=run.run_id)))

        assert (reason(error), error.code()) == ("RUN_FINISHED", StatusCode.FAILED_PRECONDITION)
        assert await cancel(service, run.run_id, allow_finished=True) == run
        assert counts_of(tmp_path / "data") == before


@pytest.mark.parametrize("strategy", [2, 3])
async def test_a_paused_run_ends_at_once_and_its_approvals_close(
    serve: Serve, strategy: int, target: Target
) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=strategy)
        asked = (await service.until(created.run_id, "approval_required")).approval_required
        run = await cancel(service, created.run_id)
        error = await refused(_decide(service, asked.approval_id))
        listed = await service.approvals.ListApprovals(
            approval_pb2.ListApprovalsRequest(status=approval_pb2.APPROVAL_STATUS_CLOSED)
        )
        events = await service.events(created.run_id)

        assert (run.status, run.error.reason) == (event_pb2.RUN_STATUS_CANCELED, "CANCELED")
        assert run.cancel_requested
        assert not run.pending_approvals
        assert reason(error) == "APPROVAL_CLOSED"
        assert [one.approval_id for one in listed.approvals] == [asked.approval_id]
        assert events[-1].status_changed.HasField("report")
        assert not target.received


def _decide(service: Service, approval_id: str) -> object:
    return service.approvals.DecideApproval(
        approval_pb2.DecideApprovalRequest(approval_id=approval_id, decision=1)
    )


async def test_a_read_in_flight_is_cut_off(serve: Serve, target: Target) -> None:
    async with serve(steps(HELD)) as service:
        created = await service.create("do")
        await target.arrived.wait()
        run = await cancel(service, created.run_id)

        assert run.status == event_pb2.RUN_STATUS_CANCELED


async def test_a_write_in_flight_gets_its_grace_and_is_reported(serve: Serve, target: Target) -> None:
    async with serve(chain(HELD_WRITE, WRITE)) as service:
        created = await service.create("do")
        await target.arrived.wait()
        requested = service.runs.CancelRun(runs.CancelRunRequest(run_id=created.run_id))
        await service.until(created.run_id, "cancel_requested")
        target.open.set()
        run = (await requested).run
        events = await service.events(created.run_id, include_tool_calls=True)
        sent = [event.tool_call.call_id for event in events if event.WhichOneof("event") == "tool_call"]

        assert run.status == event_pb2.RUN_STATUS_CANCELED
        assert list(events[-1].status_changed.report.completed) == sent
        assert not events[-1].status_changed.report.unknown
        assert len(target.bodies()) == 1


async def test_cancelling_twice_is_cancelling_once(serve: Serve) -> None:
    planner = ScriptedPlanner(steps(READ))
    planner.may_plan.clear()
    async with serve(planner) as service:
        created = await service.create("do", plan_wait_ms=0)
        first = await cancel(service, created.run_id)
        again = await cancel(service, created.run_id, allow_finished=True)
        planner.may_plan.set()
        events = await service.events(created.run_id)

        assert first == again
        assert [event.WhichOneof("event") for event in events].count("cancel_requested") == 1


async def test_a_queued_run_is_cancelled_without_ever_running(serve: Serve, target: Target) -> None:
    async with serve(steps(HELD), max_active=1) as service:
        await service.create("first")
        await target.arrived.wait()
        waiting = await service.create("second", plan_wait_ms=0)
        run = await cancel(service, waiting.run_id)

        assert run.status == event_pb2.RUN_STATUS_CANCELED
        assert len(target.received) == 1
