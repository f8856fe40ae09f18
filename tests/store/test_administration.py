"""Integrations and keys: revisions never change, names are taken once, secrets are found by their hash."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from errands_server.domain.errors import Conflict
from errands_server.store.repositories.integrations import Integration
from errands_server.store.repositories.keys import Key
from errands_server.store.store import Store
from tests.store.databases import rows
from tests.store.integrations import revision
from tests.store.logs import NOW, OWNER


@pytest.fixture
async def shop(store: Store) -> Integration:
    async with store.begin(OWNER, writes=True) as transaction:
        await transaction.integrations.add("i1", "shop", revision(), NOW)
        found = await transaction.integrations.find("i1")
    assert found is not None
    return found


async def revise(store: Store, integration: Integration, **fields: Any) -> Integration:
    async with store.begin(OWNER, writes=True) as transaction:
        await transaction.integrations.revise(integration, revision(**fields), NOW)
        found = await transaction.integrations.find(integration.id)
    assert found is not None
    return found


async def test_a_change_adds_a_revision_and_keeps_the_old_one(store: Store, shop: Integration) -> None:
    changed = await revise(store, replace(shop, name="store", active=False), base_url="https://new.test")

    assert (changed.name, changed.active, changed.revision) == ("store", False, 2)
    assert changed.base_url == "https://new.test"
    async with store.begin(OWNER) as transaction:
        assert await transaction.integrations.revision("i1", 1) == revision()
        assert await transaction.integrations.revision("i1", 2) == revision(base_url="https://new.test")
        assert await transaction.integrations.active() == []


async def test_of_two_changes_to_one_revision_the_second_is_refused(store: Store, shop: Integration) -> None:
    await revise(store, replace(shop, active=False))
    before = await rows(store)

    with pytest.raises(Conflict, match="another change"):
        await revise(store, replace(shop, name="renamed"))

    assert await rows(store) == before


async def test_a_deleted_integration_is_not_changed(store: Store, shop: Integration) -> None:
    async with store.begin(OWNER, writes=True) as transaction:
        assert await transaction.integrations.delete("i1", NOW)
        assert not await transaction.integrations.delete("i1", NOW + 1)
    before = await rows(store)

    with pytest.raises(Conflict):
        await revise(store, shop)

    assert await rows(store) == before


async def test_a_taken_name_is_refused(store: Store, shop: Integration) -> None:
    async with store.begin(OWNER, writes=True) as transaction:
        await transaction.integrations.add("i2", "crm", revision(), NOW)
    before = await rows(store)
    for wrong in (lambda tx: tx.add("i3", "shop", revision(), NOW), _rename_to_crm(shop)):
        with pytest.raises(Conflict) as refused:
            async with store.begin(OWNER, writes=True) as transaction:
                await wrong(transaction.integrations)

        assert refused.value.reason == "INTEGRATION_NAME_TAKEN"
        assert await rows(store) == before


def _rename_to_crm(shop: Integration) -> Any:
    return lambda tx: tx.revise(replace(shop, name="crm"), revision(), NOW)


async def test_a_transaction_that_raises_changes_nothing(store: Store) -> None:
    before = await rows(store)

    async def add_and_fail() -> None:
        async with store.begin(OWNER, writes=True) as transaction:
            await transaction.integrations.add("i1", "shop", revision(), NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await add_and_fail()

    assert await rows(store) == before


async def test_a_key_is_found_by_the_hash_of_its_secret_until_it_is_revoked(store: Store) -> None:
    key = Key(
        id="k2", tenant=OWNER, name="ci", scopes=frozenset({"a", "b"}), created_at=NOW, expires_at=NOW + 1
    )
    async with store.begin(OWNER, writes=True) as transaction:
        await transaction.keys.add(key, b"hash")

    assert await store.key(b"hash") == key
    assert await store.key(b"other") is None

    async with store.begin(OWNER, writes=True) as transaction:
        assert await transaction.keys.revoke("k2", NOW)
        assert not await transaction.keys.revoke("k2", NOW)
        assert [found.id for found in await transaction.keys.list(limit=9)] == ["acme-key"]
        assert await transaction.keys.has_any()

    assert await store.key(b"hash") is None


async def test_keys_are_listed_newest_first(store: Store) -> None:
    async with store.begin(OWNER, writes=True) as transaction:
        for name in ("b", "d", "c"):
            key = Key(id=name, tenant=OWNER, name=name, scopes=frozenset(), created_at=NOW)
            await transaction.keys.add(key, name.encode())
        page = await transaction.keys.list(limit=2)
        rest = await transaction.keys.list(before="c", limit=9)

    assert [[key.id for key in keys] for keys in (page, rest)] == [["d", "c"], ["b", "acme-key"]]
