"""Summaries looked up together: one look for all who asked before it began, none for who asks later."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from errands_server.domain.errors import Reason, Unavailable
from errands_server.store.heads import BatchedHeadReader
from errands_server.store.journal_reads import Head
from errands_server.store.store import Store
from tests.store.databases import postgres_only
from tests.store.logs import append, note, stored


class Target:
    """Finds what is in `heads` when a look begins, once it is let."""

    def __init__(self, *heads: Head) -> None:
        self.heads = {head.run_id: head for head in heads}
        self.looks: list[Sequence[str]] = []
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.trouble: Exception | None = None

    async def look(self, run_ids: Sequence[str]) -> Sequence[Head]:
        self.looks.append(run_ids)
        found = [self.heads[run_id] for run_id in run_ids if run_id in self.heads]
        self.begun.set()
        await self.may_end.wait()
        if self.trouble is not None:
            raise self.trouble
        return found


@pytest.fixture
async def head(store: Store) -> Head:
    await stored(store, "r1")
    found = await store.journal.head("r1")
    assert found is not None
    return found


async def test_those_who_ask_during_a_look_share_the_next_and_see_what_was_committed_meanwhile(
    head: Head,
) -> None:
    target = Target(head)
    reader = BatchedHeadReader(target.look)
    first = asyncio.create_task(reader.read("r1"))
    await target.begun.wait()
    newer = replace(head, last_sequence=head.last_sequence + 1)
    target.heads["r1"] = newer
    later = [asyncio.create_task(reader.read(run_id)) for run_id in ("r1", "r1", "r2")]
    await asyncio.sleep(0)  # each asks
    target.may_end.set()

    assert await first == head
    assert await asyncio.gather(*later) == [newer, newer, None]
    assert target.looks == [["r1"], ["r1", "r2"]]


async def test_trouble_is_told_to_everyone_who_waits_and_the_next_look_is_made(head: Head) -> None:
    target = Target(head)
    reader = BatchedHeadReader(target.look)
    target.may_end.set()
    target.trouble = Unavailable(Reason.STORE_UNAVAILABLE, "away")

    asked = await asyncio.gather(reader.read("r1"), reader.read("r2"), return_exceptions=True)
    assert asked == [target.trouble] * 2
    target.trouble = None
    assert await reader.read("r1") == head


async def test_who_gives_up_takes_it_from_nobody(head: Head) -> None:
    target = Target(head)
    reader = BatchedHeadReader(target.look)
    gone, waits = (asyncio.create_task(reader.read("r1")) for _ in range(2))
    await target.begun.wait()
    gone.cancel()
    target.may_end.set()

    assert await waits == head


@postgres_only
async def test_many_summaries_are_found_by_one_statement(store: Store) -> None:
    for run_id in ("r1", "r2", "r3"):
        await store.journal.append(append(run_id, await stored(store, run_id), note()))

    found = await asyncio.gather(*map(store.journal.head, ("r1", "r2", "r3", "nobody's")))

    assert [one and one.run_id for one in found] == ["r1", "r2", "r3", None]
    assert {one.last_sequence for one in found if one} == {found[0].last_sequence if found[0] else 0}
