"""`/healthz` and `/readyz`, for load balancers and orchestrators."""

from __future__ import annotations

from typing import Final

from grpc import aio
from grpc_health.v1 import health_pb2
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..backend import Gateway
from .routing import Answers, read_only

_PATIENCE: Final = 2.0  # seconds


def routes(gateway: Gateway) -> list[Route]:
    """Healthy as long as this process answers; ready as long as the server behind it serves."""
    return [read_only("/healthz", _healthy), read_only("/readyz", _ready(gateway))]


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _ready(gateway: Gateway) -> Answers:
    async def ready(_: Request) -> Response:
        try:
            answer = await gateway.health.Check(health_pb2.HealthCheckRequest(), timeout=_PATIENCE)
        except aio.AioRpcError:
            return _not_ready()
        serving = answer.status == health_pb2.HealthCheckResponse.SERVING
        return PlainTextResponse("ready\n") if serving else _not_ready()

    return ready


def _not_ready() -> Response:
    return PlainTextResponse("not ready\n", status_code=503, headers={"Retry-After": "1"})
