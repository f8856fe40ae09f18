"""`/healthz` and `/readyz` over HTTP, for load balancers and orchestrators."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


class Probes:
    """Healthy as long as the process answers; ready as long as `ready` says so."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready

    async def _healthz(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _readyz(self, _: Request) -> Response:
        if self._ready():
            return PlainTextResponse("ready\n")
        return PlainTextResponse("not ready\n", status_code=503, headers={"Retry-After": "1"})

    @asynccontextmanager
    async def listening(self, address: str) -> AsyncGenerator[str, None]:
        """Answer on HOST:PORT, and give the real one. OSError: the address is taken."""
        app = Starlette(routes=[Route("/healthz", self._healthz), Route("/readyz", self._readyz)])
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        bound = socket.create_server((host.strip("[]"), int(port)), family=family)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        task = asyncio.create_task(_serve(server, bound), name="errands http")
        try:
            yield f"{host}:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


async def _serve(server: uvicorn.Server, bound: socket.socket) -> None:
    # Signals belong to `serve`, which drains in order.
    with contextlib.suppress(asyncio.CancelledError):
        await server._serve([bound])
