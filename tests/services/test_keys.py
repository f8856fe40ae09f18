"""A key that is being looked up while it is revoked does not come back to life."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from errands_server.domain.errors import Reason, Unauthenticated
from errands_server.environment import Environment
from errands_server.services.keys import DEFAULT_TENANT, Keys
from errands_server.services.principal import Principal, Scope
from errands_server.store.repositories.keys import Key
from errands_server.store.store import Store
from tests.databases import database_of


class HeldStore(Store):
    """A store whose look-ups of keys are answered once `may_answer` is set."""

    looked_up = asyncio.Event()
    may_answer = asyncio.Event()

    async def key(self, secret_hash: bytes) -> Key | None:
        found = await super().key(secret_hash)
        self.looked_up.set()
        await self.may_answer.wait()
        return found


async def test_a_look_up_older_than_a_revocation_is_not_remembered(tmp_path: Path) -> None:
    store = await HeldStore.open(database_of(tmp_path), lambda work, created: None)
    assert isinstance(store, HeldStore)
    keys = Keys(store, Environment())
    operator = Principal(DEFAULT_TENANT, "process", frozenset({Scope.OPERATOR}))
    try:
        key, secret = await keys.issue(DEFAULT_TENANT, name="gone", scopes=frozenset({Scope.RUNS_READ}))
        early = asyncio.create_task(keys.authenticate(secret))
        await store.looked_up.wait()
        await keys.revoke(operator, key.id)
        store.may_answer.set()
        await early

        with pytest.raises(Unauthenticated) as caught:
            await keys.authenticate(secret)
        assert caught.value.reason is Reason.CREDENTIALS_INVALID
    finally:
        await store.close()
