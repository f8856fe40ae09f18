"""What streams cost: a place each, a sign of life in silence, and no memory for who reads nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import pytest

from errands.v1 import run_pb2
from errands_gateway.app import HttpServer
from tests.contract.conftest import Serve, add_target
from tests.contract.plans import HELD, READ, chain, steps
from tests.contract.target import Target
from tests.gateway.callers import reason
from tests.gateway.streams.readers import client, gateway, idle, log, reading, ticket, watching
from tests.scripted import ScriptedPlanner
from tests.service import PATIENCE, Service

WIDE = ("writeThing", {"body": {"text": "x" * 45_000}})  # 90 KB of events
HEAVY = steps(*[WIDE] * 90)
ON_START = 2


async def waiting(service: Service) -> str:
    """A run that waits for a person."""
    return (await service.create("do", approval_strategy=ON_START)).run_id


async def test_a_tenant_has_so_many_streams_and_who_leaves_makes_room(serve: Serve, target: Target) -> None:
    async with serve(steps(READ)) as service, gateway(service, max_streams=2) as started:
        run_id = await waiting(service)
        stranger = await service.stranger("others", "operator")
        await add_target(stranger, target)
        others = await waiting(stranger)
        path = f"/v1/runs/{run_id}/sse"
        async with client(started.address, service.key) as http, client(started.address) as keyless:
            mine, spare = await ticket(http, run_id), await ticket(http, run_id)
            async with watching(http, run_id):
                async with watching(keyless, run_id, mine):
                    by_key, by_ticket = await http.get(path), await keyless.get(path + spare)
                    async with reading(started.address, stranger.key, others) as theirs:
                        await theirs.until("approval.required")
                async with asyncio.timeout(PATIENCE):
                    while not await opens(http, path):
                        pass
                async with watching(keyless, run_id, spare) as unspent:
                    await unspent.until("approval.required")

    assert (reason(by_key), reason(by_ticket)) == ((429, "TOO_MANY_STREAMS"), (429, "TOO_MANY_STREAMS"))
    assert (by_key.headers["retry-after"], by_ticket.headers["retry-after"]) == ("5", "5")


async def opens(http: httpx2.AsyncClient, path: str) -> bool:
    async with http.stream("GET", path) as answer:
        return answer.status_code == 200


async def test_comments_keep_a_silent_stream_alive(serve: Serve) -> None:
    async with serve(steps(READ)) as service, gateway(service, heartbeat=0.05) as started:
        run_id = await waiting(service)
        async with client(started.address, service.key) as http, client(started.address) as keyless:
            async with watching(http, run_id) as by_key:
                for _ in range(3):
                    await by_key.comment()
            async with watching(keyless, run_id, await ticket(http, run_id)) as by_ticket:
                for _ in range(3):
                    await by_ticket.comment()
                await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=run_id))
                rest = await by_ticket.rest()

    assert by_key.seen[-1]["status"] == "PAUSED"
    assert rest[-1]["status"] == "CANCELED"


@asynccontextmanager
async def asked_and_not_read(
    started: HttpServer, path: str, key: str = ""
) -> AsyncGenerator[socket.socket, None]:
    """A connection on which something was asked for and nothing is read."""
    host, _, port = started.address.rpartition(":")
    credential = f"x-api-key: {key}\r\n" if key else ""
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        opened.connect((host, int(port)))
        opened.setblocking(False)
        request = f"GET {path} HTTP/1.1\r\nhost: {started.address}\r\n{credential}\r\n"
        await asyncio.get_running_loop().sock_sendall(opened, request.encode())
        yield opened


async def everything(opened: socket.socket) -> int:
    """How many bytes come until the connection is closed."""
    count = 0
    with contextlib.suppress(ConnectionResetError):
        while piece := await asyncio.get_running_loop().sock_recv(opened, 1 << 20):
            count += len(piece)
    return count


async def test_who_reads_nothing_is_dropped_and_leaves_nothing(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a system whose TCP does not see to it.
    monkeypatch.delattr(socket, "TCP_USER_TIMEOUT", raising=False)
    async with serve(HEAVY) as service, gateway(service, stall=0.5) as started:
        run_id = (await service.finished((await service.create("do")).run_id)).run_id
        path = f"/v1/runs/{run_id}/sse?includeToolCalls=true"
        async with client(started.address, service.key) as http:
            whole = len((await http.get(path)).content)
            ticketed = f"/v1/runs/{run_id}/sse{await ticket(http, run_id, includeToolCalls=True)}"
            async with (
                asked_and_not_read(started, path, service.key) as by_key,
                asked_and_not_read(started, ticketed) as by_ticket,
            ):
                while started.backend.streams.counts.total() < 2:
                    await http.get("/healthz")
                await idle(started)
                got = [await everything(by_key), await everything(by_ticket)]

    assert all(0 < count < whole for count in got), (got, whole)


async def test_a_gateway_that_closes_does_not_wait_for_who_reads_nothing(serve: Serve) -> None:
    loop = asyncio.get_running_loop()
    async with serve(HEAVY) as service, AsyncExitStack() as readers:
        run_id = (await service.finished((await service.create("do")).run_id)).run_id
        path = f"/v1/runs/{run_id}/sse?includeToolCalls=true"
        async with gateway(service) as started:
            await readers.enter_async_context(asked_and_not_read(started, path, service.key))
            async with client(started.address) as http:
                while not started.backend.streams.counts:
                    await http.get("/healthz")
            began = loop.time()
        took = loop.time() - began

    assert took < 3  # seconds; streams that are cut by force get five


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="TCP has no such option here")
async def test_who_acknowledges_nothing_is_dropped_though_it_would_fit_the_buffers(
    serve: Serve, target: Target
) -> None:
    async with serve(chain(*[WIDE] * 10, HELD)) as service, gateway(service, stall=0.5) as started:
        run_id = (await service.create("do")).run_id
        path = f"/v1/runs/{run_id}/sse?includeToolCalls=true"
        async with asked_and_not_read(started, path, service.key), client(started.address) as http:
            while not started.backend.streams.counts:
                await http.get("/healthz")
            await idle(started)
        target.open.set()


async def test_who_lags_behind_the_last_frames_still_gets_everything(serve: Serve) -> None:
    planner = ScriptedPlanner(HEAVY)
    planner.may_plan.clear()
    async with serve(planner) as service, gateway(service) as started:
        run_id = (await service.create("do", plan_wait_ms=0)).run_id
        full = "?includeToolCalls=true"
        async with client(started.address, service.key) as http:
            async with watching(http, run_id, full) as slow, watching(http, run_id, full) as quick:
                await slow.until("status")
                planner.may_plan.set()
                await quick.rest()
                (fanout,) = started.backend.streams.fanouts._fanouts.values()
                (subscriber,) = fanout.subscribers
                lagged = subscriber.has_lagged
                await slow.rest()
            whole = await log(http, run_id, tool_calls=True)

    assert lagged
    assert slow.seen == quick.seen == whole
