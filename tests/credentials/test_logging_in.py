"""Users connect at a real provider: who waits goes on, and nobody else's account is connected."""

from __future__ import annotations

import asyncio

import pytest

from errands.v1 import connection_pb2 as pb
from errands.v1 import event_pb2, run_pb2
from errands.v1 import integration_pb2 as ipb
from tests.contract.conftest import Clock
from tests.contract.refusals import refused
from tests.credentials.conftest import READ, WRITE, Stage, Staging, token_of
from tests.oidc.provider import SECRET, Browser
from tests.service import reason

pytestmark = pytest.mark.counterparts

SUCCESS = event_pb2.RUN_STATUS_SUCCESS
WAITING = event_pb2.RUN_STATUS_AUTH_REQUIRED


async def _waiting(found: Stage, count: int, user: str = "user-1") -> list[str]:
    runs = [(await found.service.create("read", user_id=user)).run_id for _ in range(count)]
    for run_id in runs:
        await found.service.until(run_id, "auth_required")
    return runs


async def test_fifty_runs_of_a_user_go_on_after_one_login_and_another_users_do_not(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        mine, theirs = await _waiting(found, 50), await _waiting(found, 3, "user-2")
        waiting = await found.service.get(mine[0])
        browser = Browser()
        answer = await found.visit(token_of(waiting.authorization_url), browser)
        ended = await found.finish(answer, browser)
        done = await asyncio.gather(*map(found.service.finished, mine))
        others = [await found.service.get(run_id, include_events=True) for run_id in theirs]

    assert waiting.status == WAITING
    assert (ended.outcome, ended.user_id) == (pb.CONNECT_OUTCOME_CONNECTED, "user-1")
    assert {run.status for run in done} == {SUCCESS}
    assert {run.status for run in others} == {WAITING}
    assert {run.events[-1].WhichOneof("event") for run in others} == {"status_changed"}
    assert not any(event.HasField("auth_resolved") for run in others for event in run.events)
    assert found.api.called == [("/things", "200", "ada")] * 50
    assert found.provider.counts() == {"authorization_code": 1}


async def test_the_event_names_what_is_asked_for_and_only_some_see_where(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        reader = await found.service.with_scopes("runs:read")
        run_id = (await _waiting(found, 1))[0]
        asked = (await found.service.until(run_id, "auth_required")).auth_required
        hidden = (await reader.until(run_id, "auth_required")).auth_required
        pages = [
            await key.runs.ListRunEvents(run_pb2.ListRunEventsRequest(run_id=run_id))
            for key in (found.service, reader)
        ]
        shown, unseen = await found.service.get(run_id), await reader.get(run_id)
        link = await found.service.connections.GetConnectLink(
            pb.GetConnectLinkRequest(token=token_of(asked.url)), metadata=()
        )

    assert list(asked.scopes) == ["things:read"]
    assert asked.url == shown.authorization_url
    assert (hidden.url, unseen.authorization_url) == ("", "")
    assert [page.connect_links for page in pages] == [True, False]
    assert (link.type, link.user_id, link.base_url) == ("oauth2", "user-1", found.api.origin)
    assert list(link.scopes) == ["things:read", "openid", "offline_access"]


@pytest.mark.parametrize("client", ["errands", "posting", "public"])
async def test_a_description_with_flows_needs_nothing_but_the_client(stage: Staging, client: str) -> None:
    async with stage() as found:
        method = {"posting": "client_secret_post", "public": "none"}.get(client, "")
        secret = "" if client == "public" else SECRET
        await found.integrate(found.flows(), client_id=client, client_secret=secret, token_auth_method=method)
        await found.connect()
        run = await found.service.finished((await found.service.create("read")).run_id)
        connection = await found.only_connection()

    assert run.status == SUCCESS
    assert (connection.type, connection.status) == ("oauth2", pb.CONNECTION_STATUS_ACTIVE)
    assert set(connection.scopes) == {"openid", "offline_access", "things:read", "things:write"}
    assert connection.HasField("expires_at")


async def test_tokens_are_for_the_resource_that_is_named(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate(resource="https://things.test/")
        await found.connect(scopes=["things:read"])
        run = await found.service.finished((await found.service.create("read")).run_id)

    assert run.status == SUCCESS
    assert found.api.audiences == {"https://things.test/"}


async def test_who_says_no_lets_the_runs_go_on_without(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        mine, theirs = await _waiting(found, 2), await _waiting(found, 1, "user-2")
        browser = Browser()
        token = token_of((await found.service.get(mine[0])).authorization_url)
        ended = await found.finish(await found.visit(token, browser, abort=True), browser)
        runs = [await found.service.finished(run_id) for run_id in mine]
        other = await found.service.get(theirs[0])
        again = await refused(found.begin(token, browser))

    assert ended.outcome == pb.CONNECT_OUTCOME_REFUSED
    assert {run.error.reason for run in runs} == {"AUTHORIZATION_REFUSED"}
    assert {run.status for run in runs} == {event_pb2.RUN_STATUS_NO_SUCCESS}
    assert other.status == WAITING
    assert reason(again) == "LINK_USED"
    assert not found.api.called


async def test_looking_at_a_link_changes_nothing_however_often(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        token = await found.link()
        for _ in range(5):
            await found.service.connections.GetConnectLink(pb.GetConnectLinkRequest(token=token), metadata=())
        browser = Browser()
        ended = await found.finish(await found.visit(token, browser), browser)
        used = await refused(
            found.service.connections.GetConnectLink(pb.GetConnectLinkRequest(token=token), metadata=())
        )

    assert ended.outcome == pb.CONNECT_OUTCOME_CONNECTED
    assert reason(used) == "LINK_USED"


async def test_a_link_belongs_to_the_first_browser_that_begins(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        token, first, other = await found.link(), Browser(), Browser("mallory")
        answer = await found.visit(token, first)
        begun = await refused(found.begin(token, other))
        finished = await refused(found.finish(answer, other))
        ended = await found.finish(answer, first)
        connection = await found.only_connection()

    assert (reason(begun), reason(finished)) == ("LINK_USED", "LINK_USED")
    assert ended.outcome == pb.CONNECT_OUTCOME_CONNECTED
    assert connection.user_id == "user-1"


async def test_an_answer_is_taken_once(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        browser = Browser()
        answer = await found.visit(await found.link(), browser)
        outcomes = await asyncio.gather(
            *(found.finish(answer, browser) for _ in range(8)), return_exceptions=True
        )

    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert len(failures) == 7
    assert {reason(failure) for failure in failures} == {"LINK_USED"}  # type: ignore[arg-type]
    assert found.provider.counts() == {"authorization_code": 1}


@pytest.mark.parametrize("iss", ["https://evil.test", ""])
async def test_an_answer_of_another_issuer_is_thrown_away(stage: Staging, iss: str) -> None:
    async with stage() as found:
        await found.integrate()
        browser = Browser()
        answer = await found.visit(await found.link(), browser)
        forged = await refused(found.finish(answer, browser, iss=iss))
        replayed = await refused(found.finish(answer, browser))

    assert (reason(forged), reason(replayed)) == ("CONNECT_FAILED", "LINK_USED")
    assert found.provider.counts() == {}


async def test_a_state_that_is_forged_or_of_another_flow_is_refused(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        browser = Browser()
        answer = await found.visit(await found.link(), browser)
        forged = await refused(found.finish(answer, browser, state=answer["state"][:-4] + "AAAA"))
        older = await found.visit(token := await found.link(), browser)
        newer = await found.visit(token, browser)
        overtaken = await refused(found.finish(older, browser))
        ended = await found.finish(newer, browser)

    assert (reason(forged), reason(overtaken)) == ("LINK_INVALID", "LINK_USED")
    assert ended.outcome == pb.CONNECT_OUTCOME_CONNECTED


async def test_links_and_states_run_out(stage: Staging) -> None:
    clock = Clock()
    async with stage(clock=clock) as found:
        await found.integrate()
        browser = Browser()
        answer = await found.visit(await found.link(), browser)
        clock.moved += 15 * 60_000
        late = await refused(found.finish(answer, browser))
        token = await found.link()
        clock.moved += 60 * 60_000
        old = await refused(found.begin(token, browser))

    assert (reason(late), reason(old)) == ("LINK_EXPIRED", "LINK_EXPIRED")


async def test_a_link_whose_run_no_longer_waits_is_refused(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        run_id = (await _waiting(found, 1))[0]
        token = token_of((await found.service.get(run_id)).authorization_url)
        await found.service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=run_id))
        error = await refused(found.begin(token, Browser()))
        other = "B" if token[9] == "A" else "A"
        tampered = await refused(found.begin(f"{token[:9]}{other}{token[10:]}", Browser()))

    assert (reason(error), reason(tampered)) == ("LINK_USED", "LINK_INVALID")


async def _unconfirmed(found: Stage, user: str = "user-1") -> str:
    """Log in where the tenant has a verifier; the flow it is sent to confirm."""
    settings = pb.UpdateConnectSettingsRequest(verifier_url="https://app.test/verify?of=errands")
    await found.service.connections.UpdateConnectSettings(settings)
    ended = await found.connect(user, return_url="https://app.test/back")
    assert ended.outcome == pb.CONNECT_OUTCOME_UNCONFIRMED
    assert ended.return_url.startswith("https://app.test/verify?of=errands&flow=")
    return str(ended.return_url.partition("&flow=")[2])


async def _confirm(found: Stage, flow: str, user: str, key: str = "") -> pb.ConfirmConnectionResponse:
    asking = found.service.speaking_as(key) if key else found.service
    return await asking.connections.ConfirmConnection(pb.ConfirmConnectionRequest(flow=flow, user_id=user))


async def test_with_a_verifier_nothing_is_connected_before_the_application_agrees(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        run_id = (await _waiting(found, 1))[0]
        flow = await _unconfirmed(found)
        before = await found.service.connections.ListConnections(pb.ListConnectionsRequest())
        waiting = await found.service.get(run_id)
        confirmed = await _confirm(found, flow, "user-1")
        run = await found.service.finished(run_id)
        again = await refused(_confirm(found, flow, "user-1"))

    assert not before.connections
    assert waiting.status == WAITING
    assert (confirmed.connection.user_id, confirmed.return_url) == ("user-1", "https://app.test/back")
    assert run.status == SUCCESS
    assert reason(again) == "LINK_INVALID"


async def test_who_comes_back_to_a_full_tenant_is_told_and_the_tokens_are_revoked(stage: Staging) -> None:
    async with stage(max_connections=1) as found:
        integration = await found.integrate()
        late, later = Browser(), await found.link("user-3")
        answer = await found.visit(await found.link("user-2"), late)
        await found.service.connect(integration, bearer=pb.ConnectionBearer(token="first"))
        full = await refused(found.finish(answer, late))
        unsent = await refused(found.begin(later, Browser()))
        unlinked = await refused(found.link("user-3"))
        kept = await found.only_connection()

    assert {reason(error) for error in (full, unsent, unlinked)} == {"QUOTA_EXCEEDED"}
    assert kept.user_id == "user-1"
    assert found.provider.counts()["refresh destroyed"] == 1


async def test_a_forwarded_link_connects_no_strangers_account(stage: Staging) -> None:
    """Mallory sends a link of their own to the victim, who logs in: the application sees who it was."""
    async with stage() as found:
        await found.integrate()
        flow = await _unconfirmed(found, "mallory")
        mismatch = await refused(_confirm(found, flow, "victim"))
        later = await refused(_confirm(found, flow, "mallory"))
        listed = await found.service.connections.ListConnections(pb.ListConnectionsRequest())

    assert (reason(mismatch), reason(later)) == ("USER_MISMATCH", "LINK_INVALID")
    assert not listed.connections
    assert found.provider.counts()["refresh destroyed"] == 1  # what the provider gave was revoked


async def test_a_confirmation_runs_out_and_is_no_other_tenants(stage: Staging) -> None:
    clock = Clock()
    async with stage(clock=clock) as found:
        await found.integrate()
        stranger = await found.service.stranger()
        flow = await _unconfirmed(found)
        foreign = await refused(_confirm(found, flow, "user-1", stranger.key))
        clock.moved += 10 * 60_000
        late = await refused(_confirm(found, flow, "user-1"))
        listed = await found.service.connections.ListConnections(pb.ListConnectionsRequest())

    assert (reason(foreign), reason(late)) == ("LINK_INVALID", "LINK_EXPIRED")
    assert not listed.connections


async def test_more_scopes_are_asked_for_on_top_of_those_granted(stage: Staging) -> None:
    async with stage(WRITE) as found:
        await found.integrate()
        await found.connect(scopes=["things:read"])
        granted = await found.only_connection()
        created = await found.service.create("write")
        asked = (await found.service.until(created.run_id, "auth_required")).auth_required
        browser = Browser()
        await found.finish(await found.visit(token_of(asked.url), browser), browser)
        run = await found.service.finished(created.run_id)
        wider = await found.only_connection()

    assert list(asked.scopes) == ["things:write"]
    assert "things:write" not in granted.scopes
    assert {"things:read", "things:write"} <= set(wider.scopes)
    assert run.status == SUCCESS


async def test_what_the_provider_refuses_is_said_and_the_link_stays_good(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate(client_secret="wrong")
        browser, token = Browser(), await found.link()
        wrong = await refused(found.finish(await found.visit(token, browser), browser))
        await found.service.integrations.UpdateIntegration(
            ipb.UpdateIntegrationRequest(id=found.integration, oauth_client=found.client())
        )
        ended = await found.finish(await found.visit(token, browser), browser)

    assert reason(wrong) == "CONNECT_FAILED"
    assert "invalid_client" in (wrong.details() or "")
    assert "wrong" not in (wrong.details() or "")
    assert ended.outcome == pb.CONNECT_OUTCOME_CONNECTED


async def test_a_key_is_typed_in_where_the_service_has_no_login(stage: Staging) -> None:
    schemes = {"login": {"type": "apiKey", "in": "header", "name": "x-things"}}
    async with stage() as found:
        await found.integrate(schemes, **_NOWHERE)
        change = ipb.UpdateIntegrationRequest(id=found.integration, remove_oauth_client=True)
        await found.service.integrations.UpdateIntegration(change)
        run_id = (await _waiting(found, 1))[0]
        token = token_of((await found.service.get(run_id)).authorization_url)
        link = await found.service.connections.GetConnectLink(
            pb.GetConnectLinkRequest(token=token), metadata=()
        )
        missing = await refused(found.begin(token, Browser()))
        begun = await found.begin(token, Browser(), api_key=pb.ConnectionApiKey(value="k"))
        connection = await found.only_connection()

    assert link.type == "apiKey"
    assert reason(missing) == "FIELD_INVALID"
    assert (begun.outcome, begun.redirect_url) == (pb.CONNECT_OUTCOME_CONNECTED, "")
    assert connection.type == "apiKey"


_NOWHERE = {"token_url": "https://example.com/token", "authorization_url": "https://example.com/authorize"}


async def test_without_a_client_nobody_is_sent_anywhere(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        change = ipb.UpdateIntegrationRequest(id=found.integration, remove_oauth_client=True)
        await found.service.integrations.UpdateIntegration(change)
        error = await refused(found.link())

    assert reason(error) == "CANNOT_CONNECT"


async def test_a_run_that_planned_on_reading_is_not_held_up_by_what_it_does_not_need(stage: Staging) -> None:
    async with stage(READ) as found:
        await found.integrate()
        await found.connect(scopes=["things:read"])
        run = await found.service.finished((await found.service.create("read")).run_id)

    assert run.status == SUCCESS
