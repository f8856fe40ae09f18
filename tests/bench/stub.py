"""Real runs against a stub: a server in this process, and a service that keeps the calls it receives."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from errands.server_process import configure_log
from tests.bench.bfcl import Json, Row
from tests.service import Service, serving

Received = tuple[str, Any]  # the name of a function and the body it was called with


class Stub:
    """Describes the functions of each row under the row's id, and answers every call with `{}`."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._documents: dict[str, Json] = {row.id: row.document for row in rows}
        self.received: dict[str, list[Received]] = defaultdict(list)
        self.url = ""

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/{row}/openapi.json", self._describe),
                Route("/{row}/{name}", self._receive, methods=["POST"]),
            ]
        )

    async def _describe(self, request: Request) -> JSONResponse:
        row = request.path_params["row"]
        return JSONResponse({**self._documents[row], "servers": [{"url": f"{self.url}/{row}"}]})

    async def _receive(self, request: Request) -> JSONResponse:
        called = (request.path_params["name"], json.loads(await request.body()))
        self.received[request.path_params["row"]].append(called)
        return JSONResponse({})


async def received(rows: Sequence[Row]) -> list[list[Received]]:
    """The calls each row leads to when it is really run, one run after the other."""
    configure_log("error", sys.stderr.buffer)
    async with _served(Stub(rows)) as stub, _server() as service:
        return [await _run(service, stub, row) for row in rows]


async def _run(service: Service, stub: Stub, row: Row) -> list[Received]:
    integration = await service.add_integration(f"{stub.url}/{row.id}/openapi.json", row.id)
    created = await service.create(row.question, integration)
    await service.finished(created.run_id)
    return stub.received[row.id]


@asynccontextmanager
async def _server() -> AsyncGenerator[Service, None]:
    with tempfile.TemporaryDirectory() as folder:
        async with serving(Path(folder)) as service:
            yield service


@asynccontextmanager
async def _served(stub: Stub) -> AsyncGenerator[Stub, None]:
    server = uvicorn.Server(uvicorn.Config(stub.app, port=0, log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    stub.url = f"http://{host}:{port}"
    try:
        yield stub
    finally:
        server.should_exit = True
        await task
