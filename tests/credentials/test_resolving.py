"""Whose account a call would be made with, and what is read to find out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from errands_server.credentials.grants import Bearer, Grant, bearer
from errands_server.credentials.oauth.flows import OAuth
from errands_server.credentials.pass_through.okta import OktaTokens
from errands_server.credentials.pass_through.resolver import PassThroughResolver
from errands_server.credentials.requirements import CredentialRequirement
from errands_server.credentials.resolver import CredentialResolver
from errands_server.credentials.vault import Vault
from errands_server.domain.tool import ToolRef
from errands_server.environment import Environment
from errands_server.outbound.web import Web
from errands_server.ports import CallRequest, CredentialSource
from errands_server.store.encryption import Sealer
from errands_server.store.repositories.connections import Connection
from errands_server.store.store import Store
from tests.databases import database_of
from tests.store.databases import opened
from tests.store.integrations import revision
from tests.store.logs import NOW, OWNER

ORIGIN = "https://shop.example"
SECURED = CredentialRequirement(origin=ORIGIN, secured=True)
SHARED = CredentialRequirement(origin=ORIGIN, secured=True, shared=bearer("the account's token"))
REQUEST = CallRequest(
    ref=ToolRef("i1", 1, "buy"), arguments={}, idempotency_key="", user_id="ada", tenant=OWNER
)
SEALER = Sealer([bytes(32)])


class Counting(Store):
    """A store that counts how often it reads a connection."""

    def __init__(self, store: Store) -> None:
        self.__dict__.update(store.__dict__)
        self.reads = 0

    async def connection(self, tenant: str, integration_id: str, user_id: str) -> Connection | None:
        self.reads += 1
        return await super().connection(tenant, integration_id, user_id)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Counting, None]:
    """A store in which the owner has a shop."""
    async with opened(database_of(tmp_path)) as store:
        async with store.begin(OWNER, writes=True) as transaction:
            await transaction.integrations.add("i1", "shop", revision(credential=None), NOW)
        yield Counting(store)


@pytest.fixture
def vault(store: Store) -> Vault:
    return Vault(store, SEALER, Environment())


@pytest.fixture
async def resolver(store: Store, vault: Vault) -> AsyncGenerator[CredentialResolver, None]:
    environment, web = Environment(), Web()
    passed = PassThroughResolver(store.journal, SEALER, OktaTokens(web, environment), None)
    resolver = CredentialResolver(passed, vault, OAuth(web, environment), environment)
    yield resolver
    await resolver.aclose()
    await web.aclose()


async def connect(vault: Vault) -> None:
    grant = Grant(secret=Bearer(token="ada's own token"))
    await vault.put(OWNER, "i1", "ada", origin=ORIGIN, grant=grant, actor="test")


async def test_what_is_missing_is_said_with_the_account(resolver):
    resolved = await resolver.resolve(REQUEST, SECURED)

    assert resolved.source is CredentialSource.NONE
    assert resolved.missing is not None


@pytest.mark.parametrize("shared_only", [False, True])
async def test_a_users_own_connection_goes_before_the_shared_account(resolver, vault, shared_only):
    before = await resolver.resolve(REQUEST, SHARED, shared_only=shared_only)
    await connect(vault)
    after = await resolver.resolve(REQUEST, SHARED, shared_only=shared_only)

    assert before.shared
    assert not after.shared
    assert after.source is CredentialSource.USER


async def test_no_connection_is_read_to_learn_that_there_is_no_shared_account(resolver, vault, store):
    await connect(vault)
    resolved = await resolver.resolve(REQUEST, SECURED, shared_only=True)
    shared_reads = store.reads
    await resolver.resolve(REQUEST, SECURED)

    assert not resolved.shared
    assert (shared_reads, store.reads) == (0, 1)
