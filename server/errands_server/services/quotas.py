"""What one tenant may use: requests and runs by time, and things by number. Nothing is limited unless set.

Rates are kept in this process by pyrate-limiter's GCRA: one number for each tenant, and a
store of its own kind could share that number between processes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from ..domain.errors import Exhausted, Reason
from ..domain.rates import Rate
from ..environment import Environment
from ..lru import LruCache

if TYPE_CHECKING:
    from pyrate_limiter import StateBucket

_REMEMBERED: Final = 10_000  # tenants
_DAY: Final = 86_400.0  # seconds; what is full by number empties when somebody takes something away


class Quotas:
    """Every method raises Exhausted where the tenant has used up what it may."""

    def __init__(
        self,
        environment: Environment,
        *,
        requests: Rate | None = None,
        runs: Rate | None = None,
        integrations: int | None = None,
        connections: int | None = None,
    ) -> None:
        self._requests = None if requests is None else _PerTenant(requests, environment)
        self._runs = None if runs is None else _PerTenant(runs, environment)
        self._integrations = integrations
        self._connections = connections

    def request(self, tenant: str) -> None:
        """One request of the tenant. RATE_LIMITED."""
        if self._requests is not None:
            self._requests.take(tenant, "requests")

    def run(self, tenant: str) -> None:
        """One run that is about to be stored. RATE_LIMITED."""
        if self._runs is not None:
            self._runs.take(tenant, "new runs")

    def integration(self, tenant: str, present: int) -> None:
        """One integration more than these. QUOTA_EXCEEDED."""
        if self._integrations is not None and present >= self._integrations:
            raise _full(tenant, "integrations", present)

    async def connection(self, tenant: str, count: Callable[[], Awaitable[int]]) -> None:
        """One connection more than are counted. QUOTA_EXCEEDED."""
        if self._connections is not None and (present := await count()) >= self._connections:
            raise _full(tenant, "connections", present)


def _full(tenant: str, things: str, present: int) -> Exhausted:
    message = f"the tenant has all the {things} it may have ({present}); delete one first"
    return Exhausted(Reason.QUOTA_EXCEEDED, message, subject=tenant, retry_after=_DAY)


class _PerTenant:
    """One rate, applied to each tenant by itself: a whole period's worth at once, then evenly."""

    def __init__(self, rate: Rate, environment: Environment) -> None:
        self._rate = rate
        self._environment = environment
        self._buckets: LruCache[str, StateBucket] = LruCache(_REMEMBERED)

    def take(self, tenant: str, what: str) -> None:
        from pyrate_limiter import Decision, RateItem

        decision = self._bucket(tenant).put_decision(RateItem(tenant, self._environment.now()))
        assert isinstance(decision, Decision)  # noqa: S101 (a bucket in memory answers at once)
        if not decision.allowed:
            wait = (decision.retry_after_ms or 1) / 1_000
            count, _, period = str(self._rate).partition(" ")
            message = f"this tenant may make {count} {what} {period}; try again in {wait:.2f} s"
            raise Exhausted(Reason.RATE_LIMITED, message, subject=tenant, retry_after=wait)

    def _bucket(self, tenant: str) -> StateBucket:
        bucket = self._buckets.find(tenant)
        if bucket is None:
            from pyrate_limiter import Rate, StateBucket

            new = StateBucket([Rate(self._rate.count, self._rate.period)])
            bucket = self._buckets.keep(tenant, new)
        return bucket
