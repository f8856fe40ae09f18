"""Appends: directly behind `after`, all or none, and never by two writers at once."""

from __future__ import annotations

import asyncio

import pytest

from errands_server.domain import events as e
from errands_server.domain.errors import RunChanged
from errands_server.domain.fold import fold
from errands_server.store.store import Store
from tests.store.databases import Told, in_one_batch, of_run, rows
from tests.store.logs import FAILED, SUCCEEDED, append, ask, creation, note, stored, texts


async def test_two_calls_that_answer_the_same_share_one_large_document(store: Store) -> None:
    run = await stored(store, "r1", e.Claimed(epoch=1))
    first = append("r1", run, note("one"), artifacts={"hash": b"body"})
    await store.journal.append(first)
    await store.journal.append(append("r1", first.run, note("two"), artifacts={"hash": b"body"}))

    assert await texts(store, "r1") == ["one", "two"]
    assert await store.journal.artifact("r1", "hash") == b"body"


async def test_an_append_lies_directly_behind_the_log(store: Store) -> None:
    run = await stored(store, "r1")

    await store.journal.append(append("r1", run, note("a"), note("b")))

    assert [record.sequence for record in await store.journal.read("r1")] == [1, 2, 3]
    assert await texts(store, "r1") == ["a", "b"]


async def test_the_summary_is_what_the_log_says(store: Store) -> None:
    run = await stored(store, "r1", e.Claimed(epoch=1), ask("a1", expires_at=99))
    head = await store.journal.head("r1")

    assert run == await store.journal.fold("r1") == fold(await store.journal.read("r1"))
    assert head is not None
    assert (head.last_sequence, head.epoch, head.status, head.wake_at) == (3, 1, run.status, 99)
    assert head.finished_at is None


async def test_a_final_status_is_in_the_summary(store: Store) -> None:
    run = await stored(store, "r1", e.Claimed(epoch=1), SUCCEEDED)
    head = await store.journal.head("r1")

    assert head is not None
    assert (head.status, head.finished_at, head.wake_at) == ("SUCCESS", run.updated_at, None)


@pytest.mark.parametrize("after", [0, 1, 3, 9])
async def test_an_append_elsewhere_than_behind_the_log_changes_nothing(store: Store, after: int) -> None:
    run = await stored(store, "r1", note("there"))
    before = await rows(store)

    with pytest.raises(RunChanged):
        await store.journal.append(append("r1", run, note("late"), after=after, artifacts={"a": b"x"}))

    assert await rows(store) == before


async def test_an_append_to_no_run_changes_nothing(store: Store) -> None:
    run = await stored(store, "r1")
    before = await rows(store)

    with pytest.raises(RunChanged):
        await store.journal.append(append("nowhere", run, note()))

    assert await rows(store) == before


async def test_of_two_writers_exactly_one_wins_and_nothing_of_the_loser_is_stored(
    store: Store, told: Told
) -> None:
    run = await stored(store, "r1")
    for round_ in range(20):
        rivals = [append("r1", run, note(f"{round_}{name}"), ask(f"{round_}{name}")) for name in "ab"]
        outcomes = await asyncio.gather(*map(store.journal.append, rivals), return_exceptions=True)
        run = await store.journal.fold("r1")

        assert sorted(map(type, outcomes), key=str) == sorted([type(None), RunChanged], key=str)

    notes = await texts(store, "r1")
    assert [text[:-1] for text in notes] == [str(number) for number in range(20)]
    assert set(run.approvals) == set(notes)
    assert of_run(await rows(store), "r1")["approvals"] == 20
    assert len(told) == 21


async def test_of_two_writers_in_one_batch_the_first_wins(store: Store) -> None:
    run = await stored(store, "r1")
    rivals = [append("r1", run, note("first")), append("r1", run, note("second"))]

    first, second = await in_one_batch(store, *map(store.journal.append, rivals))

    assert (first, type(second)) == (None, RunChanged)
    assert await texts(store, "r1") == ["first"]


