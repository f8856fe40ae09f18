"""Time, ids and randomness, handed in so that a test can hold them still."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import uuid_utils
from msgspec import Struct


def _now() -> int:
    return time.time_ns() // 1_000_000


def _new_id() -> str:
    return str(uuid_utils.uuid7())


class Environment(Struct, frozen=True):
    """What the domain may not reach for itself."""

    now: Callable[[], int] = _now  # milliseconds since the epoch, UTC
    monotonic: Callable[[], float] = time.monotonic  # seconds
    new_id: Callable[[], str] = _new_id  # UUIDv7 (RFC 9562)
    jitter: Callable[[], float] = random.random  # 0 to 1
