"""What connections bear: other protocols asked for, endless heads, silence, and old HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from errands_gateway.http import protocol
from tests.contract.conftest import Serve
from tests.contract.plans import HELD, READ, steps
from tests.contract.target import Target
from tests.gateway.callers import RUN
from tests.gateway.streams.readers import gateway, idle
from tests.service import PATIENCE, Service

# What the HTTP client of Java's own library sends with every first request.
UPGRADE = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQ\r\n"


class Line:
    """A connection, spoken on by hand."""

    def __init__(self, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._key = service.key
        self._reader = reader
        self._writer = writer

    def ask(self, method: str, path: str, headers: str = "", body: bytes = b"", version: str = "1.1") -> None:
        head = f"{method} {path} HTTP/{version}\r\nhost: x\r\nx-api-key: {self._key}\r\n{headers}\r\n"
        self.say(head.encode() + body)

    def say(self, data: bytes) -> None:
        self._writer.write(data)

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of an answer that tells its length."""
        async with asyncio.timeout(PATIENCE):
            head = await self.until(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return int(head.split()[1]), await self._reader.readexactly(length)

    async def until(self, text: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self._reader.readuntil(text)

    async def rest(self) -> bytes:
        """What comes until the gateway closes."""
        async with asyncio.timeout(PATIENCE):
            found = b""
            try:
                while piece := await self._reader.read(1 << 16):
                    found += piece
            except ConnectionResetError:
                pass
            return found


@asynccontextmanager
async def line(service: Service, address: str = "") -> AsyncGenerator[Line, None]:
    host, _, port = (address or service.app.http_address).rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Line(service, reader, writer)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_request_that_asks_for_another_protocol_is_answered_in_this_one(
    serve: Serve, *, chunked: bool
) -> None:
    body = json.dumps({**RUN, "intent": "x" * 5_000}).encode()
    length = "transfer-encoding: chunked\r\n" if chunked else f"content-length: {len(body)}\r\n"
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    async with serve(steps(READ)) as service, line(service) as opened:
        opened.ask("POST", "/v1/runs", UPGRADE + length, sent[:10])
        opened.say(sent[10:])
        status, created = await opened.answer()
        opened.ask("GET", f"/v1/runs/{json.loads(created)['runId']}", UPGRADE)
        found = await opened.answer()
        opened.ask("GET", "/healthz")
        after = await opened.answer()

    assert (status, found[0]) == (201, 200)
    assert json.loads(found[1])["intent"] == "x" * 5_000
    assert after == (200, b"ok\n")


async def test_many_requests_that_ask_for_another_protocol_come_at_once(serve: Serve) -> None:
    async with serve(steps(READ)) as service, line(service) as opened:
        opened.say(f"GET /healthz HTTP/1.1\r\nhost: x\r\n{UPGRADE}\r\n".encode() * 400)
        answers = [await opened.answer() for _ in range(400)]

    assert set(answers) == {(200, b"ok\n")}


async def test_a_body_is_never_read_as_a_request(serve: Serve) -> None:
    smuggled = b"DELETE /v1/runs HTTP/1.1\r\nhost: x\r\n\r\n"
    async with serve(steps(READ)) as service, line(service) as opened:
        opened.ask("POST", "/v1/runs", f"{UPGRADE}content-length: {len(smuggled)}\r\n")
        opened.say(smuggled)
        first = await opened.answer()
        opened.ask("GET", "/healthz")
        second = await opened.answer()

    assert (first[0], second) == (400, (200, b"ok\n"))


@pytest.mark.parametrize("kind", ["line", "headers", "trailers"])
async def test_nobody_is_listened_to_without_end(serve: Serve, kind: str) -> None:
    begun = {
        "line": b"GET /",
        "headers": b"GET /healthz HTTP/1.1\r\nhost: x\r\n",
        "trailers": b"POST /v1/keys HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
    }[kind]
    more = b"a" * 4_096 if kind == "line" else b"x-header: %s\r\n" % (b"a" * 4_000)
    async with serve(steps(READ)) as service, line(service) as opened:
        opened.say(begun)
        for _ in range(500):
            opened.say(more)
        answer = await opened.rest()

    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


async def test_who_asks_for_thousands_of_things_at_once_is_dropped(serve: Serve) -> None:
    async with serve(steps(READ)) as service, line(service) as opened:
        opened.say(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n" * 5_000)
        answers = await opened.rest()

    assert answers.count(b"HTTP/1.1 ") < 5_000


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTTP/1.1\r\nhost: "])
async def test_who_never_comes_to_the_point_is_let_go(
    serve: Serve, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIME", 0.2)
    async with serve(steps(READ)) as service, line(service) as opened:
        opened.say(begun)

        assert await opened.rest() == b""


async def test_half_a_request_behind_a_stream_does_not_end_it(
    serve: Serve, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(steps(HELD)) as service, gateway(service, heartbeat=0.05) as started:
        run_id = (await service.create("do")).run_id
        async with line(service, started.address) as opened:
            opened.ask("GET", f"/v1/runs/{run_id}/sse")
            await opened.until(b"event: step.started\n")
            monkeypatch.setattr(protocol, "HEAD_TIME", 0.05)
            opened.say(b"GET /healthz HTTP/1.1\r\nhost: ")
            for _ in range(5):
                await opened.until(b"\r\n:\n\n\r\n")
            target.open.set()

            assert b"event: result\n" in await opened.until(b"\r\n0\r\n\r\n")


async def test_nonsense_behind_a_stream_is_not_answered_within_it(serve: Serve, target: Target) -> None:
    async with (
        serve(steps(HELD)) as service,
        gateway(service) as started,
        line(service, started.address) as opened,
    ):
        run_id = (await service.create("do")).run_id
        opened.ask("GET", f"/v1/runs/{run_id}/sse")
        await opened.until(b"event: step.started\n")
        opened.say(b"\0\0\0\r\n\r\n")

        assert b"HTTP/" not in await opened.rest()
        await idle(started)
        target.open.set()


async def test_old_http_gets_a_stream_without_chunks(serve: Serve) -> None:
    async with serve(steps(READ)) as service, line(service) as opened:
        run_id = (await service.finished((await service.create("do")).run_id)).run_id
        opened.ask("GET", f"/v1/runs/{run_id}/sse", version="1.0")
        head, _, stream = (await opened.rest()).partition(b"\r\n\r\n")

    assert b"transfer-encoding" not in head.lower()
    assert stream.startswith(b"retry: 2000\n\nid: 1\nevent: status\n")
    assert stream.endswith(b"}\n\n")
