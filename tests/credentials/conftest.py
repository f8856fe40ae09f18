"""A server, a certified OpenID provider, and a service that asks the provider about every token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from errands.v1 import connection_pb2 as pb
from errands.v1 import integration_pb2 as ipb
from errands_server.app import Overrides
from tests.contract.conftest import Clock
from tests.oidc.api import Api, described, serving_api
from tests.oidc.provider import PUBLIC_URL, SECRET, Browser, Provider, provider
from tests.scripted import Scene, ScriptedPlanner, plan_of
from tests.service import Service, serving

READ = Scene("readThings")
WRITE = Scene("readSecrets")
ANY = Scene("readAnything")


class Stage:
    """Everything a test of connections acts with."""

    def __init__(self, service: Service, api: Api, found: Provider, clock: Clock, data: Path) -> None:
        self.data = data
        self.service = service
        self.api = api
        self.provider = found
        self.clock = clock
        self.integration = ""

    async def integrate(
        self, schemes: dict[str, Any] | None = None, *, needs: dict[str, str] | None = None, **client: Any
    ) -> str:
        """The service as an integration whose users connect at the provider."""
        request = ipb.CreateIntegrationRequest(
            name="things",
            openapi_document=described(self.api.origin, schemes or self.schemes(), needs),
            internal=True,
            oauth_client=self.client(**client),
        )
        made = await self.service.integrations.CreateIntegration(request)
        self.integration = made.integration.id
        return self.integration

    def client(self, **client: Any) -> ipb.OAuthClient:
        given = {"client_id": "errands", "client_secret": SECRET, "scopes": ["openid", "offline_access"]}
        return ipb.OAuthClient(**{**given, **client})

    def schemes(self) -> dict[str, Any]:
        url = f"{self.provider.issuer}/.well-known/openid-configuration"
        return {"login": {"type": "openIdConnect", "openIdConnectUrl": url}}

    def flows(self) -> dict[str, Any]:
        """The provider, as a description without discovery has it."""
        issuer = self.provider.issuer
        flow = {"authorizationUrl": f"{issuer}/auth", "tokenUrl": f"{issuer}/token", "scopes": {}}
        return {"login": {"type": "oauth2", "flows": {"authorizationCode": flow}}}

    async def link(self, user: str = "user-1", **fields: Any) -> str:
        """The token of a link."""
        request = pb.CreateConnectLinkRequest(integration_id=self.integration, user_id=user, **fields)
        return token_of((await self.service.connections.CreateConnectLink(request)).url)

    async def begin(self, token: str, browser: Browser, **typed: Any) -> Any:
        request = pb.BeginConnectRequest(token=token, browser=browser.proof, **typed)
        return await self.service.connections.BeginConnect(request, metadata=())

    async def visit(self, token: str, browser: Browser, *, abort: bool = False) -> dict[str, str]:
        """Begin, and go through the provider; what it answers."""
        begun = await self.begin(token, browser)
        return await asyncio.to_thread(browser.visit, begun.redirect_url, abort=abort)

    async def finish(self, answer: dict[str, str], browser: Browser, **changes: str) -> Any:
        request = pb.FinishConnectRequest(
            **{**answer, "browser": browser.proof, **changes},
        )
        return await self.service.connections.FinishConnect(request, metadata=())

    async def connect(self, user: str = "user-1", browser: Browser | None = None, **fields: Any) -> Any:
        """One user logs in, by a link of their own."""
        browser = browser or Browser()
        answer = await self.visit(await self.link(user, **fields), browser)
        return await self.finish(answer, browser)

    async def only_connection(self) -> pb.Connection:
        listed = await self.service.connections.ListConnections(pb.ListConnectionsRequest())
        (found,) = listed.connections
        return found


def token_of(url: str) -> str:
    assert url.startswith(f"{PUBLIC_URL}/connect/"), url
    return url.rpartition("/")[2]


Staging: TypeAlias = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
def oidc() -> Iterator[Provider]:
    with provider() as found:
        yield found


@pytest.fixture
def stage(tmp_path: Path, oidc: Provider) -> Staging:
    """Starts a server that runs these scenes; again, it goes on with its folder."""

    @asynccontextmanager
    async def started(
        *scenes: Scene, clock: Clock | None = None, **settings: Any
    ) -> AsyncGenerator[Stage, None]:
        clock = clock or Clock()
        overrides = Overrides(
            planner=ScriptedPlanner(plan_of(*(scenes or (READ,)))), environment=clock.environment
        )
        settings = {"public_url": PUBLIC_URL, **settings}
        async with serving(tmp_path / "data", overrides, **settings) as service, serving_api(oidc) as api:
            yield Stage(service, api, oidc, clock, tmp_path / "data")

    return started
