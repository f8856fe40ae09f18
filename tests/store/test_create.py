"""Creating runs: whole or not at all, once for each request, and repeating what was done before."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from errands_server.domain import events as e
from errands_server.domain.errors import Conflict
from errands_server.store.journal_reads import Selected
from errands_server.store.repositories.requests import REQUEST_TTL
from errands_server.store.store import Store
from tests.store.databases import Told, count_commits, in_one_batch, of_run, rows
from tests.store.logs import FAILED, NOW, OWNER, STRANGER, beginning, creation, finished, request, stored


async def test_a_new_run_is_stored_whole(store: Store, told: Told) -> None:
    wanted = creation("r1", integrations=["shop", "crm"], request=request("q1"), intent="find ada")

    created = await store.journal.create(wanted)

    assert (created.run_id, created.replayed) == ("r1", False)
    assert created.run == await store.journal.fold("r1")
    assert await store.journal.read("r1") == list(created.records)
    inputs = await store.journal.inputs("r1")
    assert inputs == wanted.inputs
    assert inputs.integrations == (Selected("shop", 1), Selected("crm", 1))
    assert of_run(await rows(store), "r1") == {
        "runs": 1,
        "run_inputs": 1,
        "run_secrets": 0,
        "run_integrations": 2,
        "requests": 1,
        "events": 1,
        "artifacts": 0,
        "approvals": 0,
    }
    assert told.run_ids == ["r1"]


@pytest.mark.parametrize(
    "fault",
    [
        {"integrations": ["shop", "shop"]},  # a selection holds each once
        {"tenant": "nobody"},  # no such tenant
        {"user_id": None, "build": beginning("r1")},
    ],
)
async def test_a_run_that_breaks_a_constraint_leaves_nothing(store: Store, fault: Any, told: Told) -> None:
    before = await rows(store)

    with pytest.raises(IntegrityError) as refused:
        await store.journal.create(creation("r1", request=request("q1"), intent="a secret", **fault))

    assert await rows(store) == before
    assert "a secret" not in str(refused.value)  # errors are logged
    assert told == []


async def test_a_run_is_not_created_twice(store: Store) -> None:
    run = await stored(store, "r1")
    with pytest.raises(IntegrityError):
        await store.journal.create(creation("r1", request=request("q1")))

    assert await store.journal.fold("r1") == run
    assert (await store.journal.create(creation("r2", request=request("q1")))).replayed is False


async def test_the_same_request_gives_the_same_run(store: Store, told: Told) -> None:
    await store.journal.create(creation("r1", request=request("q1")))
    before = await rows(store)

    again = await store.journal.create(creation("r2", request=request("q1"), now=NOW + REQUEST_TTL - 1))

    assert (again.run_id, again.replayed) == ("r1", True)
    assert await rows(store) == before
    assert told.run_ids == ["r1"]


async def test_the_same_request_many_times_at_once_gives_one_run(store: Store, told: Told) -> None:
    same = [store.journal.create(creation(f"r{number}", request=request("q1"))) for number in range(20)]

    answers = await asyncio.gather(*same)

    assert {answer.run_id for answer in answers} == {"r0"}
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 19
    assert told.run_ids == ["r0"]


async def test_the_same_request_twice_in_a_batch_gives_one_run(store: Store, told: Told) -> None:
    commits = count_commits(store)

    first, second, other = await in_one_batch(
        store,
        store.journal.create(creation("r1", request=request("q1"))),
        store.journal.create(creation("r2", request=request("q1"))),
        store.journal.create(creation("r3", request=request("q1", b"other"))),
    )

    assert (first.run_id, first.replayed) == ("r1", False)
    assert (second.run_id, second.replayed) == ("r1", True)
    assert other.reason == "IDEMPOTENCY_KEY_REUSED"
    assert len(commits) == 1
    assert told.run_ids == ["r1"]
    assert len((await rows(store))["runs"]) == 1


async def test_a_request_id_with_another_body_is_refused(store: Store, told: Told) -> None:
    await store.journal.create(creation("r1", request=request("q1")))
    before = await rows(store)

    with pytest.raises(Conflict) as refused:
        await store.journal.create(creation("r2", request=request("q1", b"other")))

    assert (refused.value.reason, refused.value.subject) == ("IDEMPOTENCY_KEY_REUSED", "q1")
    assert await rows(store) == before
    assert told.run_ids == ["r1"]


async def test_a_request_id_is_forgotten_after_a_day(store: Store) -> None:
    await store.journal.create(creation("r1", request=request("q1")))

    later = creation("r2", request=request("q1", b"other"), now=NOW + REQUEST_TTL)

    assert REQUEST_TTL == 86_400_000
    assert (await store.journal.create(later)).run_id == "r2"
    assert (await store.journal.create(creation("r3", request=request("q1", b"other")))).run_id == "r2"


async def test_a_request_is_answered_without_writing_for_a_day(store: Store) -> None:
    assert await store.journal.find_replay(OWNER, request("q1"), NOW) is None
    await store.journal.create(creation("r1", request=request("q1")))

    assert await store.journal.find_replay(OWNER, request("q1"), NOW + REQUEST_TTL - 1) == "r1"
    assert await store.journal.find_replay(OWNER, request("q1"), NOW + REQUEST_TTL) is None
    with pytest.raises(Conflict):
        await store.journal.find_replay(OWNER, request("q1", b"other"), NOW)


async def test_a_request_id_belongs_to_its_tenant(store: Store) -> None:
    await store.journal.create(creation("r1", request=request("q1")))

    theirs = await store.journal.create(creation("r2", request=request("q1", b"other"), tenant=STRANGER))

    assert (theirs.run_id, theirs.replayed) == ("r2", False)


async def test_runs_without_request_id_are_all_different(store: Store) -> None:
    for run_id in ("r1", "r2"):
        assert (await store.journal.create(creation(run_id))).run_id == run_id


async def repeats(store: Store, run_id: str = "again", **fields: Any) -> str | None:
    """Which run a new one with the key "daily" repeats."""
    await store.journal.create(creation(run_id, repeat_key="daily", **fields))
    head = await store.journal.head(run_id)
    run = await store.journal.fold(run_id)
    assert head is not None
    assert run.repeat_of == (head.repeat_run_id or "")
    return head.repeat_run_id


async def test_a_new_repeat_key_repeats_nothing(store: Store) -> None:
    await finished(store, "r1", repeat_key="weekly")

    assert await repeats(store) is None


async def test_a_repeat_key_names_the_latest_success(store: Store) -> None:
    await finished(store, "r1", repeat_key="daily")
    await finished(store, "r2", repeat_key="daily")
    await finished(store, "r3", FAILED, repeat_key="daily")

    assert await repeats(store, "r4") == "r2"
    assert (await store.journal.fold("r4")).plan_id == "plan of r1"  # kept from run to run


async def test_without_a_success_a_repeat_key_names_the_latest_that_ended(store: Store) -> None:
    await finished(store, "r1", FAILED, repeat_key="daily")
    await finished(store, "r2", FAILED, repeat_key="daily")
    await stored(store, "r3", e.Claimed(epoch=1), repeat_key="daily")

    assert await repeats(store, "r4") == "r2"


async def test_a_repeat_key_does_not_see_a_run_that_has_not_ended(store: Store) -> None:
    await stored(store, "r1", e.Claimed(epoch=1), repeat_key="daily")

    assert await repeats(store, "r2") is None


@pytest.mark.parametrize("other", [{"tenant": STRANGER}, {"user_id": "bob"}])
async def test_a_repeat_key_belongs_to_its_tenant_and_user(store: Store, other: Any) -> None:
    await finished(store, "r1", repeat_key="daily", **other)

    assert await repeats(store, "r2") is None
    assert await repeats(store, "r3", **other) == "r1"


async def test_a_run_without_repeat_key_can_be_repeated_by_its_id(store: Store) -> None:
    await finished(store, "r1")
    await store.journal.create(creation("r2", repeat_key="r1"))
    head = await store.journal.head("r2")

    assert head is not None
    assert head.repeat_run_id == "r1"
