"""`/healthz` and `/readyz` for load balancers and orchestrators, `/metrics` for Prometheus."""

from __future__ import annotations

import asyncio
from typing import Final

from grpc import aio
from grpc_health.v1 import health_pb2
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from errands.v1 import key_pb2 as pb

from ..backend import Backend
from .operation import STRING, Answer, Call, Operation
from .routing import Answers, read_only

_PATIENCE: Final = 2.0  # seconds


def routes(gateway: Backend) -> list[Route]:
    """Healthy as long as this process answers; ready as long as the server behind it serves."""
    return [read_only("/healthz", _healthy), read_only("/readyz", _ready(gateway))]


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _ready(gateway: Backend) -> Answers:
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


async def _numbers(call: Call) -> ASGIApp:
    # The numbers add up all tenants. They name none, and still are not everybody's business.
    await call.ask(call.gateway.keys.ListKeys, pb.ListKeysRequest(page_size=1))  # needs scope `admin`
    text = await asyncio.to_thread(generate_latest)
    return Response(text, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_PLAIN_0_0_4)


# `/metrics` speaks a format of its own, so it is none of the operations that `/openapi.json` describes.
METRICS: Final = Operation(
    method="GET",
    path="/metrics",
    id="getMetrics",
    tag="",
    summary="Read what this process counts",
    answers={200: Answer(description="The numbers.", schema=STRING, media_type="text/plain")},
    handle=_numbers,
)
