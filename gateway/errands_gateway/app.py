"""The composition root of the gateway, and the life of its HTTP server."""

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
from .http import health, openapi
from .http.protocol import HttpProtocol
from .http.routing import routes, unknown_path
from .settings import Settings
from .v1.operations import OPERATIONS

CHANNEL_OPTIONS: Final = (
    # An OpenAPI document goes out, and a page of runs comes in.
    ("grpc.max_send_message_length", 34 << 20),
    ("grpc.max_receive_message_length", 34 << 20),
    # Streams are silent for hours; pings find out that their server is gone.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A server that comes back is found within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)
_CLOSING: Final = 5  # seconds that answers under way get at the end
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


class Listening(Struct, frozen=True):
    """A gateway that answers at `address`, HOST:PORT."""

    address: str
    gateway: Backend

    @property
    def url(self) -> str:
        return f"http://{self.address}"


@asynccontextmanager
async def listening(
    channel: aio.Channel, settings: Settings, bound: socket.socket | None = None
) -> AsyncGenerator[Listening, None]:
    """Answer over HTTP for the server behind `channel`, on `bound` where `bind` was called before.

    OSError: the address is taken.
    """
    _allow_many_files()
    gateway = Backend(channel, settings)
    bound = bound or bind(settings.http)
    _tune(bound, settings.stall)
    # What goes wrong in a request is logged there; uvicorn would say it once more, unstructured.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        application(gateway),
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
        yield Listening(bound_address(settings.http, bound), gateway)
    finally:
        gateway.streams.close()
        server.should_exit = True
        await task


def application(gateway: Backend) -> ASGIApp:
    """The whole of it as one ASGI application."""
    found: Sequence[BaseRoute] = [
        *routes(OPERATIONS, gateway),
        *routes((health.METRICS,), gateway),
        *health.routes(gateway),
        *openapi.routes(OPERATIONS),
    ]
    app: ASGIApp = Router(found, redirect_slashes=False, default=unknown_path)
    settings = gateway.settings
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
    """Every stream is an open file, and shells allow a process a thousand unless it asks for more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # some systems say more than they grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def bind(address: str) -> socket.socket:
    """A socket that listens on HOST:PORT; callers wait until it is served. OSError: the address is taken."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=2_048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise OSError(f"cannot listen on {address}: {reason}") from error


def bound_address(wanted: str, bound: socket.socket) -> str:
    """HOST:PORT as it was wanted, with the port that was given."""
    return f"{wanted.rpartition(':')[0]}:{bound.getsockname()[1]}"


def _tune(bound: socket.socket, stall: float) -> None:
    """Set what connections inherit. `stall` is in seconds."""
    # Answers leave at once; asyncio sees to that only where a socket knows its protocol by number.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Callers who acknowledge nothing have vanished; TCP by itself waits for them a quarter of an hour.
    if patience := getattr(socket, "TCP_USER_TIMEOUT", None):  # of Linux
        bound.setsockopt(socket.IPPROTO_TCP, patience, int(stall * 1_000))


async def _serve(server: uvicorn.Server, bound: socket.socket) -> None:
    # Signals belong to the command, which stops everything in order.
    with contextlib.suppress(asyncio.CancelledError):
        await server._serve([bound])
