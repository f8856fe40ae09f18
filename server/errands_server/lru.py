"""A cache of the values used last, with a limit on their number or weight."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Keeps the values used last, of a weight up to `most` together, and always the latest. Thread-safe."""

    def __init__(self, most: int, weight: Callable[[V], int] = lambda _: 1) -> None:
        self._most = most
        self._weight = weight
        self._total = 0
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = Lock()

    def find(self, key: K) -> V | None:
        """The value of `key`, which counts as a use; None where there is none."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def keep(self, key: K, value: V) -> V:
        """Keep `value` unless `key` has one, and drop those used longest ago. Returns the value of `key`."""
        with self._lock:
            if key not in self._values:
                self._add(key, value)
            return self._values[key]

    def replace(self, key: K, value: V) -> None:
        """Keep `value` in place of the one that `key` has, and drop those used longest ago."""
        with self._lock:
            self._remove(key)
            self._add(key, value)

    def remove(self, key: K) -> None:
        """Drop the value of `key`, if there is one."""
        with self._lock:
            self._remove(key)

    def _add(self, key: K, value: V) -> None:
        self._values[key] = value
        self._total += self._weight(value)
        while self._total > self._most and len(self._values) > 1:
            _, dropped = self._values.popitem(last=False)
            self._total -= self._weight(dropped)

    def _remove(self, key: K) -> None:
        if key in self._values:
            self._total -= self._weight(self._values.pop(key))
