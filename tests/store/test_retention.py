"""Retention: finished runs that are old enough are erased whole, and nothing else is touched."""

from __future__ import annotations

import asyncio

from errands_server.domain import events as e
from errands_server.environment import Environment
from errands_server.services.principal import Principal, Scope
from errands_server.services.runs import Runs, RunView
from errands_server.store import retention
from errands_server.store.repositories.requests import REQUEST_TTL
from errands_server.store.repositories.runs import RunFilter
from errands_server.store.schema.tables import metadata
from errands_server.store.store import Store
from errands_server.streams import Hub
from tests.store.databases import of_run, rows
from tests.store.integrations import revision
from tests.store.logs import (
    HOUR,
    NOW,
    OWNER,
    STRANGER,
    SUCCEEDED,
    append,
    ask,
    creation,
    finished,
    request,
    stored,
)

OF_A_RUN = {table.name for table in metadata.sorted_tables if "run_id" in table.c}


async def rich(store: Store, run_id: str, *last: e.AnyEvent, now: int = NOW, tenant: str = OWNER) -> None:
    """A run with a row in every table that can have one."""
    key = request(f"of {run_id}")
    run = await stored(
        store,
        run_id,
        e.Claimed(epoch=1),
        now=now,
        tenant=tenant,
        request=key,
        integrations=["shop"],
        secrets=b"that an end would erase, if the log said that there are any",
    )
    events = (ask(f"a of {run_id}"), *last)
    more = append(run_id, run, *events, now=now, tenant=tenant, artifacts={"x": b"1"})
    await store.journal.append(more)


async def test_an_old_finished_run_is_erased_from_every_table_and_nothing_else(store: Store) -> None:
    async with store.begin(OWNER, writes=True) as transaction:
        await transaction.integrations.add("shop", "shop", revision(), NOW)
    await rich(store, "young", SUCCEEDED, now=NOW + 1)
    await rich(store, "unfinished")
    await rich(store, "unfinished too", e.CancelRequested(actor="ada", until=NOW + HOUR))
    others = await rows(store)
    await rich(store, "old", SUCCEEDED)
    await rich(store, "strangers", SUCCEEDED, tenant=STRANGER)
    before = await rows(store)
    assert set(of_run(before, "old")) == OF_A_RUN
    assert all(of_run(before, "old").values())

    assert await store.erase_finished(NOW + 1) == 2

    assert await rows(store) == others


class Erasing(Runs):
    """Looks at runs, the oldest of which are erased just before."""

    def __init__(self, store: Store, before: int) -> None:
        super().__init__(store, Hub(lambda *_: b""), Environment())
        self._before = before

    async def view(self, tenant: str, run_id: str, *, events: int = 0) -> RunView:
        await self._store.erase_finished(self._before)
        return await super().view(tenant, run_id, events=events)


async def test_a_page_goes_without_what_is_erased_while_it_is_made(store: Store) -> None:
    await finished(store, "old")
    await finished(store, "young", now=NOW + 1)
    runs = Erasing(store, NOW + 1)
    reader = Principal(OWNER, "k", frozenset({Scope.RUNS_READ}))

    page = await runs.page(reader, RunFilter(), limit=10, skip=0, events=0)

    assert [run.head.run_id for run in page.runs] == ["young"]
    assert not page.more


async def test_a_run_that_has_not_ended_is_never_erased(store: Store) -> None:
    await rich(store, "r1")
    before = await rows(store)

    assert await store.erase_finished(NOW + 10**12) == 0
    assert await rows(store) == before


async def test_erasing_goes_on_until_nothing_is_left(store: Store) -> None:
    await asyncio.gather(*(finished(store, f"r{number}") for number in range(retention.PORTION + 1)))

    assert await store.erase_finished(NOW + 1) == retention.PORTION + 1
    assert (await rows(store))["events"] == set()


async def test_request_ids_are_forgotten_after_a_day_and_not_before(store: Store) -> None:
    old = [creation(f"o{n}", request=request(f"o{n}")) for n in range(retention.PORTION + 3)]
    await asyncio.gather(*map(store.journal.create, old))
    await store.journal.create(creation("young", now=NOW + 1, request=request("young")))
    before = await rows(store)

    assert await store.forget_requests(NOW + REQUEST_TTL) == retention.PORTION + 3

    after = await rows(store)
    assert [row[2] for row in after.pop("requests")] == ["young"]
    assert before.pop("requests")
    assert after == before
