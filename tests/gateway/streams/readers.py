"""Readers of event streams, and a second gateway in front of a test's server."""

from __future__ import annotations

import asyncio
import gc
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx2
from grpc import aio

from errands_gateway.app import CHANNEL_OPTIONS, HttpServer, serve_http
from errands_gateway.settings import Settings
from errands_server.streams import Hub, Subscription
from tests.service import PATIENCE, Service

FRAME = re.compile(rb"id: (\d+)\nevent: ([a-z.]+)\ndata: ([^\r\n]*)")


class Frame(NamedTuple):
    """An event of a stream, in just the form it must have."""

    sequence: int
    kind: str
    data: dict[str, Any]


class Watch:
    """One open stream. Nothing but whole frames, comments and the retry time may come."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self.seen: list[dict[str, Any]] = []
        self.retry = b""
        self.comments = 0
        self._blocks = self._received()

    async def _received(self) -> AsyncGenerator[bytes, None]:
        waiting = b""
        async for piece in self.answer.aiter_raw():
            waiting += piece
            *whole, waiting = waiting.split(b"\n\n")
            for block in whole:
                yield block
        assert not waiting, "the stream ended within a frame"

    async def _next(self) -> Frame | None:
        """The next frame; None for a comment, or the retry time. StopAsyncIteration at the end."""
        block = await anext(self._blocks)
        if block.startswith(b"retry: "):
            self.retry = block
            return None
        if block == b":":
            self.comments += 1
            return None
        found = FRAME.fullmatch(block)
        assert found, block
        frame = Frame(int(found[1]), found[2].decode(), json.loads(found[3]))
        assert (frame.sequence, frame.kind) == (frame.data["sequence"], frame.data["type"])
        self.seen.append(frame.data)
        return frame

    async def frames(self) -> AsyncIterator[Frame]:
        """Every frame up to the end."""
        while True:
            try:
                frame = await self._next()
            except StopAsyncIteration:
                return
            if frame is not None:
                yield frame

    async def rest(self) -> list[dict[str, Any]]:
        """The events up to the end."""
        async with asyncio.timeout(PATIENCE):
            return [frame.data async for frame in self.frames()]

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """The events up to the first of this type, with it."""
        seen = []
        async with asyncio.timeout(PATIENCE):
            async for frame in self.frames():
                seen.append(frame.data)
                if frame.kind == kind:
                    return seen
        raise AssertionError(f"the stream ended without {kind}")

    async def leave(self) -> None:
        """Close the connection."""
        await self.answer.aclose()

    async def comment(self) -> None:
        """Wait for a further comment."""
        before = self.comments
        async with asyncio.timeout(PATIENCE):
            while self.comments == before:
                await self._next()


@asynccontextmanager
async def client(address: str, key: str = "") -> AsyncGenerator[httpx2.AsyncClient, None]:
    """A client of the gateway at this address, with any number of connections."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(
        base_url=f"http://{address}",
        headers={"x-api-key": key} if key else {},
        timeout=PATIENCE,
        limits=limits,
        verify=False,  # no TLS here, and reading certificates takes a while
    ) as opened:
        yield opened


@asynccontextmanager
async def watching(
    http: httpx2.AsyncClient, run_id: str, query: str = "", **headers: str
) -> AsyncGenerator[Watch, None]:
    """An open stream of a run; headers as `last_event_id="7"`."""
    path = f"/v1/runs/{run_id}/sse{query}"
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.stream("GET", path, headers=sent) as answer:
        assert answer.status_code == 200, await answer.aread()
        yield Watch(answer)


@asynccontextmanager
async def reading(address: str, key: str, run_id: str, query: str = "") -> AsyncGenerator[Watch, None]:
    """An open stream of a client of its own."""
    async with client(address, key) as http, watching(http, run_id, query) as watch:
        yield watch


async def ticket(http: httpx2.AsyncClient, run_id: str, **view: bool) -> str:
    """Query of a stream that a new ticket opens."""
    made = await http.post(f"/v1/runs/{run_id}/stream-tickets", json=view)
    path, _, query = str(made.json()["url"]).partition("?")
    assert path == f"/v1/runs/{run_id}/sse"
    return f"?{query}"


async def log(http: httpx2.AsyncClient, run_id: str, *, tool_calls: bool = False) -> list[dict[str, Any]]:
    """All events, read as pages."""
    found: list[dict[str, Any]] = []
    after = 0
    while True:
        query = {"after": str(after), "limit": "1000", "includeToolCalls": str(tool_calls).lower()}
        page = (await http.get(f"/v1/runs/{run_id}/events", params=query)).json()
        found += page["events"]
        if page["end"]:
            return found
        after = page["nextAfter"]


@asynccontextmanager
async def gateway(service: Service, **settings: Any) -> AsyncGenerator[HttpServer, None]:
    """A gateway by itself, in front of `service`."""
    address = service.app.grpc_address
    async with (
        aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel,
        serve_http(channel, Settings(http="127.0.0.1:0", **settings)) as started,
    ):
        yield started


def sequences(events: list[dict[str, Any]]) -> list[int]:
    return [event["sequence"] for event in events]


class Upstreams:
    """The streams that the servers in this process have open, whoever opened them."""

    def __init__(self) -> None:
        self._hubs = [one for one in gc.get_objects() if isinstance(one, Hub)]

    def of(self, run_id: str) -> list[Subscription]:
        """Those of a run."""
        return [one for hub in self._hubs for one in hub._subscriptions.get(run_id, ())]


async def idle(started: HttpServer) -> None:
    """Wait until a gateway has no stream and no feed left."""
    streams = started.backend.streams
    async with client(started.address) as http, asyncio.timeout(PATIENCE):
        while streams.counts or len(streams.fanouts):
            await http.get("/healthz")
