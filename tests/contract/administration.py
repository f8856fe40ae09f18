"""Every administrative change, done once, and what the audit is to say of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

from errands.v1 import connection_pb2 as pb
from errands.v1 import integration_pb2, key_pb2
from tests.contract.refusals import refused
from tests.contract.target import Target
from tests.service import Service

SECRET: Final = "canary-of-the-audit-3f9a"
VERIFIER: Final = f"https://user:{SECRET}@app.test/{SECRET}?key={SECRET}"
BROWSER: Final = "b" * 43
KEY: Final = "key:process"

Told: TypeAlias = tuple[str, str, str]
"""Actor, action and subject."""
AuditedChange: TypeAlias = tuple[str, Told]
"""An RPC, and the one entry it left."""


async def changes(service: Service, target: Target) -> AsyncGenerator[AuditedChange, None]:
    """One of each administrative change, told as soon as it is done."""
    target.token = SECRET
    name = await _created(service, target)
    yield "IntegrationService/CreateIntegration", (KEY, "integration.create", name)
    async for deed in connecting(service, target, name):
        yield deed
    removal = integration_pb2.UpdateIntegrationRequest(
        id=name, name="other", rate_limit="10/s", remove_oauth_client=True
    )
    await service.integrations.UpdateIntegration(removal)
    yield "IntegrationService/UpdateIntegration", (KEY, "integration.update", name)
    await service.integrations.DeleteIntegration(integration_pb2.DeleteIntegrationRequest(id=name))
    yield "IntegrationService/DeleteIntegration", (KEY, "integration.delete", name)
    key = await service.keys.CreateKey(key_pb2.CreateKeyRequest(name="k", scopes=["runs:read"]))
    yield "KeyService/CreateKey", (KEY, "key.create", key.key.id)
    await service.keys.RevokeKey(key_pb2.RevokeKeyRequest(id=key.key.id))
    yield "KeyService/RevokeKey", (KEY, "key.revoke", key.key.id)


async def _created(service: Service, target: Target) -> str:
    bearer = integration_pb2.IntegrationCredential(bearer=integration_pb2.BearerCredential(token=SECRET))
    request = integration_pb2.CreateIntegrationRequest(
        name="audited",
        openapi_document=target.document(),
        internal=True,
        credential=bearer,
        shared_credential=True,
    )
    return str((await service.integrations.CreateIntegration(request)).integration.id)


async def connecting(service: Service, target: Target, name: str) -> AsyncGenerator[AuditedChange, None]:
    """Everything that is done about users' connections to an integration."""
    made = await service.connect(name, "ada", bearer=pb.ConnectionBearer(token=SECRET))
    yield "ConnectionService/CreateConnection", (KEY, "connection.create", made.id)
    await service.connections.DeleteConnection(pb.DeleteConnectionRequest(id=made.id))
    yield "ConnectionService/DeleteConnection", (KEY, "connection.delete", made.id)
    await typed(service, name, "bob")
    yield "ConnectionService/BeginConnect", ("link", "connection.create", await of(service, "bob"))
    await service.connections.UpdateConnectSettings(settings(VERIFIER))
    yield "ConnectionService/UpdateConnectSettings", (KEY, "tenant.update", "default")
    flow = flow_of(await typed(service, name, "cleo"))
    confirmed = await service.connections.ConfirmConnection(confirmation(flow, "cleo"))
    yield "ConnectionService/ConfirmConnection", (KEY, "connection.confirm", confirmed.connection.id)
    flow = flow_of(await typed(service, name, "mallory"))
    await refused(service.connections.ConfirmConnection(confirmation(flow, "victim")))
    yield "ConnectionService/ConfirmConnection", (KEY, "connection.mismatch", name)
    await service.connections.UpdateConnectSettings(settings(""))
    yield "ConnectionService/UpdateConnectSettings", (KEY, "tenant.update", "default")
    await lent(service, target, name)
    yield "IntegrationService/UpdateIntegration", (KEY, "integration.update", name)
    await finish(service, await visited(service, name, "dora"))
    yield "ConnectionService/FinishConnect", ("link", "connection.create", await of(service, "dora"))


async def lent(service: Service, target: Target, name: str) -> None:
    """Give an integration a client at the target."""
    client = integration_pb2.OAuthClient(
        client_id="errands",
        client_secret=SECRET,
        authorization_url=f"{target.url}/authorize",
        token_url=f"{target.url}/token",
    )
    request = integration_pb2.UpdateIntegrationRequest(id=name, oauth_client=client)
    await service.integrations.UpdateIntegration(request)


async def link(service: Service, name: str, user: str) -> str:
    """The token of a new link."""
    request = pb.CreateConnectLinkRequest(integration_id=name, user_id=user)
    return str((await service.connections.CreateConnectLink(request)).url.rpartition("/")[2])


async def typed(service: Service, name: str, user: str) -> Any:
    """What came of typing a token in, at a link."""
    token = await link(service, name, user)
    bearer = pb.ConnectionBearer(token=SECRET)
    request = pb.BeginConnectRequest(token=token, browser=BROWSER, bearer=bearer)
    return await service.connections.BeginConnect(request, metadata=())


async def visited(service: Service, name: str, user: str) -> str:
    """The state with which a browser comes back from the authorization server."""
    request = pb.BeginConnectRequest(token=await link(service, name, user), browser=BROWSER)
    begun = await service.connections.BeginConnect(request, metadata=())
    return parse_qs(urlsplit(begun.redirect_url).query)["state"][0]


async def finish(service: Service, state: str) -> None:
    request = pb.FinishConnectRequest(state=state, code="code", browser=BROWSER)
    await service.connections.FinishConnect(request, metadata=())


async def awaiting(service: Service, name: str, user: str) -> str:
    """A flow that waits for the tenant's verifier."""
    await service.connections.UpdateConnectSettings(settings(VERIFIER))
    return flow_of(await typed(service, name, user))


def settings(verifier_url: str) -> pb.UpdateConnectSettingsRequest:
    return pb.UpdateConnectSettingsRequest(verifier_url=verifier_url)


def confirmation(flow: str, user: str) -> pb.ConfirmConnectionRequest:
    return pb.ConfirmConnectionRequest(flow=flow, user_id=user)


def flow_of(begun: Any) -> str:
    """The flow that the browser is to bring to the verifier."""
    return parse_qs(urlsplit(begun.return_url).query)["flow"][0]


async def of(service: Service, user: str) -> str:
    """Id of the user's one connection."""
    listed = await service.connections.ListConnections(pb.ListConnectionsRequest(user_id=user))
    (found,) = listed.connections
    return str(found.id)
