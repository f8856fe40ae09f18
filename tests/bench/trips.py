"""Counts the modules that five trips enter: `python -m tests.bench.trips [--rounds 3] [--list]`.

A module is entered when a function of it is called between the first and the last moment of a trip, in
any thread. Server and gateway run in this process as in `errands serve`, on SQLite and real sockets. Each
trip is made once before it is counted: imports, connection pools and caches that live as long as the
server are then no part of it. What a trip is about (integration, run, approval, connection) is new each
time. A module counts if any of the rounds enters it.

Another checkout is measured by this same file, with its source roots in front:
`PYTHONPATH=$OLD/server:$OLD/gateway:$OLD/clients/python python -m tests.bench.trips`.
"""

from __future__ import annotations

import argparse
import asyncio
import dis
import importlib
import json
import logging
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, TypeAlias

import httpx2
import structlog

from errands_server.app import running
from errands_server.config import Config

KEY: Final = "trips-key"
PACKAGES: Final = ("errands_server", "errands_gateway", "errands")
_GENERATED: Final = "errands.v1"
_PATIENCE: Final = 20.0  # seconds
_QUIET: Final = 0.2  # seconds

Json: TypeAlias = Mapping[str, Any]
Trip: TypeAlias = Callable[["House"], AsyncGenerator[None, None]]


class Tracer:
    """Records which of our modules are entered, in this thread and in threads started from now on."""

    def __init__(self) -> None:
        self._roots = {
            name: f"{Path(str(importlib.import_module(name).__file__)).parent}/" for name in PACKAGES
        }
        self._known: dict[CodeType, tuple[str, int]] = {}  # module, and the offset a call begins at
        self._entered: dict[str, None] = {}
        self._recording = False
        threading.setprofile(self._on_event)
        sys.setprofile(self._on_event)

    @contextmanager
    def recording(self) -> Iterator[dict[str, None]]:
        """Modules in the order they are first entered, until `stop` or the end of the block."""
        self._entered, self._recording = {}, True
        try:
            yield self._entered
        finally:
            self.stop()

    def stop(self) -> None:
        self._recording = False

    async def quiet(self) -> None:
        """Wait until 0.2 s pass without a call of ours."""
        while True:
            with self.recording() as entered:
                await asyncio.sleep(_QUIET)
            if not entered:
                return

    def _on_event(self, frame: FrameType, event: str, _: object) -> None:
        if not self._recording or event != "call":
            return
        code = frame.f_code
        if code not in self._known:
            self._known[code] = (self._module(code.co_filename), _beginning(code))
        module, beginning = self._known[code]
        # A coroutine that goes on is reported as called; it is then further on.
        if module and frame.f_lasti <= beginning:
            self._entered.setdefault(module)

    def _module(self, file: str) -> str:
        """The name of a module of ours; empty for generated ones and others'."""
        for package, root in self._roots.items():
            if file.startswith(root):
                name = ".".join([package, *Path(file.removeprefix(root)).with_suffix("").parts])
                return "" if name.startswith(_GENERATED) else name
        return ""


def _beginning(code: CodeType) -> int:
    resumes = (one.offset for one in dis.get_instructions(code) if one.opname == "RESUME" and not one.arg)
    return next(resumes, 0)


class Service:
    """An HTTP service on loopback with one operation, which answers when it may."""

    def __init__(self, on_call: Callable[[], None]) -> None:
        self._on_call = on_call
        self.port = 0
        self.called = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self._on_call()
        self.called.set()
        await self.may_answer.wait()
        body = b'{"id":"thing-1"}'
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    def document(self, *, secured: bool) -> Json:
        """Its description in OpenAPI; `secured` asks for a user's token."""
        listing = {
            "operationId": "listThings",
            "summary": "List the things",
            "responses": {"200": {"description": "The things.", "content": {"application/json": {}}}},
        }
        token = {"token": {"type": "http", "scheme": "bearer"}}
        return {
            "openapi": "3.1.0",
            "info": {"title": "Things", "version": "1"},
            "servers": [{"url": f"http://127.0.0.1:{self.port}"}],
            "paths": {"/things": {"get": listing}},
            **({"security": [{"token": []}], "components": {"securitySchemes": token}} if secured else {}),
        }


