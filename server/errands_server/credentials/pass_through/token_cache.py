"""A cache of short-lived credentials that are obtained with others, until shortly before they expire."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from ...domain.errors import Reason
from ...lru import LruCache
from ...ports import CallFailed
from ...singleflight import SingleFlight
from .entries import Values

T = TypeVar("T")
MAX_KEPT: Final = 1_000  # credentials
EARLY: Final = 60_000  # milliseconds before its end from which a credential is not used, at most


class CachedToken(Struct, Generic[T], frozen=True):
    """A credential, and until when it is used (milliseconds)."""

    value: T
    good_until: int

    def __repr__(self) -> str:
        return "CachedToken(...)"


class TokenCache(Generic[T]):
    """Credentials by everything they were obtained with. One fetch at a time for each key."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._tokens: LruCache[Hashable, CachedToken[T]] = LruCache(MAX_KEPT)
        self._flights: SingleFlight[CachedToken[T] | CallFailed] = SingleFlight()

    async def aclose(self) -> None:
        """Wait for the fetches under way."""
        await self._flights.aclose()

    def find(self, key: Hashable) -> T | None:
        """The credential in the cache, unless it expires shortly."""
        found = self._tokens.find(key)
        return found.value if found is not None and found.good_until > self._now() else None

    async def get(
        self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, CachedToken[T] | CallFailed]]
    ) -> T | CallFailed:
        """The credential in the cache, else what `fetch` returns, for all callers that wait for it.

        A failure is returned to them, too, and is not cached.
        """
        if (value := self.find(key)) is not None:
            return value
        found = await self._flights.join(key, partial(self._fetch, key, fetch))
        return found if isinstance(found, CallFailed) else found.value

    async def _fetch(
        self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, CachedToken[T] | CallFailed]]
    ) -> CachedToken[T] | CallFailed:
        """Fetch and keep: before the flight ends, or a caller after it would fetch again."""
        found = await fetch()
        if not isinstance(found, CallFailed):
            self._tokens.replace(key, found)
        return found

    def invalidate(self, key: Hashable, refused: T) -> bool:
        """Drop the credential if it is `refused`, so that the next `get` fetches. Returns whether it was."""
        if self.find(key) != refused:
            return False
        self._tokens.remove(key)
        return True


def cache_key(tenant: str, values: Values) -> Hashable:
    """A key that differs for different values without holding them."""
    return tenant, hashlib.sha256(msgspec.json.encode(values)).digest()


def good_until(now: int, lifetime: int) -> int:
    """Until when to use a credential that lasts `lifetime`: shortly before its end. In milliseconds."""
    return now + lifetime - min(EARLY, lifetime // 10)


def refusal(message: str) -> CallFailed:
    """The result of a call for which the run's credential is not accepted; a second try is refused, too."""
    return CallFailed(reason=Reason.CREDENTIALS_INVALID, message=message)


def unreachable(message: str) -> CallFailed:
    """The result of a call for which no credential could be fetched; nothing was sent to the service."""
    return CallFailed(reason=Reason.SERVICE_UNREACHABLE, message=message, transient=True)
