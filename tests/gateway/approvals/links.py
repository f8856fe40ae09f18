"""Approvals that wait, their links, and those who open them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from msgspec import Struct

from errands.v1 import approval_pb2 as pb
from errands.v1 import integration_pb2
from tests.contract.target import Target
from tests.gateway.approvals.parsed import Page
from tests.service import PATIENCE, Service

ON_START, ON_TOOL_CALL = 2, 3
DAY = 24 * 3_600_000
PATH = "/v1/runs/approval"
JSON = {"accept": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
CHROME = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
    "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
}


class Asked(Struct, frozen=True):
    """An approval that waits, with its two tokens."""

    approval: pb.Approval
    approving: str
    denying: str

    @property
    def run_id(self) -> str:
        return self.approval.run_id


async def asked(service: Service, intent: str = "do", strategy: int = ON_TOOL_CALL, **fields: Any) -> Asked:
    """The first approval of a new run."""
    created = await service.create(intent, approval_strategy=strategy, **fields)
    required = (await service.until(created.run_id, "approval_required")).approval_required
    return Asked(required, _token(required, pb.DECISION_APPROVE), _token(required, pb.DECISION_DENY))


def _token(approval: pb.Approval, decision: int) -> str:
    return next(link.url for link in approval.actions if link.action == decision).partition("?token=")[2]


async def state(service: Service, asked: Asked) -> pb.Approval:
    """Where the approval stands."""
    listed = await service.approvals.ListApprovals(pb.ListApprovalsRequest(run_id=asked.run_id))
    return next(one for one in listed.approvals if one.approval_id == asked.approval.approval_id)


async def waits(service: Service, asked: Asked) -> bool:
    """Whether nobody has decided."""
    return (await state(service, asked)).status == pb.APPROVAL_STATUS_PENDING


@asynccontextmanager
async def somebody(
    service: Service, headers: Mapping[str, str] = CHROME
) -> AsyncGenerator[httpx2.AsyncClient, None]:
    """Somebody without a key, who keeps cookies as a browser does."""
    async with httpx2.AsyncClient(
        base_url=f"http://{service.app.http_address}", headers=dict(headers), timeout=PATIENCE
    ) as client:
        yield client


async def opened(client: httpx2.AsyncClient, token: str, headers: Any = None) -> httpx2.Response:
    return await client.get(PATH, params={"token": token}, headers=headers)


async def pressed(
    client: httpx2.AsyncClient, page: httpx2.Response, button: str, headers: Any = None
) -> httpx2.Response:
    """The answer to pressing a button of the page, whether it has that button or not."""
    form = {**Page.of(page.text).hidden, "decision": button}
    return await client.post(PATH, data=form, headers=headers)


async def add_counter(
    service: Service,
    target: Target,
    titles: Mapping[str, str],
    *,
    name: str = "counter",
    shared: bool = False,
) -> None:
    """The target once more, with tools of these names and titles; those named `read…` only read."""
    document = {
        "openapi": "3.1.0",
        "info": {"title": name, "version": "1"},
        "servers": [{"url": target.url}],
        "paths": {f"/{tool}": _tool(tool, title, shared) for tool, title in titles.items()},
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }
    request = integration_pb2.CreateIntegrationRequest(
        name=name, openapi_document=json.dumps(document), internal=True, shared_credential=shared
    )
    if shared:
        request.credential.bearer.token = "the account of all"
    await service.integrations.CreateIntegration(request)


def _tool(name: str, title: str, shared: bool) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    query = [{"name": "q", "in": "query", "schema": {"type": "string"}}]
    reads = name.startswith("read")
    operation = {
        "operationId": name,
        "summary": title,
        "responses": {"200": {"description": "What came of it."}},
        **({"parameters": query} if reads else {"requestBody": body}),
        **({"security": [{"key": []}]} if shared else {}),
    }
    return {"get" if reads else "post": operation}
