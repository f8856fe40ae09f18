"""The beginning of a run: one commit holds it, and no answer is older than the log."""

from __future__ import annotations

from pathlib import Path

from errands.v1 import run_pb2
from tests.databases import looked_into
from tests.service import Service

ORDER = 'Find the product "blue mug" and order 2 of them for the customer ada@example.com'


async def test_one_commit_holds_the_run_its_plan_and_the_question_about_it(
    service: Service, shop_id: str, tmp_path: Path
) -> None:
    created = await service.create(ORDER, shop_id, approval_strategy=run_pb2.APPROVAL_STRATEGY_ON_START)
    written = looked_into(tmp_path / "data", "SELECT append_id, count(*) FROM events GROUP BY append_id")

    assert created.plan.details.steps
    assert [event.WhichOneof("event") for event in created.events][-2:] == [
        "approval_required",
        "status_changed",
    ]
    assert [count for _, count in written] == [5]  # created, claimed, planned, asked, paused


async def test_a_run_is_shown_as_its_log_tells_it_however_often_it_was_shown(
    service: Service, shop_id: str
) -> None:
    created = await service.create(ORDER, shop_id, approval_strategy=run_pb2.APPROVAL_STRATEGY_ON_START)
    before = [await service.get(created.run_id) for _ in range(3)]
    await service.decide(before[0].pending_approvals[0].approval_id, 2)
    after = await service.get(created.run_id)

    assert before[0] == before[1] == before[2]
    assert after.last_sequence > before[0].last_sequence
    assert not after.pending_approvals


async def test_who_may_not_decide_is_not_shown_the_links_another_was_shown(
    service: Service, shop_id: str
) -> None:
    created = await service.create(ORDER, shop_id, approval_strategy=run_pb2.APPROVAL_STRATEGY_ON_START)
    reader = await service.with_scopes("runs:read")
    shown = await service.get(created.run_id)
    read = await reader.get(created.run_id)

    assert shown.pending_approvals[0].actions
    assert not read.pending_approvals[0].actions
