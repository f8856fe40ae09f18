"""What is PostgreSQL's own: connections that are lost, COMMITs without an answer, hints, a full disk."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import pytest

from errands_server.domain.errors import CommitUnknown, Unavailable
from errands_server.domain.run import Run
from errands_server.store.database import sync_engine
from errands_server.store.postgres.connection import StillOpen, require_ended
from errands_server.store.store import Store, migrate_schema
from tests.databases import database_of, looked_into
from tests.postgres import cluster
from tests.store.databases import PATIENCE, opened, postgres_only
from tests.store.logs import append, creation, note, stored

notify = pytest.importorskip("errands_server.store.postgres.notify")

pytestmark = postgres_only


async def appended(store: Store, run: Run) -> None:
    await store.journal.append(append("r1", run, note()))


async def created(store: Store, run: Run) -> None:
    await stored(store, "r2")


@pytest.mark.parametrize(("write", "written"), [(appended, "r1"), (created, "r2")])
async def test_a_write_on_a_connection_that_was_lost_is_made_on_a_new_one(
    store: Store, tmp_path: Path, write: Callable[[Store, Run], Awaitable[None]], written: str
) -> None:
    run = await stored(store, "r1")
    looked_into(
        tmp_path,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    await write(store, run)
    head = await store.journal.head(written)

    assert head is not None
    assert head.last_sequence == run.sequence + (written == "r1")


async def test_a_read_that_takes_long_holds_up_no_other(store: Store) -> None:
    may_end = threading.Event()
    long = asyncio.create_task(store.journal.query(lambda _: may_end.wait(PATIENCE)))
    await asyncio.sleep(0)  # it is handed over first

    assert await store.journal.head("r1") is None
    assert not long.done()
    may_end.set()
    assert await long


def test_a_transaction_that_may_still_commit_is_in_doubt(tmp_path: Path) -> None:
    engine = sync_engine(database_of(tmp_path))
    with engine.connect() as one, engine.connect() as other:
        transaction = one.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar_one()
        with pytest.raises(StillOpen):
            require_ended(other, transaction)
        one.commit()
        require_ended(other, transaction)
        require_ended(other, None)
    engine.dispose()


async def test_others_are_told_which_runs_changed_and_which_somebody_was_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database_of(tmp_path)
    async with opened(url) as store, aclosing(notify.listen(url)) as heard:
        assert await anext(heard) is None  # from here on nothing is missed
        created = await store.journal.create(creation("r1"))
        assert created.run is not None
        await store.journal.append(append("r1", created.run, note(), epoch=0))
        monkeypatch.setattr(notify, "_SENDER", "another process")  # which hears what this one told
        told = [await anext(heard), await anext(heard)]

    assert [hint and (hint.changed, hint.asked) for hint in told] == [(("r1",), ("r1",)), (("r1",), ())]


async def test_a_full_disk_refuses_and_loses_nothing_and_writing_goes_on_when_there_is_room() -> None:
    with _small_disk() as disk, cluster("max_wal_size=32MB", folder=disk) as database:
        await asyncio.to_thread(migrate_schema, database.url)
        async with opened(database.url) as store:
            ballast = _filled(disk)
            answered = await _until_refused(store)
            healthy = store.journal.healthy
            ballast.unlink()
            while not store.journal.healthy:
                await asyncio.sleep(0.1)
            await store.journal.create(creation("room"))
            kept = [await store.journal.head(run_id) for run_id in answered]

    assert not healthy
    assert all(kept)


async def _until_refused(store: Store) -> list[str]:
    """The runs that were answered before the disk was full."""
    answered: list[str] = []
    try:
        while True:
            run_id = f"full-{len(answered)}"
            await store.journal.create(creation(run_id))
            answered.append(run_id)
    except (Unavailable, CommitUnknown):
        return answered


@contextmanager
def _small_disk() -> Iterator[Path]:
    """A file system of its own with 96 MB. Skips where none may be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="errands-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=96m,mode=0777", "none", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a file system of its own cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def _filled(disk: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    return ballast
