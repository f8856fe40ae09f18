"""Repeat keys: the plan is reused where it fits, and where it does not the run says why."""

from __future__ import annotations

import pytest

from errands.v1 import event_pb2, integration_pb2
from errands_server.domain.errors import Reason
from errands_server.domain.plan import ContextBinding, Plan
from errands_server.ports import Brief, Refusal
from tests.contract.conftest import Serve, add_target
from tests.contract.plans import step
from tests.contract.target import Target
from tests.scripted import ScriptedPlanner
from tests.service import Service

pytestmark = pytest.mark.execution


def from_context(brief: Brief) -> Plan:
    """Write what the context says under `n`."""
    said = dict(pair.split("=") for pair in brief.context.split()).get("n", "none")
    binding = ContextBinding(target=("body", "n"), key="n")
    return Plan(
        description=brief.intent,
        steps=(step(brief, 1, "writeThing", {"body": {"n": said}}, context=[binding]),),
    )


async def ran(service: Service, intent: str, *integrations: str, **fields: str) -> str:
    created = await service.create(intent, *integrations, repeat_key="weekly", **fields)
    run = await service.finished(created.run_id)
    assert run.status == event_pb2.RUN_STATUS_SUCCESS
    return created.run_id


async def test_the_same_intent_reuses_the_plan_and_binds_the_new_context(
    serve: Serve, target: Target
) -> None:
    planner = ScriptedPlanner(from_context)
    async with serve(planner) as service:
        first = await service.get(await ran(service, "do", context="n=1"))
        second = await service.get(await ran(service, "do", context="n=2"))

        assert second.repeat_run_id == first.run_id
        assert second.execution_plan_id == first.execution_plan_id
        assert planner.asked == 1
        assert target.bodies() == [{"n": "1"}, {"n": "2"}]


async def test_another_intent_makes_a_plan_of_its_own(serve: Serve) -> None:
    planner = ScriptedPlanner(from_context)
    async with serve(planner) as service:
        first = await service.get(await ran(service, "do", context="n=1"))
        second = await service.get(await ran(service, "do more", context="n=1"))

        assert second.repeat_run_id == first.run_id
        assert second.execution_plan_id != first.execution_plan_id
        assert planner.asked == 2


async def test_a_missing_value_means_a_new_plan_and_a_note_that_says_why(serve: Serve) -> None:
    planner = ScriptedPlanner(from_context)
    async with serve(planner) as service:
        first = await service.get(await ran(service, "do", context="n=1"))
        created = await service.create("do", repeat_key="weekly", context="m=1")
        events = await service.events(created.run_id)
        second = await service.get(created.run_id)
        notes = [event.note.text for event in events if event.WhichOneof("event") == "note"]

        assert second.repeat_run_id == first.run_id
        assert second.execution_plan_id != first.execution_plan_id
        assert created.execution_plan_id == second.execution_plan_id
        assert planner.asked == 2
        assert first.run_id in notes[0]
        assert "'n'" in notes[0]


async def test_another_revision_or_selection_means_a_new_plan(serve: Serve, target: Target) -> None:
    planner = ScriptedPlanner(from_context)
    async with serve(planner) as service:
        first = await service.get(await ran(service, "do", context="n=1"))
        mine = first.selected_customer_integration_ids[0]
        other = await add_target(service, target, "other")
        elsewhere = await service.get(await ran(service, "do", other, context="n=1"))
        await service.integrations.UpdateIntegration(
            integration_pb2.UpdateIntegrationRequest(id=other, name="renamed")
        )
        revised = await service.get(await ran(service, "do", other, context="n=1"))

        assert mine != other
        assert len({run.execution_plan_id for run in (first, elsewhere, revised)}) == 3
        assert planner.asked == 3


async def test_the_latest_success_is_repeated_before_anything_else(serve: Serve) -> None:
    answers = {"good": from_context}

    def make(brief: Brief) -> Plan | Refusal:
        made = answers.get(brief.intent)
        return made(brief) if made else Refusal(Reason.NO_FITTING_TOOL, "no")

    async with serve(ScriptedPlanner(make)) as service:
        success = await ran(service, "good", context="n=1")
        failed = await service.create("bad", repeat_key="weekly")
        await service.finished(failed.run_id)
        third = await service.create("good", repeat_key="weekly", context="n=3")

        assert failed.repeat_run_id == success
        assert third.repeat_run_id == success


async def test_a_label_belongs_to_one_user_and_needs_a_finished_run(serve: Serve) -> None:
    planner = ScriptedPlanner(from_context)
    async with serve(planner) as service:
        waiting = await service.create("do", repeat_key="weekly", context="n=1", approval_strategy=2)
        early = await service.create("do", repeat_key="weekly", context="n=1", approval_strategy=2)
        other = await service.create("do", repeat_key="weekly", context="n=1", user_id="another")
        generated = await service.create("do", context="n=1")

        assert not early.repeat_run_id
        assert not other.repeat_run_id
        assert waiting.repeat_key == "weekly"
        assert generated.repeat_key not in {"", "weekly"}


async def test_a_repeated_run_is_approved_afresh(serve: Serve, target: Target) -> None:
    async with serve(ScriptedPlanner(from_context)) as service:
        first = await service.create("do", repeat_key="weekly", context="n=1", approval_strategy=2)
        asked = (await service.get(first.run_id)).pending_approvals[0]
        await service.decide(asked.approval_id, 1)
        await service.finished(first.run_id)
        second = await service.create("do", repeat_key="weekly", context="n=1", approval_strategy=2)
        again = (await service.get(second.run_id)).pending_approvals[0]

        assert second.repeat_run_id == first.run_id
        assert again.approval_id != asked.approval_id
        assert len(target.bodies()) == 1


async def test_a_run_that_repeats_one_without_a_plan_gets_a_plan_id_of_its_own(serve: Serve) -> None:
    willing: list[bool] = []

    def make(brief: Brief) -> Plan | Refusal:
        return from_context(brief) if willing else Refusal(Reason.NO_FITTING_TOOL, "no")

    async with serve(ScriptedPlanner(make)) as service:
        first = await service.create("do", repeat_key="weekly")
        await service.finished(first.run_id)
        willing.append(True)
        second = await service.create("do", repeat_key="weekly", context="n=1")

        assert second.repeat_run_id == first.run_id
        assert second.execution_plan_id != first.execution_plan_id
