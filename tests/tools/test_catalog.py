"""What is known of integrations is read once for all who ask at once, and never given to who asks later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from errands_server.store.encryption import Sealer
from errands_server.store.repositories.transaction import Transaction
from errands_server.store.store import Store
from errands_server.tools.catalog import ToolCatalog
from tests.databases import database_of
from tests.store.databases import opened
from tests.store.integrations import revision
from tests.store.logs import NOW, OWNER

SEALER = Sealer([bytes(32)])


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store, None]:
    """A store in which the owner has a shop."""
    async with opened(database_of(tmp_path)) as store:
        async with store.begin(OWNER, writes=True) as transaction:
            await transaction.integrations.add("i1", "shop", revision(credential=None), NOW)
        yield store


class Slow(Store):
    """A store whose transactions end when they may."""

    def __init__(self, store: Store) -> None:
        self.__dict__.update(store.__dict__)
        self.begun = 0
        self.looked = asyncio.Event()
        self.may_end = asyncio.Event()

    @asynccontextmanager
    async def begin(self, tenant: str, *, writes: bool = False) -> AsyncGenerator[Transaction, None]:
        async with super().begin(tenant, writes=writes) as transaction:
            self.begun += 1
            yield transaction
            self.looked.set()
            await self.may_end.wait()


@pytest.fixture
def slow(store: Store) -> Slow:
    return Slow(store)


@pytest.fixture
def catalog(slow: Slow) -> ToolCatalog:
    return ToolCatalog(slow, SEALER)


async def begun(catalog: ToolCatalog, slow: Slow) -> asyncio.Task[Any]:
    """Somebody who has asked and looked, and is not yet answered."""
    early = asyncio.create_task(catalog.active(OWNER))
    await slow.looked.wait()
    return early


async def deactivate(store: Store) -> None:
    async with store.begin(OWNER, writes=True) as transaction:
        shop = await transaction.integrations.find("i1")
        assert shop is not None
        await transaction.integrations.revise(replace(shop, active=False), revision(), NOW)


async def test_many_who_ask_at_once_share_one_look(catalog: ToolCatalog, slow: Slow) -> None:
    asking = [
        asyncio.create_task(ask)
        for _ in range(50)
        for ask in (catalog.active(OWNER), catalog.load(OWNER, "i1", 1))
    ]
    await slow.looked.wait()
    slow.may_end.set()

    await asyncio.gather(*asking)
    assert slow.begun == 2  # one for what is active, one for the revision


async def test_who_asks_behind_a_change_is_told_of_it(store: Store, catalog: ToolCatalog, slow: Slow) -> None:
    early = await begun(catalog, slow)
    await deactivate(store)
    catalog.changed(OWNER)
    late = asyncio.create_task(catalog.active(OWNER))
    await asyncio.sleep(0)  # it asks
    slow.may_end.set()

    assert "i1" in await early
    assert "i1" not in await late


async def test_a_look_before_a_change_is_not_kept(store: Store, catalog: ToolCatalog, slow: Slow) -> None:
    early = await begun(catalog, slow)
    await deactivate(store)
    catalog.changed(OWNER)
    slow.may_end.set()

    assert "i1" in await early
    assert "i1" not in await catalog.active(OWNER)


async def test_who_gives_up_does_not_take_it_from_the_others(catalog: ToolCatalog, slow: Slow) -> None:
    first = await begun(catalog, slow)
    second = asyncio.create_task(catalog.active(OWNER))
    await asyncio.sleep(0)  # it asks
    first.cancel()
    slow.may_end.set()

    assert "i1" in await second
    await catalog.aclose()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_revision_nobody_has_is_told_to_everyone_who_asks(store: Store) -> None:
    catalog = ToolCatalog(store, SEALER)
    asking = [catalog.load(OWNER, "i1", 7) for _ in range(2)]
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["integration i1 has no revision 7"] * 2
