"""The life of a run, from an intent to a result, over real HTTP."""

from __future__ import annotations

import json

from errands.v1 import event_pb2 as pb
from errands.v1 import run_pb2
from tests.recorder import recording
from tests.service import Service

FIND = "Find the customer ada@example.com"


async def test_a_run_calls_the_service_and_ends_with_a_result(service: Service, shop_id: str) -> None:
    created = await service.create(FIND, shop_id)
    run = await service.finished(created.run_id)

    assert run.status == pb.RUN_STATUS_SUCCESS
    assert json.loads(run.result_json)["output"]["customers"][0]["id"] == "cus_ada"
    assert not run.HasField("error")


async def test_the_answer_to_create_holds_the_plan(service: Service, shop_id: str) -> None:
    created = await service.create(FIND, shop_id)

    assert [step.id for step in created.plan.details.steps] == ["s1"]
    assert created.plan.execution_plan_id == created.execution_plan_id


async def test_sequences_grow_and_the_last_event_is_the_final_status(service: Service, shop_id: str) -> None:
    created = await service.create(FIND, shop_id)
    events = await service.events(created.run_id, include_tool_calls=True)
    sequences = [event.sequence for event in events]

    assert sequences == sorted(set(sequences))
    assert events[-1].status_changed.status == pb.RUN_STATUS_SUCCESS
    assert {event.WhichOneof("event") for event in events} >= {"tool_call", "tool_result", "result"}


async def test_the_callers_trace_context_reaches_the_service(service: Service) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with recording() as found:
        integration = await service.add_integration(found.document, name="recorder")
        request = run_pb2.CreateRunRequest(
            intent="List the things", selected_customer_integration_ids=[integration], user_id="u"
        )
        metadata = (*service.metadata, ("traceparent", trace))
        created = await service.runs.CreateRun(request, metadata=metadata)
        await service.finished(created.run_id)

    assert [headers["traceparent"] for headers in found.called] == [trace]