class House:
    """What trips are made in: a server with its gateway, a service, and a client of REST."""

    def __init__(self, tracer: Tracer, service: Service, http: httpx2.AsyncClient) -> None:
        self.tracer = tracer
        self.service = service
        self._http = http
        self._numbers = count(1)

    async def post(self, path: str, body: Json) -> Any:
        answer = await self._http.post(path, json=body)
        if answer.is_error:
            raise RuntimeError(f"POST {path}: {answer.status_code} {answer.text}")
        return answer.json()

    async def import_integration(self, *, secured: bool = False) -> str:
        """A new integration of the service; its id."""
        body = {
            "name": f"things{next(self._numbers)}",
            "openapi": {"document": self.service.document(secured=secured)},
            "internal": True,
        }
        return str((await self.post("/v1/integrations", body))["id"])

    async def create_run(self, integration: str, **more: Any) -> str:
        """A new run of one call, of a user of its own; its id."""
        body = {
            "intent": "List the things",
            "selectedCustomerIntegrationIds": [integration],
            "context": "",
            "userId": f"user-{integration}",
            **more,
        }
        return str((await self.post("/v1/runs", body))["runId"])

    @asynccontextmanager
    async def events(self, run: str) -> AsyncGenerator[AsyncIterator[tuple[str, Json]], None]:
        """A live stream of a run's events, with its tool calls: type and data."""
        path = f"/v1/runs/{run}/sse?includeToolCalls=true"
        async with self._http.stream("GET", path) as answer:
            yield _frames(answer)

    async def called(self) -> None:
        """Wait for the first byte of the next call, which ends the trip."""
        await self.service.called.wait()


async def _frames(answer: httpx2.Response) -> AsyncGenerator[tuple[str, Json], None]:
    kind = ""
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


async def _until(kind: str, events: AsyncIterator[tuple[str, Json]]) -> Json:
    """The data of the first event of this type."""
    async for found, data in events:
        if found == kind:
            return data
    raise RuntimeError(f"the run ended without {kind}")


# Each trip prepares what it needs, yields where it begins, and ends where the tracer is stopped: at the
# first byte of a call, or by itself.


async def create(house: House) -> AsyncGenerator[None, None]:
    """a create, from REST to the first request on the wire"""
    integration = await house.import_integration()
    yield
    await house.create_run(integration)
    await house.called()


async def decide(house: House) -> AsyncGenerator[None, None]:
    """a decision on an approval, from REST to the call's request"""
    run = await house.create_run(await house.import_integration(), approvalStrategy="ON_TOOL_CALL")
    async with house.events(run) as events:
        approval = await _until("approval.required", events)
    yield
    await house.post(f"/v1/approvals/{approval['approvalId']}", {"decision": "approve"})
    await house.called()


async def answer(house: House) -> AsyncGenerator[None, None]:
    """a tool's answer, to a live SSE client"""
    house.service.may_answer.clear()
    run = await house.create_run(await house.import_integration())
    await house.called()
    async with house.events(run) as events:
        await _until("tool.call", events)
        yield
        house.service.may_answer.set()
        await _until("tool.result", events)
        house.tracer.stop()


async def connect(house: House) -> AsyncGenerator[None, None]:
    """a user's credential, from REST to the wire of a call"""
    integration = await house.import_integration(secured=True)
    async with house.events(await house.create_run(integration)) as events:
        required = await _until("auth.required", events)
    yield
    auth = {"type": "bearer", "token": "a-token-of-the-user"}
    body = {"integrationId": integration, "userId": required["userId"], "auth": auth}
    await house.post("/v1/connections", body)
    await house.called()


async def document(house: House) -> AsyncGenerator[None, None]:
    """a document, from import over a create to a call"""
    yield
    await house.create_run(await house.import_integration())
    await house.called()


async def imported(house: House) -> AsyncGenerator[None, None]:
    """of which the import alone"""
    yield
    await house.import_integration()
    house.tracer.stop()


TRIPS: Final[tuple[Trip, ...]] = (create, decide, answer, connect, document, imported)


async def entered(house: House, trip: Trip, rounds: int) -> dict[str, None]:
    """The modules that a trip enters in any of so many rounds after the first."""
    found: dict[str, None] = {}
    for number in range(rounds + 1):
        async with asyncio.timeout(_PATIENCE):
            made = trip(house)
            await anext(made)
            await house.tracer.quiet()
            house.service.called.clear()
            with house.tracer.recording() as modules:
                await anext(made, None)
            await house.tracer.quiet()
            house.service.called.clear()
        if number:
            found |= modules
    return found


@asynccontextmanager
async def opened() -> AsyncGenerator[House, None]:
    tracer = Tracer()
    service = Service(tracer.stop)
    with tempfile.TemporaryDirectory() as folder:
        config = Config(data=Path(folder), grpc="127.0.0.1:0", http="127.0.0.1:0", api_key=KEY)
        async with await asyncio.start_server(service.answer, "127.0.0.1", 0) as server:
            service.port = server.sockets[0].getsockname()[1]
            async with (
                running(config) as app,
                httpx2.AsyncClient(
                    base_url=f"http://{app.http_address}", headers={"x-api-key": KEY}, timeout=_PATIENCE
                ) as http,
            ):
                yield House(tracer, service, http)


async def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.trips",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--list", action="store_true", help="name the modules, in the order of entry")
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    async with opened() as house:
        print("| modules entered | trip |\n|--:|---|")
        for trip in TRIPS:
            modules = await entered(house, trip, wanted.rounds)
            print(f"| {len(modules)} | {trip.__doc__} |", flush=True)
            if wanted.list:
                print("\n".join(f"    {number:3} {name}" for number, name in enumerate(modules, 1)))


if __name__ == "__main__":
    asyncio.run(main())
