"""Readers who go away, gateways that close, and what must be left of them: nothing."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from grpc import aio
from structlog.testing import capture_logs

from errands.server_process import event_loop
from errands.v1 import event_pb2, run_pb2, run_pb2_grpc
from errands_gateway.app import HttpServer, serve_http
from errands_gateway.http.protocol import HttpProtocol
from errands_gateway.settings import Settings
from tests.contract.conftest import Serve
from tests.contract.plans import HELD, READ, chain, steps
from tests.contract.target import Target
from tests.gateway.callers import reason
from tests.gateway.streams.readers import Upstreams, client, gateway, idle, ticket, watching
from tests.service import PATIENCE, Service


async def follow(service: Service, run_id: str) -> None:
    """Wait until somebody follows a run live."""
    upstreams = Upstreams()
    async with asyncio.timeout(PATIENCE):
        while not upstreams.of(run_id):
            await service.get(run_id)


async def test_readers_who_go_away_stop_nothing_and_leave_nothing(serve: Serve, target: Target) -> None:
    async with serve(steps(HELD)) as service, gateway(service) as started:
        run_id = (await service.create("do")).run_id
        await target.arrived.wait()
        before = len(asyncio.all_tasks())
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(client(started.address, service.key))
            keyless = await stack.enter_async_context(client(started.address))
            for _ in range(20):
                await stack.enter_async_context(watching(http, run_id))
                query = await ticket(http, run_id)
                await stack.enter_async_context(watching(keyless, run_id, query))
            await follow(service, run_id)
            count = started.backend.streams.counts.total()
        await idle(started)
        upstreams = Upstreams()
        async with asyncio.timeout(PATIENCE):
            while upstreams.of(run_id):
                await service.get(run_id)
            while len(asyncio.all_tasks()) > before:
                await asyncio.sleep(0)
        target.open.set()
        run = await service.finished(run_id)

    assert count == 40
    assert run.status == event_pb2.RUN_STATUS_SUCCESS


async def test_a_connection_goes_on_behind_a_stream_that_ended(serve: Serve) -> None:
    async with serve(steps(READ)) as service:
        run_id = (await service.finished((await service.create("do")).run_id)).run_id
        reader, writer = await asyncio.open_connection(*address(service.app.http_address))
        for _ in range(2):
            writer.write(request(service, f"/v1/runs/{run_id}/sse"))
            stream = await answered(reader)
            writer.write(request(service, f"/v1/runs/{run_id}"))
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(length(head))
        writer.close()

    assert b"event: result\n" in stream
    assert head.startswith(b"HTTP/1.1 200 ")


async def test_a_request_behind_a_stream_is_answered_when_the_stream_has_ended(
    serve: Serve, target: Target
) -> None:
    async with serve(steps(HELD)) as service:
        run_id = (await service.create("do")).run_id
        reader, writer = await asyncio.open_connection(*address(service.app.http_address))
        writer.write(request(service, f"/v1/runs/{run_id}/sse") + request(service, f"/v1/runs/{run_id}"))
        await follow(service, run_id)
        target.open.set()
        stream = await answered(reader)
        head = await reader.readuntil(b"\r\n\r\n")
        run = await reader.readexactly(length(head))
        writer.close()

    assert b"event: result\n" in stream
    assert b'"status":"SUCCESS"' in run


async def test_who_asked_for_more_behind_a_stream_and_goes_away_leaves_nothing(
    serve: Serve, target: Target
) -> None:
    async with serve(steps(HELD)) as service, gateway(service, heartbeat=0.05) as started:
        run_id = (await service.create("do")).run_id
        reader, writer = await asyncio.open_connection(*address(started.address))
        writer.write(request(service, f"/v1/runs/{run_id}/sse") * 2)
        await reader.readuntil(b"event: step.started\n")
        writer.transport.abort()
        await idle(started)
        target.open.set()


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def request(service: Service, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: errands\r\nx-api-key: {service.key}\r\n\r\n".encode()


async def answered(reader: asyncio.StreamReader) -> bytes:
    """A chunked answer, up to its end."""
    async with asyncio.timeout(PATIENCE):
        return await reader.readuntil(b"\r\n0\r\n\r\n")


def length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


async def test_a_gateway_that_closes_ends_its_streams_plainly(serve: Serve, target: Target) -> None:
    async with serve(chain(READ, HELD)) as service, AsyncExitStack() as readers:
        run_id = (await service.create("do")).run_id
        async with gateway(service) as started:
            http = await readers.enter_async_context(client(started.address, service.key))
            keyless = await readers.enter_async_context(client(started.address))
            by_key = await readers.enter_async_context(watching(http, run_id))
            by_ticket = await readers.enter_async_context(
                watching(keyless, run_id, await ticket(http, run_id))
            )
            leaving = [await readers.enter_async_context(watching(http, run_id)) for _ in range(10)]
            await target.arrived.wait()
            for reader in (by_key, by_ticket, *leaving):
                await reader.until("plan")
            closing = asyncio.gather(*(reader.leave() for reader in leaving))
            began = time.monotonic()
        took = time.monotonic() - began
        await closing
        for reader in (by_key, by_ticket):
            await reader.rest()
        streams = started.backend.streams
        target.open.set()
        run = await service.finished(run_id)

    assert took < 3  # seconds; streams that are cut by force get five
    assert by_key.seen == by_ticket.seen
    assert by_key.seen[-1]["type"] == "step.started"
    assert (dict(streams.counts), len(streams.fanouts)) == ({}, 0)
    assert run.status == event_pb2.RUN_STATUS_SUCCESS


async def test_a_gateway_that_closes_opens_no_stream(serve: Serve) -> None:
    async with serve(steps(HELD)) as service, gateway(service) as started:
        run_id = (await service.create("do", approval_strategy=2)).run_id
        async with client(started.address, service.key) as http:
            started.backend.streams.close()
            refused = await http.get(f"/v1/runs/{run_id}/sse")

    assert reason(refused) == (503, "SERVER_DRAINING")
    assert refused.headers["retry-after"] == "1"


class Later(run_pb2_grpc.RunServiceServicer):
    """A server of a release that has a status this gateway does not know."""

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self.events = [event_pb2.RunEvent(sequence=1, status=99, note=event_pb2.Note(text="n"))]

    async def ListRunEvents(self, request: Any, context: Any) -> run_pb2.ListRunEventsResponse:
        if self._live:
            return run_pb2.ListRunEventsResponse(tenant="t")
        return run_pb2.ListRunEventsResponse(tenant="t", events=self.events, next_after_sequence=1)

    async def StreamRunEvents(self, request: Any, context: Any) -> Any:
        await context.send_initial_metadata((("errands-tenant", "t"),))
        yield run_pb2.StreamRunEventsResponse(events=self.events)


@asynccontextmanager
async def before(servicer: run_pb2_grpc.RunServiceServicer) -> AsyncGenerator[HttpServer, None]:
    server = aio.server()
    run_pb2_grpc.add_RunServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with (
        aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        serve_http(channel, Settings(http="127.0.0.1:0")) as started,
    ):
        yield started
    await server.stop(None)


@pytest.mark.parametrize(("live", "query"), [(True, ""), (False, ""), (True, "?ticket=x")])
async def test_a_fault_within_a_stream_is_logged_and_ends_it(live: bool, query: str) -> None:
    with capture_logs() as lines:
        async with before(Later(live=live)) as started, client(started.address) as http:
            async with watching(http, "r", query) as watch:
                await watch.rest()
            healthy = await http.get("/healthz")
            await idle(started)

    assert watch.seen == []
    assert [line["log_level"] for line in lines if line.get("exc_info")] == ["error"]
    assert healthy.status_code == 200


class Hasty(run_pb2_grpc.RunServiceServicer):
    """A server whose first answer comes to its end before what it begins with."""

    def __init__(self) -> None:
        self.looks = 0

    async def StreamRunEvents(self, request: Any, context: Any) -> Any:
        self.looks += request.validate_only
        await context.send_initial_metadata(() if self.looks == 1 else (("errands-tenant", "t"),))
        if not request.validate_only:
            event = event_pb2.RunEvent(sequence=1, status=3, note=event_pb2.Note(text="n"))
            yield run_pb2.StreamRunEventsResponse(events=[event])


async def test_a_look_without_a_beginning_is_made_again_and_the_ticket_opens_its_stream() -> None:
    servicer = Hasty()
    async with (
        before(servicer) as started,
        client(started.address) as http,
        watching(http, "r", "?ticket=x") as watch,
    ):
        await watch.rest()

    assert servicer.looks == 2
    assert [event["sequence"] for event in watch.seen] == [1]


class Slow(run_pb2_grpc.RunServiceServicer):
    """A server that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def ListRunEvents(self, request: Any, context: Any) -> run_pb2.ListRunEventsResponse:
        self.asked.set()
        await self.may_answer.wait()
        return run_pb2.ListRunEventsResponse(tenant="t")


def test_who_goes_away_before_a_stream_begins_is_no_fault() -> None:
    """On the loop that commands run on, which refuses to write to what is closed."""

    async def scene() -> None:
        servicer = Slow()
        async with before(servicer) as started:
            _, writer = await asyncio.open_connection(*address(started.address))
            writer.write(b"GET /v1/runs/r/sse HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\n\r\n" * 2)
            await servicer.asked.wait()
            (opened,) = [
                one for one in gc.get_objects() if isinstance(one, HttpProtocol) and not one.lost.done()
            ]
            opened.drop()
            await opened.lost
            (answering,) = [one for one in asyncio.all_tasks() if "run_asgi" in repr(one.get_coro())]
            servicer.may_answer.set()
            await asyncio.wait([answering], timeout=PATIENCE)
            writer.close()

    with capture_logs() as lines, asyncio.Runner(loop_factory=event_loop()) as runner:
        runner.run(scene())

    assert [line for line in lines if line["log_level"] == "error"] == []
