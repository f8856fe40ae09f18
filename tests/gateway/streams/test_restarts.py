"""Servers that stop: a gateway in front of one waits for it, and one inside it ends plainly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from errands.v1 import key_pb2
from errands_gateway.app import HttpServer
from tests.contract.conftest import Serve
from tests.contract.plans import HELD, READ, WRITE, chain
from tests.contract.target import Target
from tests.gateway.streams.readers import (
    Upstreams,
    client,
    gateway,
    idle,
    log,
    reading,
    sequences,
    ticket,
    watching,
)
from tests.service import Service

FULL = "?includeToolCalls=true"
PLAN = chain(READ, HELD, WRITE)


class Restarting:
    """A server that can be stopped and started on the same folder and the same port."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._stack = AsyncExitStack()
        self._address = "127.0.0.1:0"
        self.service: Service

    async def start(self) -> None:
        fresh = self._address == "127.0.0.1:0"
        started = self._serve(PLAN, fresh=fresh, grpc=self._address, drain=0.05)
        self.service = await self._stack.enter_async_context(started)
        self._address = self.service.app.grpc_address

    async def stop(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def restarting(serve: Serve, **settings: Any) -> AsyncGenerator[tuple[Restarting, HttpServer], None]:
    """A server that was started, and a gateway in front of it."""
    server = Restarting(serve)
    await server.start()
    async with gateway(server.service, **settings) as started:
        yield server, started
    await server.stop()


async def test_a_stream_goes_on_where_its_server_is_started_again(serve: Serve, target: Target) -> None:
    async with restarting(serve, heartbeat=0.1) as (server, started):
        run_id = (await server.service.create("do")).run_id
        async with client(started.address, server.service.key) as http, watching(http, run_id, FULL) as watch:
            await watch.until("tool.call")
            await target.arrived.wait()
            await server.stop()
            await watch.comment()
            target.open.set()
            await server.start()
            await watch.rest()
            whole = await log(http, run_id, tool_calls=True)

    assert watch.seen == whole
    assert watch.seen[-1]["status"] == "SUCCESS"


async def test_a_key_revoked_before_the_restart_ends_and_the_others_go_on(
    serve: Serve, target: Target
) -> None:
    async with restarting(serve) as (server, started):
        run_id = (await server.service.create("do")).run_id
        made = await server.service.keys.CreateKey(
            key_pb2.CreateKeyRequest(name="k", scopes=["approvals", "runs:read"])
        )
        async with (
            reading(started.address, made.secret, run_id) as first,
            reading(started.address, server.service.key, run_id) as second,
        ):
            await asyncio.gather(*(reader.until("step.started") for reader in (first, second)))
            await server.service.keys.RevokeKey(key_pb2.RevokeKeyRequest(id=made.key.id))
            await server.stop()
            await server.start()
            await first.rest()
            target.open.set()
            await second.rest()
            async with client(started.address, server.service.key) as http:
                whole = await log(http, run_id)

    assert first.seen[-1]["status"] == "RUNNING"
    assert sequences(second.seen) == sequences(whole)


async def test_streams_end_where_their_server_does_not_come_back(serve: Serve, target: Target) -> None:
    async with restarting(serve, patience=0.3) as (server, started):
        run_id = (await server.service.create("do")).run_id
        async with reading(started.address, server.service.key, run_id) as watch:
            await watch.until("step.started")
            await server.stop()
            await watch.rest()
        await idle(started)

    assert watch.seen[-1]["status"] == "RUNNING"


async def test_a_ticket_is_spent_so_its_stream_ends_with_its_server(serve: Serve, target: Target) -> None:
    async with restarting(serve) as (server, started):
        run_id = (await server.service.create("do")).run_id
        async with (
            client(started.address, server.service.key) as http,
            client(started.address) as keyless,
            watching(keyless, run_id, await ticket(http, run_id)) as watch,
        ):
            await watch.until("step.started")
            await server.stop()
            await watch.rest()
        await idle(started)

    assert watch.seen[-1]["status"] == "RUNNING"


async def test_who_leaves_while_the_server_is_away_opens_nothing_when_it_is_back(
    serve: Serve, target: Target
) -> None:
    async with restarting(serve, heartbeat=0.2) as (server, started):
        run_id = (await server.service.create("do")).run_id
        async with client(started.address, server.service.key) as http:
            async with watching(http, run_id) as watch:
                await watch.until("step.started")
                await server.stop()
                for _ in range(5):  # comments; by then it waits for the server
                    await watch.comment()
            await idle(started)
            await server.start()
            while (await http.get(f"/v1/runs/{run_id}")).status_code == 503:
                pass
            opened = [Upstreams().of(run_id) for _ in range(3) if await http.get(f"/v1/runs/{run_id}")]
        target.open.set()

    assert opened == [[], [], []]


async def test_a_stream_of_a_server_that_stops_ends_behind_its_last_event(
    serve: Serve, target: Target
) -> None:
    async with AsyncExitStack() as readers:
        async with serve(PLAN) as service:
            run_id = (await service.create("do")).run_id
            opening = reading(service.app.http_address, service.key, run_id, FULL)
            watch = await readers.enter_async_context(opening)
            await target.arrived.wait()
            target.open.set()
        await watch.rest()
    async with serve(PLAN, fresh=False) as service, client(service.app.http_address, service.key) as http:
        cursor = str(watch.seen[-1]["sequence"])
        async with watching(http, run_id, FULL, last_event_id=cursor) as later:
            await later.rest()
        whole = await log(http, run_id, tool_calls=True)

    assert "tool.result" in {event["type"] for event in watch.seen}
    assert watch.seen + later.seen == whole