async def test_appends_of_one_run_follow_each_other_within_a_batch(store: Store) -> None:
    run = await stored(store, "r1")
    chain = [append("r1", run, ask("a1"))]
    chain.append(append("r1", chain[-1].run, e.Claimed(epoch=1), answer_of("a1")))
    chain.append(append("r1", chain[-1].run, note("third"), epoch=1))

    outcomes = await in_one_batch(store, *map(store.journal.append, chain))

    assert outcomes == [None, None, None]
    assert await store.journal.fold("r1") == chain[-1].run
    async with store.begin("acme") as transaction:
        approval = await transaction.approvals.find("a1")
    assert approval is not None
    assert approval.status == "decided"


def answer_of(approval_id: str) -> e.ApprovalResolved:
    return e.ApprovalResolved(approval_id=approval_id, decision=e.Decision.DENY, actor="ada")


async def test_behind_a_loser_the_rest_of_its_chain_loses_too(store: Store) -> None:
    run = await stored(store, "r1", note("there"))
    stale = append("r1", run, note("lost"), after=1)
    behind = append("r1", stale.run, note("also lost"))

    outcomes = await in_one_batch(store, store.journal.append(stale), store.journal.append(behind))

    assert list(map(type, outcomes)) == [RunChanged, RunChanged]
    assert await texts(store, "r1") == ["there"]


async def test_a_run_created_in_a_batch_can_be_appended_to_in_it(store: Store, told: Told) -> None:
    first = creation("r1")
    behind = append("r1", first.build(None).run, note("behind"))

    created, outcome = await in_one_batch(store, store.journal.create(first), store.journal.append(behind))

    assert (created.run_id, outcome) == ("r1", None)
    assert told.run_ids == ["r1", "r1"]
    assert await store.journal.fold("r1") == behind.run


async def test_a_stale_epoch_is_refused_even_where_the_sequence_fits(store: Store) -> None:
    run = await stored(store, "r1", e.Claimed(epoch=1), e.Claimed(epoch=2))

    with pytest.raises(RunChanged):
        await store.journal.append(append("r1", run, note("from the past"), epoch=1))
    with pytest.raises(RunChanged):
        await store.journal.append(append("r1", run, note("from the future"), epoch=3))
    await store.journal.append(append("r1", run, note("now"), epoch=2))

    assert await texts(store, "r1") == ["now"]


async def test_an_epoch_claimed_within_the_batch_counts(store: Store) -> None:
    run = await stored(store, "r1", e.Claimed(epoch=1))
    claim = append("r1", run, e.Claimed(epoch=2), epoch=1)
    stale = append("r1", claim.run, note("stale"), epoch=1)

    outcomes = await in_one_batch(store, store.journal.append(claim), store.journal.append(stale))

    assert list(map(type, outcomes)) == [type(None), RunChanged]
    assert await texts(store, "r1") == []


async def test_several_runs_change_together_or_not_at_all(store: Store, told: Told) -> None:
    one, two = await stored(store, "r1"), await stored(store, "r2", note("there"))
    told.clear()
    fitting, stale = append("r1", one, note("new")), append("r2", two, note("new"), after=1)

    with pytest.raises(RunChanged):
        await store.journal.append_together([fitting, stale])

    assert (await texts(store, "r1"), await texts(store, "r2")) == ([], ["there"])
    assert told == []

    await store.journal.append_together([fitting, append("r2", two, note("new"))])

    assert (await texts(store, "r1"), await texts(store, "r2")) == (["new"], ["there", "new"])
    assert told.run_ids == ["r1", "r2"]


async def test_the_loser_among_several_runs_leaves_the_winner_of_its_batch_alone(store: Store) -> None:
    one, two = await stored(store, "r1"), await stored(store, "r2")
    alone = append("r1", one, note("alone"))
    both = [append("r2", two, note("both")), append("r1", one, note("both"))]

    outcomes = await in_one_batch(store, store.journal.append(alone), store.journal.append_together(both))

    assert list(map(type, outcomes)) == [type(None), RunChanged]
    assert (await texts(store, "r1"), await texts(store, "r2")) == (["alone"], [])


