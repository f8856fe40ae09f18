"""Credentials that are obtained with others: kept until shortly before they run out."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from ...domain.errors import Reason
from ...ports import CallFailed
from ...singleflight import SingleFlight
from .entries import Values

T = TypeVar("T")
MAX_KEPT: Final = 1_000
EARLY: Final = 60_000  # milliseconds before its end at which one is no longer used, at most


class CachedToken(Struct, Generic[T], frozen=True):
    """A credential, and until when it is used."""

    value: T
    good_until: int

    def __repr__(self) -> str:
        return "Obtained(...)"


class TokenCache(Generic[T]):
    """What was obtained, by everything it was obtained with. Each is fetched once at a time."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._kept: OrderedDict[Hashable, CachedToken[T]] = OrderedDict()
        self._flights: SingleFlight[CachedToken[T] | CallFailed] = SingleFlight()

    async def aclose(self) -> None:
        """Wait for what is being fetched."""
        await self._flights.aclose()

    def known(self, key: Hashable) -> T | None:
        """What is kept, unless it is about to run out."""
        found = self._kept.get(key)
        return found.value if found is not None and found.good_until > self._now() else None

    async def get(
        self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, CachedToken[T] | CallFailed]]
    ) -> T | CallFailed:
        """What is kept, else what `fetch` gives. Everybody who waits for it shares it, also a failure."""
        if (known := self.known(key)) is not None:
            return known
        found = await self._flights.join(key, partial(self._fetched, key, fetch))
        return found if isinstance(found, CallFailed) else found.value

    async def _fetched(
        self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, CachedToken[T] | CallFailed]]
    ) -> CachedToken[T] | CallFailed:
        """Fetch and keep. Kept before anybody who waits goes on: between, another would fetch again."""
        found = await fetch()
        if not isinstance(found, CallFailed):
            self._kept[key] = found
            self._kept.move_to_end(key)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return found

    def forget(self, key: Hashable, refused: T) -> bool:
        """Fetch anew next time, as `refused` was refused; whether it was what is kept."""
        if self.known(key) != refused:
            return False
        del self._kept[key]
        return True


def key(tenant: str, values: Values) -> Hashable:
    """Tells apart what was obtained with different values, without holding them."""
    return tenant, hashlib.sha256(msgspec.json.encode(values)).digest()


def good_until(now: int, lifetime: int) -> int:
    """Shortly before the end of something that lasts so many milliseconds."""
    return now + lifetime - min(EARLY, lifetime // 10)


def refusal(message: str) -> CallFailed:
    """What came with the run is no good; another try would be as bad."""
    return CallFailed(reason=Reason.CREDENTIALS_INVALID, message=message)


def unreachable(message: str) -> CallFailed:
    """Whoever gives credentials does not answer; nothing was sent to the service."""
    return CallFailed(reason=Reason.SERVICE_UNREACHABLE, message=message, transient=True)
