"""OAuth clients of integrations: what an operator registers, where secrets go, and shared accounts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from errands.v1 import connection_pb2 as pb
from errands.v1 import event_pb2, run_pb2
from errands.v1 import integration_pb2 as ipb
from tests.contract.conftest import Clock
from tests.contract.refusals import refused
from tests.credentials.conftest import ANY, Stage, Staging
from tests.oidc.api import described
from tests.oidc.provider import SECRET, Browser
from tests.service import reason, violations

SUCCESS = event_pb2.RUN_STATUS_SUCCESS
ALONE = {"grant": "client_credentials", "scopes": ["things:read"]}


async def _update(found: Stage, **fields: Any) -> ipb.Integration:
    request = ipb.UpdateIntegrationRequest(id=found.integration, **fields)
    return (await found.service.integrations.UpdateIntegration(request)).integration


async def _run(found: Stage, user: str = "user-1") -> run_pb2.Run:
    return await found.service.finished((await found.service.create("read", user_id=user)).run_id)


async def test_a_client_may_serve_every_user_with_one_token(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate(**ALONE)
        shown = (
            await found.service.integrations.GetIntegration(ipb.GetIntegrationRequest(id=found.integration))
        ).integration
        runs = await asyncio.gather(*(_run(found, f"user-{number}") for number in range(20)))
        asked = await found.service.create("read", approval_strategy=run_pb2.APPROVAL_STRATEGY_ON_TOOL_CALL)
        approval = (await found.service.until(asked.run_id, "approval_required")).approval_required

    assert (shown.auth.type, shown.auth.shared) == ("clientCredentials", True)
    assert {run.status for run in runs} == {SUCCESS}
    assert found.provider.counts() == {"client_credentials": 1}
    assert found.api.called == [("/things", "200", "errands")] * 20
    assert [call.shared for call in approval.calls] == [True]


async def test_a_clients_token_is_obtained_anew_when_it_runs_out(stage: Staging) -> None:
    clock = Clock()
    async with stage(clock=clock) as found:
        await found.integrate(**ALONE)
        for _ in range(3):
            assert (await _run(found)).status == SUCCESS
            clock.moved += 2 * 3_600_000

    assert found.provider.counts() == {"client_credentials": 3}


async def test_a_users_own_connection_goes_before_the_shared_account(stage: Staging) -> None:
    async with stage(ANY) as found:
        bearer = ipb.IntegrationCredential(bearer=ipb.BearerCredential(token="of-everybody"))
        await found.integrate()
        await found.connect()
        await _update(found, credential=bearer, shared_credential=True)
        mine, theirs = await _run(found), await _run(found, "user-2")
        asked = await found.service.create("read", approval_strategy=run_pb2.APPROVAL_STRATEGY_ON_TOOL_CALL)
        approval = (await found.service.until(asked.run_id, "approval_required")).approval_required

    assert mine.status == SUCCESS
    assert theirs.error.reason == "SERVICE_REFUSED"
    assert "shared account" in theirs.error.message
    assert [one[1:] for one in found.api.called] == [("200", "ada"), ("401", "")]
    assert [call.shared for call in approval.calls] == [False]


async def test_a_connection_is_good_only_where_it_was_made_for(stage: Staging) -> None:
    async with stage(ANY) as found:
        await found.integrate()
        await found.connect()
        async with _elsewhere() as (origin, received):
            await _update(found, base_url=origin)
            created = await found.service.create("read")
            await found.service.until(created.run_id, "auth_required")

    assert not received
    assert not found.api.called


def _elsewhere() -> Any:
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def opened() -> Any:
        received: list[bytes] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.append(await reader.read(65_536))
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", received

    return opened()


async def test_a_secret_is_kept_for_the_same_client_at_the_same_server_only(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate(issuer=found.provider.issuer)
        kept = await _update(
            found, oauth_client=found.client(client_secret="", scopes=[], issuer=found.provider.issuer)
        )
        ended = await found.connect(scopes=["things:read"])
        moved = await refused(
            _update(found, oauth_client=found.client(client_secret="", issuer=found.api.origin))
        )
        elsewhere = {"issuer": found.provider.issuer, "refresh_url": f"{found.api.origin}/renew"}
        renewed = await refused(_update(found, oauth_client=found.client(client_secret="", **elsewhere)))
        other = await refused(
            _update(found, oauth_client=found.client(client_secret="", client_id="posting", **_POST))
        )
        async with _elsewhere() as (origin, received):
            schemes = {
                "login": {
                    "type": "openIdConnect",
                    "openIdConnectUrl": f"{origin}/.well-known/openid-configuration",
                }
            }
            await _update(found, openapi_document=described(found.api.origin, schemes))
            await found.connect("user-2", scopes=["things:read"])

    assert kept.auth.oauth_client.client_secret == ""
    assert list(kept.auth.schemes) == ["openIdConnect"]
    assert ended.outcome == pb.CONNECT_OUTCOME_CONNECTED
    assert "oauth_client.client_secret" in violations(moved)
    assert "oauth_client.client_secret" in violations(renewed)
    assert "oauth_client.client_secret" in violations(other)
    assert not received, "another description sends the secret nowhere else"


_POST = {"token_auth_method": "client_secret_post"}


async def test_only_an_operator_opens_an_authorization_server_inside(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        tenant = await found.service.with_scopes("integrations", "connections")
        change = ipb.UpdateIntegrationRequest(
            id=found.integration, oauth_client=found.client(issuer="http://127.0.0.1:9")
        )
        forbidden = await refused(tenant.integrations.UpdateIntegration(change))
        # What an operator opened stays open for who changes the rest.
        again = ipb.UpdateIntegrationRequest(
            id=found.integration, oauth_client=found.client(scopes=["openid"])
        )
        await tenant.integrations.UpdateIntegration(again)
        ended = await found.connect()

    assert reason(forbidden) == "SCOPE_MISSING"
    assert ended.outcome == pb.CONNECT_OUTCOME_CONNECTED


async def test_a_public_services_authorization_server_cannot_lie_inside(stage: Staging) -> None:
    """Not even for an operator: it is `internal` that says so, for exactly these origins."""
    async with stage() as found:
        request = ipb.CreateIntegrationRequest(
            name="outside",
            openapi_document=described("https://things.example.com", found.flows()),
            oauth_client=found.client(),
        )
        plain = await refused(found.service.integrations.CreateIntegration(request))
        port = found.provider.issuer.rpartition(":")[2]
        request.oauth_client.CopyFrom(found.client(issuer=f"https://127.0.0.1:{port}"))
        made = await found.service.integrations.CreateIntegration(request)
        found.integration = made.integration.id
        inside = await refused(found.begin(await found.link(scopes=["a"]), Browser()))

    assert violations(plain).keys() == {"oauth_client.authorization_url", "oauth_client.token_url"}
    assert reason(inside) == "CONNECT_FAILED"
    assert "127.0.0.1 stands at 127.0.0.1, which tools may not reach" in (inside.details() or "")


@pytest.mark.parametrize(
    ("client", "field"),
    [
        ({"client_id": ""}, "client_id"),
        ({"token_url": "ftp://a"}, "token_url"),
        ({"token_url": "https://user:password@a.test/"}, "token_url"),
        ({"refresh_url": "ftp://a"}, "refresh_url"),
        ({"grant": "password"}, "grant"),
        ({"token_auth_method": "tls"}, "token_auth_method"),
        ({"scopes": ["two words"]}, "scopes[0]"),
        ({"client_secret": "", "token_auth_method": "client_secret_post"}, "client_secret"),
        ({"client_secret": "", "grant": "client_credentials"}, "client_secret"),
    ],
)
async def test_a_client_that_cannot_work_is_refused_by_field(stage: Staging, client: Any, field: str) -> None:
    async with stage() as found:
        error = await refused(found.integrate(**client))

    assert violations(error).keys() == {f"oauth_client.{field}"}
    assert SECRET not in (error.details() or "")


async def test_without_endpoints_in_the_description_they_are_asked_for(stage: Staging) -> None:
    async with stage() as found:
        error = await refused(found.integrate({"login": {"type": "http", "scheme": "bearer"}}))

    assert violations(error).keys() == {"oauth_client.token_url", "oauth_client.authorization_url"}


async def test_metadata_of_another_issuer_is_not_believed(stage: Staging) -> None:
    async with stage() as found:
        port = found.provider.issuer.rpartition(":")[2]
        await found.integrate(issuer=f"http://localhost:{port}")  # the provider says 127.0.0.1
        error = await refused(found.begin(await found.link(), Browser()))

    assert reason(error) == "CONNECT_FAILED"
    assert "another issuer" in (error.details() or "")


async def test_deleting_an_integration_forgets_its_connections(stage: Staging) -> None:
    async with stage() as found:
        await found.integrate()
        await found.connect()
        await found.service.integrations.DeleteIntegration(ipb.DeleteIntegrationRequest(id=found.integration))
        listed = await found.service.connections.ListConnections(pb.ListConnectionsRequest())

    assert not listed.connections
