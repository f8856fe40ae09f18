"""What the server counts, in the one registry that prometheus-client has for a process.

Labels are few and known beforehand: no tenant, no run, no user. What comes of runs and calls is
counted from committed records, so no number is ever ahead of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from prometheus_client import Counter, Gauge, Histogram

from .domain import events as e
from .domain.events import Outcome, Record
from .domain.run import FINAL

_CREATED: Final = Counter("errands_runs_created", "Runs stored.")
_FINISHED: Final = Counter("errands_runs_finished", "Runs that ended.", ["status"])
_CALLS: Final = Counter(
    "errands_tool_calls", "What came of calls; unknown is tried again or asked about.", ["outcome"]
)
_ACTIVE: Final = Gauge("errands_runs_active", "Runs being executed; those that wait for people are not.")
_QUEUED: Final = Gauge("errands_runs_queued", "Runs that wait for a place.")
_STREAMS: Final = Gauge("errands_grpc_streams", "Event streams open over gRPC, those of gateways too.")
_REQUESTS: Final = Counter("errands_grpc_requests", "Requests answered.", ["method", "code"])
_SECONDS: Final = Histogram(
    "errands_grpc_request_seconds",
    "Time to an answer; not of streams.",
    ["method"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)
_COMMIT: Final = Histogram(
    "errands_commit_seconds",
    "Time of a transaction of the journal, up to its being on disk.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
_BATCH: Final = Histogram(
    "errands_commit_works",
    "Writes that shared a transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)


def watch(*, active: Callable[[], int], queued: Callable[[], int], streams: Callable[[], int]) -> None:
    """Show what these say, whenever somebody looks."""
    for gauge, current in ((_ACTIVE, active), (_QUEUED, queued), (_STREAMS, streams)):
        gauge.set_function(current)


def committed(records: Sequence[Record]) -> None:
    """Count what newly stored records tell of runs and calls."""
    for record in records:
        count = _COUNTS.get(type(record.event))
        if count is not None:
            count(record.event)


def answered(method: str, code: str) -> None:
    """Count a request. `code` is the name of a gRPC status code."""
    _answers(method, code).inc()


def seconds(method: str) -> Histogram:
    """Where the seconds that a method takes are observed."""
    return _SECONDS.labels(method)


def transaction(works: int, seconds: float) -> None:
    """Count a transaction with so many works. Called in the writer's thread."""
    _COMMIT.observe(seconds)
    _BATCH.observe(works)


# Looking a label up costs more than counting.
@cache
def _answers(method: str, code: str) -> Counter:
    return _REQUESTS.labels(method, code)


@cache
def _calls(outcome: Outcome) -> Counter:
    return _CALLS.labels(outcome)


def _status(event: e.StatusChanged) -> None:
    if event.status in FINAL:
        _FINISHED.labels(event.status).inc()


_COUNTS: Final[Mapping[type, Callable[[Any], None]]] = {
    e.RunCreated: lambda _: _CREATED.inc(),
    e.StatusChanged: _status,
    e.CallFinished: lambda event: _calls(event.outcome).inc(),
    e.CallLost: lambda _: _calls(Outcome.UNKNOWN).inc(),
}