async def test_artifacts_are_stored_with_their_append_and_read_back(store: Store) -> None:
    run = await stored(store, "r1")
    body = bytes(range(256)) * 1_000

    await store.journal.append(append("r1", run, note(), artifacts={"big": body, "empty": b""}))

    assert await store.journal.artifact("r1", "big") == body
    assert await store.journal.artifact("r1", "empty") == b""


async def test_records_are_read_from_a_cursor_in_order_and_bounded(store: Store) -> None:
    run = await stored(store, "r1")
    await store.journal.append(append("r1", run, *(note(str(number)) for number in range(1_500))))

    page = await store.journal.read("r1", after=10, limit=7)

    assert [record.sequence for record in page] == list(range(11, 18))
    assert len(await store.journal.read("r1")) == 1_000
    assert (await store.journal.fold("r1")).sequence == 1_501
    assert await store.journal.read("r1", after=1_501) == []


async def test_the_latest_of_a_run_is_its_summary_with_its_records(store: Store) -> None:
    await stored(store, "r1", note("a"), note("b"))
    latest = await store.journal.latest("r1", after=1)

    assert latest is not None
    assert latest.head == await store.journal.head("r1")
    assert latest.records == await store.journal.read("r1", after=1)
    assert await store.journal.latest("nowhere") is None


async def test_a_fold_goes_on_from_what_is_known(store: Store) -> None:
    run = await stored(store, "r1")
    more = append("r1", run, note(), e.Claimed(epoch=1))
    await store.journal.append(more)

    assert await store.journal.fold("r1", run) == more.run
    assert await store.journal.fold("r1", more.run) == more.run


@pytest.mark.parametrize(
    ("last", "status"),
    [(answer_of("a1"), "decided"), (FAILED, "closed"), (e.CancelRequested(actor="ada", until=9), "closed")],
)
async def test_an_approval_is_pending_until_it_is_decided_or_its_run_stops(
    store: Store, last: e.AnyEvent, status: str
) -> None:
    run = await stored(store, "r1", e.Claimed(epoch=1), ask("a1"))
    async with store.begin("acme") as transaction:
        before = await transaction.approvals.find("a1")
    await store.journal.append(append("r1", run, last))
    async with store.begin("acme") as transaction:
        after = await transaction.approvals.find("a1")

    assert before is not None
    assert after is not None
    assert (before.status, after.status) == ("pending", status)


async def test_runs_that_have_not_ended_are_found_oldest_first(store: Store) -> None:
    for run_id in ("r3", "r1", "r2"):
        await stored(store, run_id)
    await stored(store, "r0", e.Claimed(epoch=1), SUCCEEDED)

    assert [head.run_id for head in await store.journal.unfinished("embedded")] == ["r1", "r2", "r3"]


async def test_what_is_due_is_found_soonest_first(store: Store) -> None:
    for run_id, at in (("r1", 30), ("r2", 10), ("r3", 20)):
        await stored(store, run_id, ask(f"of {run_id}", expires_at=at))
    await stored(store, "never")

    assert [head.run_id for head in await store.journal.due("embedded", 20)] == ["r2", "r3"]


async def test_an_engine_is_given_no_run_of_another(store: Store) -> None:
    for run_id, engine in (("r1", "embedded"), ("r2", "other"), ("r3", "embedded")):
        await stored(store, run_id, engine=engine)
        await stored(store, f"{run_id} waits", ask(f"of {run_id}", expires_at=10), engine=engine)
    journal = store.journal

    for engine, own in (("embedded", ["r1", "r3"]), ("other", ["r2"]), ("none", [])):
        waiting = [f"{run_id} waits" for run_id in own]
        assert [head.run_id for head in await journal.unfinished(engine)] == sorted(own + waiting)
        assert [head.run_id for head in await journal.working(engine)] == own
        assert sorted(head.run_id for head in await journal.due(engine, 20)) == waiting
