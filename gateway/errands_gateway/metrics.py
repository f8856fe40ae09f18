"""Counters of the gateway, for `/metrics`.

Server and gateway have a module like this one each, in the one registry that prometheus-client has
for a process. A gateway in its server's process shows the numbers of both; any other its own.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge, disable_created_metrics

# The times at which counters were made are as many lines again.
disable_created_metrics()  # type: ignore[no-untyped-call] # it has no annotations

_REQUESTS: Final = Counter("errands_http_requests", "Requests answered.", ["method", "route", "status"])
_STREAMS: Final = Gauge("errands_http_streams", "Event streams open over HTTP.", ["credential"])


# Looking a label up costs more than counting.
@cache
def requests(method: str, route: str, status: int) -> Counter:
    """Requests of a route, which is the path of its operation, with this status."""
    return _REQUESTS.labels(method, route, status)


@cache
def streams(credential: str) -> Gauge:
    """Open streams that a kind of credential, `key` or `ticket`, opened."""
    return _STREAMS.labels(credential)
