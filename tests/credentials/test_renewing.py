"""Tokens that ran out, were revoked or grant too little: renewed once for everybody, or asked for anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from errands.v1 import connection_pb2 as pb
from errands.v1 import event_pb2
from errands.v1 import integration_pb2 as ipb
from errands.v1.audit_pb2 import ListAuditRequest
from errands_server.credentials.grants import Grant
from errands_server.credentials.oauth.client import unpack
from errands_server.credentials.oauth.flows import OAuth
from errands_server.credentials.oauth.refresh import TokenRefresh
from errands_server.credentials.vault import StoredConnection, Vault
from errands_server.outbound.web import Web
from errands_server.store.encryption import Sealer, load_or_create_keys
from errands_server.store.store import Store
from tests.contract.conftest import Clock
from tests.credentials.conftest import ANY, WRITE, Stage, Staging, token_of
from tests.databases import database_of
from tests.oidc.provider import SECRET, Browser

pytestmark = pytest.mark.counterparts

SUCCESS = event_pb2.RUN_STATUS_SUCCESS
MANY = 200
HOUR = 3_600_000


async def _all(found: Stage, count: int) -> list[Any]:
    created = await asyncio.gather(*(found.service.create("read") for _ in range(count)))
    return await asyncio.gather(*(found.service.finished(one.run_id) for one in created))


async def test_two_hundred_runs_with_an_expired_token_cost_one_refresh(stage: Staging) -> None:
    clock = Clock()
    async with stage(clock=clock) as found:
        await found.integrate()
        await found.connect()
        clock.moved += 2 * HOUR
        runs = await _all(found, MANY)

    assert {run.status for run in runs} == {SUCCESS}
    assert found.provider.counts() == {"authorization_code": 1, "refresh_token": 1}
    assert found.api.called == [("/things", "200", "ada")] * MANY


async def test_two_hundred_runs_whose_token_is_refused_cost_one_refresh(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        await found.connect()
        found.provider.forget("AccessToken")
        runs = await _all(found, MANY)
        counts = found.provider.counts()

    assert {run.status for run in runs} == {SUCCESS}
    assert (counts["authorization_code"], counts["refresh_token"]) == (1, 1)
    assert not [name for name in counts if name.startswith("failed")]
    assert [one for one in found.api.called if one[1] == "200"] == [("/things", "200", "ada")] * MANY


async def test_each_refresh_uses_the_token_the_last_one_gave(stage: Staging) -> None:
    clock = Clock()
    async with stage(clock=clock) as found:
        await found.integrate()
        await found.connect()
        for _ in range(4):
            clock.moved += 2 * HOUR
            (run,) = await _all(found, 1)
            assert run.status == SUCCESS

    assert found.provider.counts() == {"authorization_code": 1, "refresh_token": 4}


async def test_tokens_are_renewed_where_the_description_says(stage: Staging) -> None:
    clock = Clock()
    async with stage(clock=clock) as found:
        schemes = found.flows()
        flow = schemes["login"]["flows"]["authorizationCode"]
        flow["refreshUrl"] = f"{found.provider.issuer}/token?renewing"
        integration = await found.integrate(schemes)
        await found.connect()
        clock.moved += 2 * HOUR
        run = await found.service.finished((await found.service.create("read")).run_id)
        got = await found.service.integrations.GetIntegration(ipb.GetIntegrationRequest(id=integration))

    assert run.status == SUCCESS
    assert got.integration.auth.oauth_client.refresh_url == flow["refreshUrl"]
    assert found.provider.counts() == {
        "authorization_code": 1,
        "refresh_token": 1,
        "/token?renewing": 1,
    }


async def test_a_revoked_grant_asks_the_user_again(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        await found.connect()
        found.provider.forget("AccessToken")
        found.provider.forget("RefreshToken")
        created = [await found.service.create("read") for _ in range(3)]
        asked = [(await found.service.until(one.run_id, "auth_required")).auth_required for one in created]
        broken = await found.only_connection()
        browser = Browser()
        ended = await found.finish(await found.visit(token_of(asked[0].url), browser), browser)
        runs = [await found.service.finished(one.run_id) for one in created]
        mended = await found.only_connection()

    assert broken.status == pb.CONNECTION_STATUS_BROKEN
    assert ended.outcome == pb.CONNECT_OUTCOME_CONNECTED
    assert (mended.id, mended.status) == (broken.id, pb.CONNECTION_STATUS_ACTIVE)
    assert {run.status for run in runs} == {SUCCESS}


async def test_a_service_that_misses_a_scope_says_which_and_the_user_is_asked_for_it(stage: Staging) -> None:
    undeclared = {"/things": "", "/secrets": "", "/anything": ""}
    async with stage(WRITE) as found:
        await found.integrate(needs=undeclared)
        await found.connect(scopes=["things:read"])
        created = await found.service.create("secrets")
        asked = (await found.service.until(created.run_id, "auth_required")).auth_required
        waiting = await found.service.get(created.run_id)
        browser = Browser()
        await found.finish(await found.visit(token_of(asked.url), browser), browser)
        run = await found.service.finished(created.run_id)

    assert list(asked.scopes) == ["things:write"]
    assert waiting.status == event_pb2.RUN_STATUS_AUTH_REQUIRED
    assert run.status == SUCCESS
    assert [one[1] for one in found.api.called] == ["403", "200"]


async def test_a_token_the_application_stored_is_refused_and_asked_for_again(stage: Staging) -> None:
    async with stage(ANY) as found:
        await found.integrate()
        await found.service.connect(found.integration, bearer=pb.ConnectionBearer(token="not-a-token"))
        created = await found.service.create("any")
        await found.service.until(created.run_id, "auth_required")
        broken = await found.only_connection()
        told = await found.service.audit.ListAudit(ListAuditRequest(action="connection.break"))

    assert broken.status == pb.CONNECTION_STATUS_BROKEN
    assert [(one.actor, one.subject) for one in told.entries] == [("service", broken.id)]
    assert [one[1] for one in found.api.called] == ["401"]


async def test_tokens_an_application_obtained_are_renewed_from_then_on(stage: Staging) -> None:
    """What the application has of its user: here, the tokens of an earlier connection."""
    async with stage() as found:
        await found.integrate()
        await found.connect()
        held = await _held(found)
        tokens = pb.ConnectionTokens(
            access_token="long-gone", refresh_token=held.secret.refresh_token, scopes=held.connection.scopes
        )
        await found.service.connect(found.integration, tokens=tokens)
        (run,) = await _all(found, 1)

    assert run.status == SUCCESS
    assert found.provider.counts()["refresh_token"] == 1


async def _away(found: Stage) -> None:
    """Let the authorization server be somewhere where nobody answers."""
    client = found.client(token_url="http://127.0.0.1:9/token")
    change = ipb.UpdateIntegrationRequest(id=found.integration, oauth_client=client)
    await found.service.integrations.UpdateIntegration(change)


@pytest.mark.parametrize("refused", [False, True])
async def test_a_provider_that_is_away_fails_the_call_and_breaks_nothing(
    stage: Staging, refused: bool
) -> None:
    clock = Clock()
    async with stage(clock=clock) as found:
        await found.integrate(found.flows())
        await found.connect()
        await _away(found)
        if refused:
            found.provider.forget("AccessToken")
        else:
            clock.moved += 2 * HOUR
        (run,) = await _all(found, 1)
        connection = await found.only_connection()

    assert run.error.reason == "SERVICE_UNAVAILABLE"
    assert "the authorization server cannot be used" in run.error.message
    assert connection.status == pb.CONNECTION_STATUS_ACTIVE
    assert {one[1] for one in found.api.called} == ({"401"} if refused else set())


async def test_a_token_that_is_about_to_run_out_is_used_while_nobody_can_renew_it(stage: Staging) -> None:
    clock = Clock()
    async with stage(clock=clock) as found:
        await found.integrate(found.flows())
        await found.connect()
        await _away(found)
        clock.moved += HOUR - 30_000
        (run,) = await _all(found, 1)

    assert run.status == SUCCESS


async def test_a_connection_that_is_forgotten_is_revoked(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        await found.connect()
        gone = await found.only_connection()
        await found.service.connections.DeleteConnection(pb.DeleteConnectionRequest(id=gone.id))
        created = await found.service.create("read")
        await found.service.until(created.run_id, "auth_required")

    assert found.provider.counts()["refresh destroyed"] == 1


async def test_a_connection_outlives_a_restart_and_a_change_of_keys(stage: Staging, tmp_path: Path) -> None:
    clock = Clock()
    async with stage(clock=clock) as found:
        await found.integrate()
        await found.connect()
    old = (tmp_path / "data" / "secret.key").read_text()
    (tmp_path / "data" / "secret.key").write_text(f"{'A' * 43},{old}")
    clock.moved += 2 * HOUR
    async with stage(clock=clock) as again:
        (run,) = await _all(again, 1)

    # The service moved to another port with this restart; its token was renewed all the same.
    assert run.error.reason == "SERVICE_UNREACHABLE"
    assert again.provider.counts()["refresh_token"] == 1


async def test_no_token_and_no_secret_lies_open_in_any_file_or_event(stage: Staging, tmp_path: Path) -> None:
    async with stage() as found:
        await found.integrate()
        await found.connect()
        held = await _held(found)
        (run,) = await _all(found, 1)
        events = await found.service.events(run.run_id, include_tool_calls=True)
        connection = await found.only_connection()
        integrations = await found.service.integrations.ListIntegrations(ipb.ListIntegrationsRequest())
        secrets = {SECRET, held.secret.refresh_token, *found.api.tokens}
        shown = f"{run}{events}{connection}{integrations}"
        files = [path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file()]

    assert len(secrets) == 3
    assert not [secret for secret in secrets if secret in shown]
    assert not [secret for secret in secrets for data in files if secret.encode() in data]


# Another process that shares the database is stood for by a store, a vault and a client of its own.


async def _held(found: Stage) -> Any:
    async with _process(found) as (vault, _):
        held = await vault.find("default", found.integration, "user-1")
    assert held is not None
    return held


@asynccontextmanager
async def _process(found: Stage, kind: type[OAuth] = OAuth) -> AsyncGenerator[tuple[Vault, Any], None]:
    data = found.data
    sealer = Sealer(load_or_create_keys(data / "secret.key"))
    store = await Store.open(database_of(data), lambda *_: None, migrate=False)
    web = Web()
    vault = Vault(store, sealer, found.clock.environment)
    async with store.begin("default") as transaction:
        integration = await transaction.integrations.find(found.integration)
    assert integration is not None
    client = unpack(sealer, integration.oauth_client, integration.oauth_secret, integration.id)
    renewing = TokenRefresh(vault, kind(web, found.clock.environment))
    try:
        yield vault, lambda held: renewing.renew(held, client)
    finally:
        await renewing.aclose()
        await web.aclose()
        await store.close()


async def test_of_several_processes_one_refreshes_and_the_others_use_what_it_got(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        await found.connect()
        async with (
            _process(found) as (vault, one),
            _process(found) as (_, two),
            _process(found) as (_, three),
        ):
            held = await vault.find("default", found.integration, "user-1")
            renewals = await asyncio.gather(*(renew(held) for renew in (one, two, three) * 5))

    assert all(isinstance(renewal, StoredConnection) for renewal in renewals)
    assert {renewal.secret.access_token for renewal in renewals} == {renewals[0].secret.access_token}
    assert renewals[0].secret != held.secret
    assert found.provider.counts() == {"authorization_code": 1, "refresh_token": 1}


class Slow(OAuth):
    """Says when the server has answered, and leaves time to give up."""

    answered = asyncio.Event()

    async def refresh(self, *asked: Any) -> Grant:
        grant = await super().refresh(*asked)
        self.answered.set()
        await asyncio.sleep(0)
        return grant


async def test_a_caller_that_gives_up_does_not_lose_what_the_provider_gave(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        await found.connect()
        async with _process(found, Slow) as (vault, renew):
            held = await vault.find("default", found.integration, "user-1")
            task = asyncio.create_task(renew(held))
            await Slow.answered.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            renewed = await renew(held)
            again = await vault.find("default", found.integration, "user-1")

    assert task.cancelled()
    assert again.secret == renewed.secret != held.secret
    assert found.provider.counts() == {"authorization_code": 1, "refresh_token": 1}
