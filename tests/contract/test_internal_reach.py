"""What an operator opened for one origin stays open for that origin, whoever changes the integration."""

from __future__ import annotations

import json

import pytest

from errands.v1 import integration_pb2
from tests.contract.conftest import add_target
from tests.contract.refusals import refused
from tests.contract.target import Target
from tests.outbound.test_addresses import listening
from tests.service import Service, reason
from tests.tools.loopback import http
from tests.tools.loopback import service as loopback
from tests.tools.mcp.servers import target as mcp_server


@pytest.mark.parametrize("path", ["/", "/openapi.json"])
async def test_who_may_not_open_private_addresses_fetches_no_description_from_another_one(
    service: Service, target: Target, path: str
) -> None:
    integration = await add_target(service, target)
    keeper = await service.with_scopes("integrations")
    async with listening() as (port, reached):
        request = integration_pb2.UpdateIntegrationRequest(
            id=integration, openapi_url=f"http://127.0.0.1:{port}{path}"
        )
        error = await refused(keeper.integrations.UpdateIntegration(request))

        assert reason(error) == "ADDRESS_FORBIDDEN"
        assert reached == []
        # An operator may: it is the operator's grant.
        await refused(service.integrations.UpdateIntegration(request))
        assert len(reached) == 1


async def test_nor_do_they_ask_an_mcp_server_at_another_one(service: Service) -> None:
    async with mcp_server() as found:
        made = await service.integrations.CreateIntegration(
            integration_pb2.CreateIntegrationRequest(name="notes", mcp_url=found.url, internal=True)
        )
    keeper = await service.with_scopes("integrations")
    async with listening() as (port, reached):
        request = integration_pb2.UpdateIntegrationRequest(
            id=made.integration.id, mcp_url=f"http://127.0.0.1:{port}/mcp"
        )
        error = await refused(keeper.integrations.UpdateIntegration(request))

        assert reason(error) == "ADDRESS_FORBIDDEN"
        assert reached == []


async def test_from_the_opened_origin_a_description_comes_again(service: Service, target: Target) -> None:
    keeper = await service.with_scopes("integrations")
    described: list[bytes] = []

    async def behave(request: object, writer: object) -> None:
        writer.write(http(200, described[0]))  # type: ignore[attr-defined] # a StreamWriter

    async with loopback(behave) as upstream:
        document = json.loads(target.document())
        document["servers"] = [{"url": upstream.origin}]
        described.append(json.dumps(document).encode())
        made = await service.integrations.CreateIntegration(
            integration_pb2.CreateIntegrationRequest(
                name="a", openapi_url=f"{upstream.origin}/openapi.json", internal=True
            )
        )
        again = await keeper.integrations.UpdateIntegration(
            integration_pb2.UpdateIntegrationRequest(
                id=made.integration.id, openapi_url=f"{upstream.origin}/openapi.json"
            )
        )

    assert again.integration.revision == 2


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "file:///etc/passwd", "http://a:b@127.0.0.1/", "http://127.0.0.1:0/"]
)
async def test_no_url_of_a_new_description_is_a_fault(service: Service, target: Target, url: str) -> None:
    integration = await add_target(service, target)
    keeper = await service.with_scopes("integrations")
    request = integration_pb2.UpdateIntegrationRequest(id=integration, openapi_url=url)

    assert reason(await refused(keeper.integrations.UpdateIntegration(request))) in {
        "DOCUMENT_INVALID",
        "FIELD_INVALID",
        "ADDRESS_FORBIDDEN",
    }
