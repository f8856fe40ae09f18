"""Services fail in every way they can; effects happen once, or a person is asked."""

from __future__ import annotations

import json

import pytest

from errands.v1 import approval_pb2
from errands.v1 import event_pb2 as pb
from tests.journeys.conftest import Serve, Shop
from tests.scripted import SEARCH, Scene, invoice, order


async def test_a_service_that_is_unavailable_for_a_moment_is_asked_again(serve: Serve, shop: Shop) -> None:
    shop.spoil("createOrder", unavailable=True, times=2)
    async with serve(order(), shop=shop) as service:
        created = await service.create("order")
        events = await service.events(created.run_id)

    assert events[-1].status == pb.RUN_STATUS_SUCCESS
    assert len(shop.effects("order")) == 1
    assert [event for event in events if event.HasField("note")]


async def test_a_lost_answer_of_a_service_with_keys_is_fetched_with_the_same_key(
    serve: Serve, shop: Shop
) -> None:
    shop.spoil("createOrder", drop=True, times=2)
    async with serve(order(), shop=shop) as service:
        created = await service.create("order")
        run = await service.finished(created.run_id)

    assert run.status == pb.RUN_STATUS_SUCCESS
    assert len(shop.effects("order")) == 1


async def test_a_lost_answer_to_a_read_is_asked_for_again(serve: Serve, shop: Shop) -> None:
    shop.spoil("searchProducts", drop=True, times=2)
    async with serve(SEARCH, shop=shop) as service:
        run = await service.finished((await service.create("search")).run_id)

    assert run.status == pb.RUN_STATUS_SUCCESS


async def test_a_read_that_never_answers_fails_its_step_and_asks_nobody(serve: Serve, shop: Shop) -> None:
    shop.spoil("searchProducts", drop=True)
    async with serve(SEARCH, shop=shop) as service:
        run = await service.finished((await service.create("search")).run_id)

    assert run.status == pb.RUN_STATUS_NO_SUCCESS
    assert run.error.reason == "SERVICE_UNAVAILABLE"


async def _in_doubt(serve: Serve, keyless: Shop, decision: int, **fields: str) -> pb.RunEvent:
    keyless.spoil("createOrder", drop=True, times=1)
    async with serve(order(), invoice(of="s1"), shop=keyless) as service:
        created = await service.create("order and invoice")
        asked = (await service.until(created.run_id, "approval_required")).approval_required
        paused = await service.get(created.run_id)

        assert paused.status == pb.RUN_STATUS_PAUSED
        assert asked.kind == approval_pb2.APPROVAL_KIND_IN_DOUBT
        assert not asked.actions, "a doubt is never decided by link"
        assert len(keyless.effects("order")) == 1, "nothing is sent again before somebody decides"

        await service.decide(asked.approval_id, decision, **fields)
        return (await service.events(created.run_id))[-1]


async def test_a_doubtful_call_is_sent_again_only_when_a_person_says_so(serve: Serve, keyless: Shop) -> None:
    last = await _in_doubt(serve, keyless, approval_pb2.DECISION_RETRY)

    assert last.status == pb.RUN_STATUS_SUCCESS
    assert len(keyless.effects("order")) == 2


async def test_a_doubtful_call_that_a_person_takes_as_done_goes_on_with_their_output(
    serve: Serve, keyless: Shop
) -> None:
    known = json.dumps({"id": "ord_unknown_to_the_shop"})
    last = await _in_doubt(serve, keyless, approval_pb2.DECISION_DONE, output_json=known)

    assert last.status == pb.RUN_STATUS_PARTIAL_SUCCESS  # the shop refuses to invoice it
    assert len(keyless.effects("order")) == 1


async def test_steps_that_need_an_output_nobody_knows_are_skipped(serve: Serve, keyless: Shop) -> None:
    last = await _in_doubt(serve, keyless, approval_pb2.DECISION_DONE)

    assert last.status == pb.RUN_STATUS_PARTIAL_SUCCESS
    assert not keyless.effects("invoice")


async def test_a_doubtful_call_that_a_person_gives_up_fails_its_step(serve: Serve, keyless: Shop) -> None:
    last = await _in_doubt(serve, keyless, approval_pb2.DECISION_FAIL)

    assert last.status == pb.RUN_STATUS_NO_SUCCESS
    assert len(keyless.effects("order")) == 1


@pytest.mark.parametrize("quantity", [0, -1])
async def test_arguments_that_do_not_fit_are_never_sent(serve: Serve, shop: Shop, quantity: int) -> None:
    async with serve(order(quantity), shop=shop) as service:
        run = await service.finished((await service.create("order")).run_id)

    assert run.error.reason == "ARGUMENTS_INVALID"
    assert not shop.effects()


async def test_what_the_service_refuses_is_told_in_its_own_words(serve: Serve, shop: Shop) -> None:
    body = {"customer_id": "cus_nobody", "items": [{"product_id": "prd_teapot", "quantity": 1}]}
    async with serve(Scene("createOrder", {"body": body}), shop=shop) as service:
        run = await service.finished((await service.create("order")).run_id)

    assert run.error.reason == "SERVICE_REFUSED"
    assert "cus_nobody" in run.error.message


async def test_a_failed_step_skips_only_what_depends_on_it(serve: Serve, shop: Shop) -> None:
    async with serve(order(0), invoice(of="s1"), SEARCH, shop=shop) as service:
        run = await service.finished((await service.create("order, invoice, search")).run_id)
    outcomes = {step.step_id: step.outcome for step in run.steps_finished}

    assert run.status == pb.RUN_STATUS_PARTIAL_SUCCESS
    assert outcomes == {"s1": pb.OUTCOME_FAILED, "s2": pb.OUTCOME_SKIPPED, "s3": pb.OUTCOME_DONE}


async def test_a_service_that_is_down_fails_the_step_after_some_tries(serve: Serve, shop: Shop) -> None:
    shop.spoil("searchProducts", unavailable=True)
    async with serve(SEARCH, shop=shop) as service:
        events = await service.events((await service.create("search")).run_id, include_tool_calls=True)
    attempts = [event.tool_call.attempt for event in events if event.HasField("tool_call")]

    assert attempts == [1, 2, 3, 4]
    assert events[-1].status == pb.RUN_STATUS_NO_SUCCESS
