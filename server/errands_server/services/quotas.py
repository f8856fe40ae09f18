"""Limits what one tenant may use: requests and runs by rate, integrations and connections by number.

Nothing is limited unless it is set. Rates are kept in this process by pyrate-limiter's GCRA, as
one number for each tenant.
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

_CACHED: Final = 10_000  # tenants
_DAY: Final = 86_400.0  # seconds; what is full by number empties once something is deleted


class Quotas:
    """Each method raises Exhausted where the tenant has reached its limit."""

    def __init__(
        self,
        environment: Environment,
        *,
        requests: Rate | None = None,
        runs: Rate | None = None,
        integrations: int | None = None,
        connections: int | None = None,
    ) -> None:
        self._requests = None if requests is None else _TenantRates(requests, environment)
        self._runs = None if runs is None else _TenantRates(runs, environment)
        self._integrations = integrations
        self._connections = connections

    def take_request(self, tenant: str) -> None:
        """Count one request of the tenant. RATE_LIMITED."""
        if self._requests is not None:
            self._requests.take(tenant, "requests")

    def take_run(self, tenant: str) -> None:
        """Count one run that is about to be stored. RATE_LIMITED."""
        if self._runs is not None:
            self._runs.take(tenant, "new runs")

    def check_integrations(self, tenant: str, present: int) -> None:
        """Check that the tenant may have one integration more than `present`. QUOTA_EXCEEDED."""
        if self._integrations is not None and present >= self._integrations:
            raise _quota_exceeded(tenant, "integrations", present)

    async def check_connections(self, tenant: str, count: Callable[[], Awaitable[int]]) -> None:
        """Check that the tenant may have one connection more than `count` returns. QUOTA_EXCEEDED."""
        if self._connections is not None and (present := await count()) >= self._connections:
            raise _quota_exceeded(tenant, "connections", present)


def _quota_exceeded(tenant: str, things: str, present: int) -> Exhausted:
    message = f"the tenant has all the {things} it may have ({present}); delete one first"
    return Exhausted(Reason.QUOTA_EXCEEDED, message, subject=tenant, retry_after=_DAY)


class _TenantRates:
    """One rate for each tenant by itself: a whole period's worth at once, then evenly."""

    def __init__(self, rate: Rate, environment: Environment) -> None:
        self._rate = rate
        self._environment = environment
        self._buckets: LruCache[str, StateBucket] = LruCache(_CACHED)

    def take(self, tenant: str, what: str) -> None:
        from pyrate_limiter import Decision, Rate, RateItem, StateBucket

        bucket = self._buckets.find(tenant)
        if bucket is None:
            new = StateBucket([Rate(self._rate.count, self._rate.period)])
            bucket = self._buckets.keep(tenant, new)
        decision = bucket.put_decision(RateItem(tenant, self._environment.now()))
        assert isinstance(decision, Decision)  # noqa: S101 (a bucket in memory answers at once)
        if not decision.allowed:
            wait = (decision.retry_after_ms or 1) / 1_000
            count, _, period = str(self._rate).partition(" ")
            message = f"this tenant may make {count} {what} {period}; try again in {wait:.2f} s"
            raise Exhausted(Reason.RATE_LIMITED, message, subject=tenant, retry_after=wait)
