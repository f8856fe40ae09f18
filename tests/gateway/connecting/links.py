"""Connect links, and those who open them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx2

from errands.v1 import connection_pb2 as pb
from errands.v1 import integration_pb2
from tests.gateway.approvals.parsed import Page
from tests.service import Service

HOUR = 3_600_000  # milliseconds
COOKIE = "errands-connect"
SECRET = "hunter2-hunter2"


async def target_id(service: Service) -> str:
    found = await service.integrations.ListIntegrations(integration_pb2.ListIntegrationsRequest())
    return str(found.integrations[0].id)


async def link(service: Service, integration: str = "", user: str = "ada", **fields: Any) -> str:
    """Path of a new connect link."""
    request = pb.CreateConnectLinkRequest(
        integration_id=integration or await target_id(service), user_id=user, **fields
    )
    made = await service.connections.CreateConnectLink(request)
    return urlsplit(made.url).path


async def connections(service: Service) -> list[tuple[str, str]]:
    """User and type of every connection."""
    found = await service.connections.ListConnections(pb.ListConnectionsRequest())
    return [(one.user_id, one.type) for one in found.connections]


async def pressed(client: httpx2.AsyncClient, page: httpx2.Response, **typed: str) -> httpx2.Response:
    """The answer to pressing the button of a page."""
    return await client.post(page.url.path, data={**Page.of(page.text).hidden, **typed})


def told(answer: httpx2.Response) -> str:
    """The words of a page that must be one."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8", answer.text
    return Page.of(answer.text).words
