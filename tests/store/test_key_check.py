"""The servers of a database have the same sealing keys, or do not start."""

from __future__ import annotations

import asyncio

import pytest

from errands_server.store.encryption import Sealer, Unsealable
from errands_server.store.store import Store
from tests.store.databases import rows

OLD, NEW = Sealer([b"o" * 32]), Sealer([b"n" * 32])
ROTATED = Sealer([b"n" * 32, b"o" * 32])


async def test_another_key_is_refused_and_changes_nothing(store: Store) -> None:
    await store.check_key(OLD)
    await store.check_key(OLD)
    before = await rows(store)

    with pytest.raises(Unsealable):
        await store.check_key(NEW)
    assert await rows(store) == before


async def test_once_a_key_was_rotated_the_old_one_alone_is_refused(store: Store) -> None:
    await store.check_key(OLD)
    await store.check_key(ROTATED)

    with pytest.raises(Unsealable):
        await store.check_key(OLD)
    await store.check_key(ROTATED)
    await store.check_key(NEW)


async def test_where_a_key_is_lost_another_takes_its_place(store: Store) -> None:
    await store.check_key(OLD)
    await store.check_key(NEW, replace=True)

    await store.check_key(NEW)
    with pytest.raises(Unsealable):
        await store.check_key(OLD)


async def test_of_two_first_servers_with_different_keys_one_is_refused(store: Store) -> None:
    outcomes = await asyncio.gather(store.check_key(OLD), store.check_key(NEW), return_exceptions=True)

    assert sorted(map(type, outcomes), key=str) == sorted([type(None), Unsealable], key=str)
