"""Group commit: what waits together shares a commit, and one bad write spoils no other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from errands_server.domain.errors import RunChanged, Unavailable
from errands_server.store import group_commit
from errands_server.store.store import Store
from tests.store.databases import Told, count_commits, in_one_batch, of_run, opened, rows
from tests.store.logs import append, ask, creation, note, stored, texts


async def test_many_appends_share_few_commits(store: Store) -> None:
    keys = [f"r{number}" for number in range(300)]
    runs = dict(zip(keys, await asyncio.gather(*(stored(store, key) for key in keys)), strict=True))
    commits = count_commits(store)

    await asyncio.gather(*(store.journal.append(append(key, run, note())) for key, run in runs.items()))

    assert len(commits) <= 20
    assert len((await rows(store))["events"]) == 600


async def test_a_full_batch_is_one_commit(store: Store) -> None:
    commits = count_commits(store)

    outcomes = await in_one_batch(
        store, *(store.journal.create(creation(f"r{number}")) for number in range(group_commit.MAX_BATCH))
    )

    assert [outcome.run_id for outcome in outcomes] == [
        f"r{number}" for number in range(group_commit.MAX_BATCH)
    ]
    assert len(commits) == 1


async def test_only_the_guilty_append_of_a_batch_fails_and_nothing_of_it_remains(
    store: Store, told: Told
) -> None:
    runs = {f"r{number}": await stored(store, f"r{number}", ask(f"a{number}")) for number in range(5)}
    told.clear()
    writes = [append(key, run, note("good"), artifacts={"x": b"1"}) for key, run in runs.items()]
    # Another run has this approval already.
    writes[2] = append("r2", runs["r2"], note("bad"), ask("a0"), artifacts={"x": b"1"})

    outcomes = await in_one_batch(store, *map(store.journal.append, writes))

    assert list(map(type, outcomes)) == [type(None)] * 2 + [IntegrityError] + [type(None)] * 2
    assert told.run_ids == ["r0", "r1", "r3", "r4"]
    assert [await texts(store, key) for key in runs] == [["good"], ["good"], [], ["good"], ["good"]]
    left = of_run(await rows(store), "r2")
    assert (left["events"], left["artifacts"], left["approvals"], left["runs"]) == (2, 0, 1, 1)
    head = await store.journal.head("r2")
    assert head is not None
    assert head.last_sequence == 2
    assert store.journal.healthy


async def test_behind_a_guilty_append_its_chain_loses(store: Store) -> None:
    run = await stored(store, "r1", ask("a1"))
    other = await stored(store, "r2")
    guilty = append("r2", other, ask("a1"))
    behind = append("r2", guilty.run, note("behind"))
    outcomes = await in_one_batch(
        store, *map(store.journal.append, [guilty, behind, append("r1", run, note("good"))])
    )

    assert list(map(type, outcomes)) == [IntegrityError, RunChanged, type(None)]
    assert (await store.journal.fold("r2")) == other


async def test_a_guilty_member_takes_only_those_written_together_with_it(store: Store) -> None:
    runs = [await stored(store, f"r{number}", ask(f"a{number}")) for number in range(3)]
    both = [append("r0", runs[0], note("both")), append("r1", runs[1], ask("a2"))]

    outcomes = await in_one_batch(
        store,
        store.journal.append_together(both),
        store.journal.append(append("r2", runs[2], note("good"))),
    )

    assert list(map(type, outcomes)) == [IntegrityError, type(None)]
    assert [await texts(store, f"r{number}") for number in range(3)] == [[], [], ["good"]]


class Broken(Exception):
    """Raised by a `build`."""


def broken(_: object) -> Any:
    raise Broken


async def test_a_run_that_cannot_be_built_spoils_no_other(store: Store) -> None:
    outcomes = await in_one_batch(
        store,
        store.journal.create(creation("r1")),
        store.journal.create(creation("r2", build=broken)),
        store.journal.create(creation("r3")),
    )

    assert [getattr(outcome, "run_id", type(outcome)) for outcome in outcomes] == ["r1", Broken, "r3"]
    assert sum(of_run(await rows(store), "r2").values()) == 0
    assert store.journal.healthy


@pytest.mark.parametrize("text", ["\ud800", object()])
async def test_a_value_the_database_cannot_hold_spoils_no_other(store: Store, text: Any) -> None:
    outcomes = await in_one_batch(
        store,
        store.journal.create(creation("r1")),
        store.journal.create(creation("r2", repeat_key=text)),
        store.journal.create(creation("r3")),
    )

    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, True, False]
    assert store.journal.healthy


async def test_on_commit_comes_in_commit_order_and_before_the_waiter(url: str) -> None:
    seen: list[str] = []
    async with opened(url, lambda work, _: seen.append(f"told {work.run_id}")) as store:

        async def create(run_id: str) -> None:
            await store.journal.create(creation(run_id))
            seen.append(f"answered {run_id}")

        await asyncio.gather(*map(create, "abc"))
        await create("d")

    assert [entry for entry in seen if entry.startswith("told")] == [f"told {key}" for key in "abcd"]
    assert all(seen.index(f"told {key}") < seen.index(f"answered {key}") for key in "abcd")


async def test_what_on_commit_is_told_of_can_be_read(url: str) -> None:
    reads: list[asyncio.Task[Any]] = []
    async with opened(url, lambda work, _: reads.append(asyncio.create_task(read(work.run_id)))) as store:

        async def read(run_id: str) -> int:
            return len(await store.journal.read(run_id))

        await asyncio.gather(*(store.journal.create(creation(f"r{number}")) for number in range(50)))

        assert await asyncio.gather(*reads) == [1] * 50


async def test_a_listener_that_fails_leaves_nobody_waiting(url: str) -> None:
    def fail(work: Any, _: object) -> None:
        if work.run_id == "r1":
            raise Broken

    async with opened(url, fail) as store:
        outcomes = await in_one_batch(
            store, *(store.journal.create(creation(f"r{number}")) for number in range(3))
        )

        assert [outcome.run_id for outcome in outcomes] == ["r0", "r1", "r2"]


async def test_a_waiter_that_goes_away_loses_nothing(store: Store, told: Told) -> None:
    run = await stored(store, "r1")
    told.clear()

    async def give_up() -> None:
        task = asyncio.create_task(store.journal.append(append("r1", run, note("kept"))))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    await in_one_batch(store, store.journal.create(creation("r2")), give_up())
    await store.journal.create(creation("r3"))  # written behind what nobody waits for

    assert told.run_ids == ["r2", "r1", "r3"]
    assert await texts(store, "r1") == ["kept"]


async def test_closing_writes_what_waits(url: str) -> None:
    async with opened(url) as store:
        tasks = [asyncio.create_task(store.journal.create(creation(f"r{n}"))) for n in range(500)]
        await asyncio.sleep(0)
    created = await asyncio.gather(*tasks)

    async with opened(url) as store:
        assert len(await store.journal.unfinished("embedded")) == len(created) == 500


async def test_a_closed_store_refuses_rather_than_let_anybody_wait(url: str) -> None:
    async with opened(url) as store:
        pass

    with pytest.raises(Unavailable, match="closed"):
        await store.journal.create(creation("late"))


async def test_more_writes_than_may_wait_are_refused(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(group_commit, "MAX_WAITING", 3)  # a setting; the writer is what it is

    outcomes = await in_one_batch(
        store, *(store.journal.create(creation(f"r{number}")) for number in range(4))
    )

    assert [getattr(outcome, "run_id", "") for outcome in outcomes] == ["r0", "r1", "", ""]
    assert isinstance(outcomes[3], Unavailable)
    assert outcomes[3].reason == "STORE_UNAVAILABLE"
    assert (await store.journal.create(creation("later"))).run_id == "later"
