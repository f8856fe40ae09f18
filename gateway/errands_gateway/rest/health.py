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
from ..http.problems import ProblemFormat
from .dialect import STRING, Call, Operation, ResponseSpec
from .routing import read_only

_PATIENCE: Final = 2.0  # seconds


def routes(backend: Backend, problems: ProblemFormat) -> list[Route]:
    """`/healthz`: this process answers; `/readyz`: the server behind it serves."""

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        try:
            found = await backend.health.Check(health_pb2.HealthCheckRequest(), timeout=_PATIENCE)
        except aio.AioRpcError:
            return _not_ready()
        serving = found.status == health_pb2.HealthCheckResponse.SERVING
        return PlainTextResponse("ready\n") if serving else _not_ready()

    return [read_only("/healthz", problems, healthy), read_only("/readyz", problems, ready)]


def _not_ready() -> Response:
    return PlainTextResponse("not ready\n", status_code=503, headers={"Retry-After": "1"})


async def _metrics(call: Call) -> ASGIApp:
    # The numbers add up all tenants and name none; still not every key may read them.
    await call.ask(call.backend.keys.ListKeys, pb.ListKeysRequest(page_size=1))  # needs scope `admin`
    text = await asyncio.to_thread(generate_latest)
    return Response(text, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_PLAIN_0_0_4)


# Not JSON, so it is in no dialect's document.
METRICS: Final = Operation(
    method="GET",
    path="/metrics",
    id="getMetrics",
    tag="",
    summary="Read what this process counts",
    responses={200: ResponseSpec(description="The numbers.", schema=STRING, media_type="text/plain")},
    handle=_metrics,
)
