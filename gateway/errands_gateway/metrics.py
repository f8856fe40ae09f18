"""What this process counts, for `/metrics`.

Every package counts in a module like this one, in the one registry that prometheus-client has for
a process. A gateway beside its server shows the numbers of both; one elsewhere shows its own.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge, disable_created_metrics

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
