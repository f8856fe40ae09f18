"""`/metrics`: what this process counts, in the format of Prometheus.

Every package counts in a module like this one, in the one registry that prometheus-client has for
a process. A gateway beside its server shows the numbers of both; one elsewhere shows its own.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import Response
from starlette.types import ASGIApp

from errands.v1 import key_pb2 as pb

from .http.operation import STRING, Answer, Call, Operation

# When each counter was made is as many lines again, and nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call] # it has no annotations

_REQUESTS: Final = Counter("errands_http_requests", "Requests answered.", ["method", "route", "status"])
_STREAMS: Final = Gauge("errands_http_streams", "Event streams open over HTTP.", ["credential"])


# Looking a label up costs more than counting.
@cache
def requests(method: str, route: str, status: int) -> Counter:
    """The requests of a route, as its path stands in the table, that were answered so."""
    return _REQUESTS.labels(method, route, status)


@cache
def streams(credential: str) -> Gauge:
    """The open streams that this kind of credential opened."""
    return _STREAMS.labels(credential)


async def _read(call: Call) -> ASGIApp:
    # The numbers add up all tenants. They name none, and still are not everybody's business.
    await call.ask(call.gateway.keys.ListKeys, pb.ListKeysRequest(page_size=1))  # needs scope `admin`
    text = await asyncio.to_thread(generate_latest)
    return Response(text, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_PLAIN_0_0_4)


# It speaks a format of its own, so it is none of the operations that `/openapi.json` describes.
OPERATION: Final = Operation(
    method="GET",
    path="/metrics",
    id="getMetrics",
    tag="",
    summary="Read what this process counts",
    answers={200: Answer(description="The numbers.", schema=STRING, media_type="text/plain")},
    handle=_read,
)
