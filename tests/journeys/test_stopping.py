"""Cancelling, draining and starting again: nothing starts that must not, nothing is lost."""

from __future__ import annotations

import asyncio

from errands.v1 import approval_pb2, run_pb2
from errands.v1 import event_pb2 as pb
from errands_server.app import Overrides
from errands_server.domain.events import Call
from tests.journeys.conftest import Serve, Shop
from tests.scripted import SEARCH, ScriptedPlanner, invoice, order, plan_of

ON_TOOL_CALL = run_pb2.APPROVAL_STRATEGY_ON_TOOL_CALL


async def _cancel(service, run_id: str) -> run_pb2.Run:  # type: ignore[no-untyped-def]
    return (await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=run_id))).run


async def test_a_write_in_flight_gets_its_grace_and_is_then_reported_as_unknown(
    serve: Serve, shop: Shop
) -> None:
    shop.spoil("createOrder", delay_after=30)
    async with serve(order(), invoice(of="s1"), shop=shop) as service:
        created = await service.create("order and invoice")
        await shop.wait_for_effects(1)
        run = await _cancel(service, created.run_id)
        last = (await service.events(created.run_id))[-1]

    assert run.status == pb.RUN_STATUS_CANCELED
    assert len(last.status_changed.report.unknown) == 1
    assert not shop.effects("invoice")


async def test_a_write_that_answers_within_its_grace_is_reported_as_completed(
    serve: Serve, shop: Shop
) -> None:
    shop.spoil("createOrder", delay_after=1)
    async with serve(order(), invoice(of="s1"), shop=shop) as service:
        created = await service.create("order and invoice")
        await shop.wait_for_effects(1)
        await _cancel(service, created.run_id)
        last = (await service.events(created.run_id))[-1]

    assert len(last.status_changed.report.completed) == 1
    assert not last.status_changed.report.unknown
    assert not shop.effects("invoice")


async def test_a_read_in_flight_is_cut_off_at_once(serve: Serve, shop: Shop) -> None:
    shop.spoil("searchProducts", delay_before=30)
    async with serve(SEARCH, shop=shop) as service:
        created = await service.create("search")
        await service.until(created.run_id, "tool_call", include_tool_calls=True)
        async with asyncio.timeout(3):
            run = await _cancel(service, created.run_id)

    assert run.status == pb.RUN_STATUS_CANCELED


async def test_a_cancelled_run_closes_its_approvals(serve: Serve, shop: Shop) -> None:
    async with serve(order(), shop=shop) as service:
        created = await service.create("order", approval_strategy=ON_TOOL_CALL)
        await service.until(created.run_id, "approval_required")
        run = await _cancel(service, created.run_id)
        inbox = await service.approvals.ListApprovals(
            approval_pb2.ListApprovalsRequest(run_id=created.run_id)
        )

    assert run.status == pb.RUN_STATUS_CANCELED
    assert [one.status for one in inbox.approvals] == [approval_pb2.APPROVAL_STATUS_CLOSED]
    assert not shop.effects()


async def test_a_run_that_waits_for_a_person_survives_a_restart(serve: Serve, shop: Shop) -> None:
    async with serve(order(), shop=shop) as service:
        created = await service.create("order", approval_strategy=ON_TOOL_CALL)
        asked = (await service.until(created.run_id, "approval_required")).approval_required
    async with serve() as service:
        await service.decide(asked.approval_id, approval_pb2.DECISION_APPROVE)
        run = await service.finished(created.run_id)

    assert run.status == pb.RUN_STATUS_SUCCESS
    assert len(shop.effects("order")) == 1


async def test_a_call_in_flight_at_a_drain_is_finished_within_its_time(serve: Serve, shop: Shop) -> None:
    shop.spoil("createOrder", delay_after=1)
    async with serve(order(), invoice(of="s1"), shop=shop, drain=10.0) as service:
        created = await service.create("order and invoice")
        await shop.wait_for_effects(1)
    drained = shop.effects()
    async with serve() as service:
        run = await service.finished(created.run_id)

    assert [effect["kind"] for effect in drained] == ["order.created"], "a drain starts nothing new"
    assert run.status == pb.RUN_STATUS_SUCCESS
    assert [effect["kind"] for effect in shop.effects()] == ["order.created", "invoice.sent"]


async def test_a_call_cut_off_by_a_drain_is_fetched_with_its_key_after_the_restart(
    serve: Serve, shop: Shop
) -> None:
    shop.spoil("createOrder", delay_after=30, times=1)
    async with serve(order(), shop=shop, drain=0.2) as service:
        created = await service.create("order")
        await shop.wait_for_effects(1)
    async with serve() as service:
        run = await service.finished(created.run_id)

    assert run.status == pb.RUN_STATUS_SUCCESS
    assert len(shop.effects("order")) == 1


async def test_a_call_cut_off_by_a_drain_without_keys_asks_a_person_after_the_restart(
    serve: Serve, keyless: Shop
) -> None:
    keyless.spoil("createOrder", delay_after=30, times=1)
    async with serve(order(), shop=keyless, drain=0.2) as service:
        created = await service.create("order")
        await keyless.wait_for_effects(1)
    async with serve() as service:
        asked = (await service.until(created.run_id, "approval_required")).approval_required

    assert asked.kind == approval_pb2.APPROVAL_KIND_IN_DOUBT
    assert len(keyless.effects("order")) == 1


async def test_a_call_that_waited_too_long_between_storing_and_sending_is_not_sent(
    serve: Serve, shop: Shop
) -> None:
    held = asyncio.Event()
    release = asyncio.Event()

    async def gate(_: Call) -> None:
        held.set()
        await release.wait()

    clock = _Clock()
    overrides = Overrides(
        planner=ScriptedPlanner(plan_of(order())), gate=gate, environment=clock.environment()
    )
    async with serve(shop=shop, overrides=overrides) as service:
        created = await service.create("order")
        await held.wait()
        cancelling = asyncio.create_task(_cancel(service, created.run_id))
        await service.until(created.run_id, "cancel_requested")
        clock.monotonic += 10
        release.set()
        run = await cancelling

    assert run.status == pb.RUN_STATUS_CANCELED
    assert not shop.effects()


class _Clock:
    """A monotonic clock that only the test moves."""

    def __init__(self) -> None:
        self.monotonic = 0.0

    def environment(self):  # type: ignore[no-untyped-def]
        from errands_server.environment import Environment

        return Environment(monotonic=lambda: self.monotonic)


async def test_independent_steps_run_at_the_same_time(serve: Serve, shop: Shop) -> None:
    shop.spoil("createOrder", delay_after=1)
    async with serve(order(1), order(2), order(3), shop=shop) as service:
        created = await service.create("three orders", plan_wait_ms=0)
        async with asyncio.timeout(2.5):
            run = await service.finished(created.run_id)

    assert run.status == pb.RUN_STATUS_SUCCESS
    assert len(shop.effects("order")) == 3
