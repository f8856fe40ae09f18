"""Faults of the database: what was answered is never lost, and what is unknown is said to be."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from errands_server.domain.errors import CommitUnknown, RunChanged, Unavailable
from errands_server.store import group_commit
from errands_server.store.store import Store
from tests.store.databases import PATIENCE, Told, in_one_batch, opened, rows, sqlite_only
from tests.store.faults import Driver, full_disk, locked
from tests.store.logs import HOUR, NOW, OWNER, append, creation, note, request, stored, texts

pytestmark = sqlite_only

BIG = "x" * 200_000


@pytest.fixture
def url(url: str) -> str:
    """A database that gives up on a lock at once."""
    return f"{url}?timeout=0.05"


@pytest.fixture
async def store(driver: Driver, url: str, told: Told) -> AsyncGenerator[Store, None]:
    async with opened(url, told) as store:
        yield store


async def healthy(store: Store) -> None:
    """Returns once the store is healthy again, by itself."""
    async with asyncio.timeout(PATIENCE):
        while not store.journal.healthy:
            await asyncio.to_thread(_a_moment)


def _a_moment() -> None:
    sqlite3.connect(":memory:").close()


async def test_nothing_can_be_read_before_it_is_committed(store: Store, driver: Driver) -> None:
    seen: list[int] = []
    loop = asyncio.get_running_loop()
    run = await stored(store, "r1")

    def peek() -> None:
        driver.before_commit = lambda: None  # the reader commits too
        reading = asyncio.run_coroutine_threadsafe(store.journal.read("r1"), loop)
        seen.append(len(reading.result(PATIENCE)))

    driver.before_commit = peek
    await store.journal.append(append("r1", run, note("mine")))

    assert seen == [1]
    assert await texts(store, "r1") == ["mine"]


@pytest.mark.parametrize("error", [sqlite3.OperationalError, ConnectionResetError])
async def test_a_commit_that_happened_is_answered_as_stored(
    store: Store, driver: Driver, told: Told, error: type[Exception]
) -> None:
    run = await stored(store, "r1")
    other = await stored(store, "r2")
    first = append("r1", run, note("first"))
    second = append("r1", first.run, note("second"))
    together = [append("r2", other, note("together"))]
    driver.error = error
    driver.lose_commit = True

    outcomes = await in_one_batch(
        store,
        store.journal.append(first),
        store.journal.append(second),
        store.journal.append_together(together),
        store.journal.create(creation("r3")),
    )

    assert outcomes[:3] == [None, None, None]
    assert (outcomes[3].run_id, outcomes[3].run.sequence, outcomes[3].replayed) == ("r3", 1, False)
    assert await texts(store, "r1") == ["first", "second"]
    assert told.run_ids[2:] == ["r1", "r1", "r2", "r3"]


async def test_a_creation_found_after_a_lost_commit_is_told_with_its_own_records_only(
    store: Store, driver: Driver, told: Told
) -> None:
    first = creation("r1")
    behind = append("r1", first.build(None).run, note("behind"))
    driver.lose_commit = True

    await in_one_batch(store, store.journal.create(first), store.journal.append(behind))

    (_, created), (_, _) = told
    assert created is not None
    assert [record.sequence for record in created.records] == [1]


@pytest.mark.parametrize("error", [sqlite3.OperationalError, ConnectionResetError])
async def test_a_commit_that_did_not_happen_is_answered_as_unavailable(
    store: Store, driver: Driver, told: Told, error: type[Exception]
) -> None:
    run = await stored(store, "r1")
    told.clear()
    driver.error = error
    driver.fail_commit = True

    outcomes = await in_one_batch(
        store,
        store.journal.append(append("r1", run, note("lost"))),
        store.journal.create(creation("r2")),
        store.journal.append_together([append("r1", run, note("stale"), after=7)]),
    )

    assert [outcome.reason for outcome in outcomes] == ["STORE_UNAVAILABLE"] * 3
    assert await texts(store, "r1") == []
    assert await store.journal.head("r2") is None
    assert told == []


async def test_after_a_failed_commit_the_next_write_succeeds(store: Store, driver: Driver) -> None:
    run = await stored(store, "r1")
    for number in range(3):
        driver.fail_commit = True
        with pytest.raises(Unavailable):
            await store.journal.append(append("r1", run, note("lost")))

        assert not store.journal.healthy

        more = append("r1", run, note(str(number)))
        await store.journal.append(more)
        run = more.run

        assert store.journal.healthy

    assert await texts(store, "r1") == ["0", "1", "2"]


async def test_a_commit_that_cannot_be_looked_up_is_unknown(store: Store, driver: Driver) -> None:
    run = await stored(store, "r1")
    driver.unreachable = True
    driver.lose_commit = True

    with pytest.raises(CommitUnknown):
        await store.journal.append(append("r1", run, note("stored")))
    with pytest.raises(Unavailable):
        await store.journal.append(append("r1", run, note("later")))

    assert not store.journal.healthy

    driver.unreachable = False
    with pytest.raises(RunChanged):
        await store.journal.append(append("r1", run, note("again")))

    assert store.journal.healthy
    assert await texts(store, "r1") == ["stored"]


async def test_what_was_unknown_is_told_once_it_is_known(store: Store, driver: Driver, told: Told) -> None:
    run = await stored(store, "r1")
    told.clear()
    driver.unreachable = True
    driver.lose_commit = True
    outcomes = await in_one_batch(
        store,
        store.journal.append(append("r1", run, note("stored"))),
        store.journal.append(append("r1", run, note("loser"))),
        store.journal.create(creation("r2")),
    )
    assert list(map(type, outcomes)) == [CommitUnknown] * 3
    assert told == []

    driver.unreachable = False
    await store.journal.create(creation("r3"))

    assert told.run_ids == ["r1", "r2", "r3"]


async def test_what_was_unknown_is_told_without_another_write(
    store: Store, driver: Driver, told: Told, monkeypatch: Any
) -> None:
    monkeypatch.setattr(group_commit, "PROBE", 0.01)  # a setting: seconds
    driver.unreachable = True
    driver.lose_commit = True
    with pytest.raises(CommitUnknown):
        await store.journal.create(creation("r1"))
    driver.unreachable = False
    await healthy(store)
    await asyncio.sleep(0)  # the writer's thread has asked the loop to tell

    assert told.run_ids == ["r1"]


async def test_a_request_in_doubt_is_answered_when_it_is_asked_again(store: Store, driver: Driver) -> None:
    driver.unreachable = True
    driver.lose_commit = True
    with pytest.raises(CommitUnknown):
        await store.journal.create(creation("r1", request=request("same")))
    driver.unreachable = False

    again = await store.journal.create(creation("r2", request=request("same")))

    assert (again.run_id, again.replayed) == ("r1", True)


async def test_a_full_disk_loses_nothing_that_was_answered(store: Store, driver: Driver, told: Told) -> None:
    run = await stored(store, "r1")
    answered = []
    with full_disk(driver):
        for number in range(100):
            more = append("r1", run, note(f"{number}{BIG}"))
            try:
                await store.journal.append(more)
            except Unavailable as error:
                refused = error
                break
            answered.append(number)
            run = more.run

        assert refused.reason == "STORE_UNAVAILABLE"
        assert "full" in refused.message
        assert not store.journal.healthy
        assert await store.journal.fold("r1") == run
        assert [text.rstrip("x") for text in await texts(store, "r1")] == list(map(str, answered))

        with pytest.raises(Unavailable):
            await store.journal.create(creation("r2", intent=BIG))
        with pytest.raises(Unavailable):
            await store.journal.append(append("r1", run, note(BIG), artifacts={"a": BIG.encode()}))

        assert not store.journal.healthy

    await store.journal.append(append("r1", run, note("again")))

    assert store.journal.healthy
    assert (await texts(store, "r1"))[-1] == "again"
    assert told.run_ids == ["r1"] * (len(answered) + 2)


async def test_a_full_disk_fails_the_whole_batch(store: Store, driver: Driver) -> None:
    run = await stored(store, "r1")
    before = await rows(store)
    with full_disk(driver):
        outcomes = await in_one_batch(
            store,
            store.journal.append(append("r1", run, note("small"))),
            store.journal.create(creation("r2", intent=BIG)),
        )

    assert [outcome.reason for outcome in outcomes] == ["STORE_UNAVAILABLE"] * 2
    assert await rows(store) == before


async def test_a_store_without_traffic_notices_that_there_is_space_again(
    store: Store, driver: Driver, monkeypatch: Any
) -> None:
    monkeypatch.setattr(group_commit, "PROBE", 0.01)  # a setting: seconds
    before = await rows(store)
    with full_disk(driver):
        with pytest.raises(Unavailable):
            await store.journal.create(creation("r1", intent=BIG))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await healthy(store)
    await healthy(store)

    assert await rows(store) == before


async def test_a_locked_database_is_a_clear_error_and_no_loss(store: Store, url: str, told: Told) -> None:
    run = await stored(store, "r1")
    with locked(url):
        with pytest.raises(Unavailable, match="locked"):
            await store.journal.append(append("r1", run, note("refused")))

        assert not store.journal.healthy
        assert await texts(store, "r1") == []

    await store.journal.append(append("r1", run, note("stored")))

    assert store.journal.healthy
    assert await texts(store, "r1") == ["stored"]
    assert told.run_ids == ["r1", "r1"]


async def test_a_locked_database_is_waited_for(tmp_path: Any) -> None:
    plain = f"sqlite:///{tmp_path / 'patient.db'}"
    async with opened(plain) as store:
        with locked(plain):
            creating = asyncio.create_task(store.journal.create(creation("r1")))
            await asyncio.to_thread(_a_moment)
            assert not creating.done()

        assert (await creating).run_id == "r1"


async def test_a_locked_database_is_a_clear_error_to_administration_too(store: Store, url: str) -> None:
    with locked(url), pytest.raises(Unavailable, match="locked"):
        async with store.begin(OWNER, writes=True) as transaction:
            await transaction.keys.revoke("acme-key", NOW)

    async with store.begin(OWNER, writes=True) as transaction:
        assert await transaction.keys.revoke("acme-key", NOW)


async def test_who_writes_has_the_lock_before_it_reads(store: Store, url: str) -> None:
    def build(_: object) -> Any:
        with locked(url):
            raise AssertionError("the writer decided without the lock")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await store.journal.create(creation("r1", build=build))
    async with store.begin(OWNER, writes=True):
        with pytest.raises(sqlite3.OperationalError, match="locked"), locked(url):
            pass


async def test_reading_needs_no_lock(store: Store, url: str) -> None:
    await stored(store, "r1")
    with locked(url):
        assert len(await store.journal.read("r1")) == 1
        async with store.begin(OWNER) as transaction:
            assert await transaction.runs.find("r1") is not None


async def test_a_read_that_fails_spoils_no_later_one(store: Store) -> None:
    await stored(store, "r1")

    def fail(connection: Any) -> None:
        connection.exec_driver_sql("SELECT * FROM nowhere")

    with pytest.raises(Unavailable, match="nowhere"):
        await store.journal.query(fail)
    with pytest.raises(ZeroDivisionError):
        await store.journal.query(lambda _: 1 / 0)

    assert len(await store.journal.read("r1")) == 1


async def test_a_reader_does_not_hold_on_to_an_old_snapshot(store: Store) -> None:
    run = await stored(store, "r1")
    await asyncio.gather(*(store.journal.read("r1") for _ in range(3)), return_exceptions=True)
    await store.journal.append(append("r1", run, note("new"), now=NOW + HOUR))

    assert await texts(store, "r1") == ["new"]


async def test_a_store_that_cannot_be_opened_says_so(driver: Driver, url: str) -> None:
    driver.unreachable = True

    with pytest.raises(Exception, match="unable to open"):
        await Store.open(url, Told())
