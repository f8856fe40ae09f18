"""A gateway whose server is away, hangs or takes too long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
from grpc import aio

from errands_gateway.app import CHANNEL_OPTIONS, serve_http
from errands_gateway.settings import Settings
from errands_gateway.v1.operations import OPERATIONS
from tests.contract.conftest import Serve
from tests.contract.plans import HELD_WRITE, steps
from tests.contract.target import Target
from tests.gateway.callers import NOBODY, RUN, asking, problem, reason
from tests.gateway.test_command import free_port
from tests.scripted import ScriptedPlanner

_OF_ADA = {"integrationId": "a", "userId": "ada"}
BODIES = {
    "RunController_createRun": RUN,
    "decideApprovals": {"decisions": [{"approvalId": NOBODY, "decision": "deny"}]},
    "decideApproval": {"decision": "deny"},
    "createIntegration": {"name": "a", "openapi": {"document": "a"}},
    "updateIntegration": {"name": "a"},
    "createKey": {"name": "a", "scopes": ["admin"]},
    "createConnection": {**_OF_ADA, "auth": {"type": "bearer", "token": "t"}},
    "createConnectLink": _OF_ADA,
    "confirmConnection": {"flow": "f", "userId": "ada"},
    "updateConnectSettings": {"verifierUrl": ""},
}


@asynccontextmanager
async def in_front_of(address: str, **settings: float) -> AsyncGenerator[httpx2.AsyncClient, None]:
    """A caller of a gateway by itself, in front of a server that is or is not at `address`."""
    async with (
        aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel,
        serve_http(channel, Settings(http="127.0.0.1:0", **settings)) as gateway,
        httpx2.AsyncClient(base_url=gateway.url, headers={"x-api-key": "a"}, timeout=20) as client,
    ):
        yield client


async def test_while_the_server_is_away_every_operation_says_when_to_come_back() -> None:
    async with in_front_of(f"127.0.0.1:{free_port()}") as http:
        for operation in OPERATIONS:
            if operation.path == "/v1/runs/approval" or operation.path.startswith("/connect/"):
                continue  # has pages of its own
            path = operation.path.replace("{", "").replace("}", "")
            answer = await http.request(operation.method, path, json=BODIES.get(operation.id))

            assert reason(answer) == (503, "SERVER_UNREACHABLE"), operation.id
            assert answer.headers["retry-after"] == "1"
            assert problem(answer)["detail"] == "the server behind this gateway does not answer; try again"
        ready = await http.get("/readyz")
        healthy = await http.get("/healthz")
        described = await http.get("/openapi.json")

    assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
    assert (healthy.status_code, described.status_code) == (200, 200)


async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_a_request_may_take() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        for method, path, body in (
            ("GET", "/v1/runs", None),
            ("POST", "/v1/runs", RUN),
            ("GET", f"/v1/runs/{NOBODY}/sse", None),
        ):
            # A channel gives up connecting after a second, and says so from then on.
            async with in_front_of(address, limit=0.2) as http:
                answer = await http.request(method, path, json=body)

            assert reason(answer) == (504, "DEADLINE_EXCEEDED"), path


async def test_a_request_that_takes_longer_than_it_may_ends_and_its_work_goes_on(
    serve: Serve, target: Target
) -> None:
    """Stopping waits up to five seconds for a write that is under way."""
    async with serve(steps(HELD_WRITE), request_limit=0.5) as service, asking(service) as http:
        created = await service.create("do")
        await asyncio.wait_for(target.arrived.wait(), 20)
        answer = await http.delete(f"/v1/runs/{created.run_id}")
        asked = await http.get(f"/v1/runs/{created.run_id}")
        target.open.set()
        run = await service.finished(created.run_id)

    assert reason(answer) == (504, "DEADLINE_EXCEEDED")
    assert "read before trying again" in problem(answer)["detail"]
    assert asked.json()["cancelRequested"] is True
    assert run.cancel_requested


async def test_a_plan_is_waited_for_no_longer_than_a_request_may_take(serve: Serve) -> None:
    planner = ScriptedPlanner(steps(HELD_WRITE))
    planner.may_plan.clear()
    async with serve(planner, request_limit=0.5) as service, asking(service) as http:
        answer = await http.post("/v1/runs", json=RUN, headers={"prefer": "wait=60"})
        planner.may_plan.set()

    assert answer.status_code == 201
    assert answer.json()["plan"]["plan"] == ""
