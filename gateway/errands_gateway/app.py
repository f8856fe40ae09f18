"""The composition root of the gateway: its dialects, and the start and end of its HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import uvicorn
from grpc import aio
from msgspec import Struct
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from .backend import Backend
from .http.protocol import HttpProtocol
from .rest import health, openapi
from .rest.dialect import Dialect
from .rest.routing import UnknownPath, routes
from .settings import Settings
from .v1.dialect import V1

DIALECTS: Final = (V1,)  # the first has `/docs`, and problems of paths that belong to none
CHANNEL_OPTIONS: Final = (
    # An OpenAPI document goes out, and a page of runs comes in.
    ("grpc.max_send_message_length", 34 << 20),
    ("grpc.max_receive_message_length", 34 << 20),
    # Streams are silent for hours; pings notice that the server is gone.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A server that comes back is found within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)
_CLOSING: Final = 5  # seconds that open requests have at the end
_ALLOWED_HEADERS: Final = (
    "authorization",
    "content-type",
    "idempotency-key",
    "last-event-id",
    "prefer",
    "traceparent",
    "x-api-key",
    "x-request-id",
)
_EXPOSED_HEADERS: Final = ("link", "location", "preference-applied", "retry-after", "x-request-id")


class HttpServer(Struct, frozen=True):
    """A gateway that serves."""

    address: str  # HOST:PORT
    backend: Backend

    @property
    def url(self) -> str:
        return f"http://{self.address}"


@asynccontextmanager
async def serve_http(
    channel: aio.Channel,
    settings: Settings,
    bound: socket.socket | None = None,
    dialects: Sequence[Dialect] = DIALECTS,
) -> AsyncGenerator[HttpServer, None]:
    """Serve HTTP in front of the server behind `channel`, on `bound` if `bind` was called before.

    OSError: the address is taken.
    """
    _allow_many_files()
    backend = Backend(channel, settings)
    bound = bound or bind(settings.http)
    _tune(bound, settings.stall)
    # Endpoints log their faults; uvicorn would log them again, unstructured.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        application(backend, dialects),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        http=HttpProtocol,
        ws="none",
        timeout_graceful_shutdown=_CLOSING,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(_serve(server, bound), name="errands http")
    try:
        yield HttpServer(bound_address(settings.http, bound), backend)
    finally:
        backend.streams.close()
        server.should_exit = True
        await task


def application(backend: Backend, dialects: Sequence[Dialect] = DIALECTS) -> ASGIApp:
    """The gateway as one ASGI application."""
    first = dialects[0]
    found: Sequence[BaseRoute] = [
        *(route for dialect in dialects for route in routes(dialect.operations, dialect, backend)),
        *routes((health.METRICS,), first, backend),
        *health.routes(backend, first.problem),
        *(route for dialect in dialects for route in openapi.routes(dialect)),
    ]
    app: ASGIApp = Router(found, redirect_slashes=False, default=UnknownPath(dialects))
    settings = backend.settings
    if settings.cors:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors,
            allow_methods=("GET", "POST", "PATCH", "DELETE"),
            allow_headers=_ALLOWED_HEADERS,
            expose_headers=_EXPOSED_HEADERS,
            max_age=3_600,
        )
    if settings.trusted_proxies:
        app = ProxyHeadersMiddleware(app, trusted_hosts=list(settings.trusted_proxies))  # type: ignore[arg-type, assignment] # uvicorn has ASGI types of its own
    return app


def _allow_many_files() -> None:
    """Ask for all the open files that a process may have: each stream is one, and shells allow 1,000."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # some systems report more than they grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def bind(address: str) -> socket.socket:
    """A socket that listens on HOST:PORT; connections wait in it. OSError: the address is taken."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=2_048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise OSError(f"cannot listen on {address}: {reason}") from error


def bound_address(wanted: str, bound: socket.socket) -> str:
    """HOST:PORT of `wanted`, with the port that the socket has."""
    return f"{wanted.rpartition(':')[0]}:{bound.getsockname()[1]}"


def _tune(bound: socket.socket, stall: float) -> None:
    """Set socket options that connections inherit. `stall` is in seconds."""
    # Send without delay; asyncio sets this only on sockets whose protocol number is set.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A peer that acknowledges nothing is gone; TCP would wait for it for 15 minutes.
    if patience := getattr(socket, "TCP_USER_TIMEOUT", None):  # of Linux
        bound.setsockopt(socket.IPPROTO_TCP, patience, int(stall * 1_000))


async def _serve(server: uvicorn.Server, bound: socket.socket) -> None:
    # Signals are the command's, which stops server and gateway in order.
    with contextlib.suppress(asyncio.CancelledError):
        await server._serve([bound])
