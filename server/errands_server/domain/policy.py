"""How long things wait, how often they are tried, and when an unknown call may be sent again."""

from __future__ import annotations

from typing import Final

from .run import CallProgress
from .tool import Effect, Repeat

SECOND: Final = 1_000  # milliseconds
HOUR: Final = 3_600 * SECOND

KEY_TTL: Final = 24 * HOUR  # services forget idempotency keys after about a day
BRIEF: Final = 60 * SECOND  # how long a repeated PUT or DELETE is still the same intention
APPROVAL_TTL: Final = 24 * HOUR
AUTHORIZATION_TTL: Final = HOUR
CANCEL_GRACE: Final = 5 * SECOND
MAX_ATTEMPTS: Final = 4
MAX_PAGES: Final = 5  # to which a service may send the user for one call
MAX_QUESTIONS: Final = 10  # that it may ask a person for one call
BACKOFF: Final = 500  # before the second attempt; doubles with every further one
BACKOFF_CEILING: Final = 30 * SECOND


def may_repeat(progress: CallProgress, now: int) -> bool:
    """Whether a call with an unknown outcome may be sent again without asking a person."""
    if progress.attempts >= MAX_ATTEMPTS or progress.reason is not None:
        return False
    age = now - progress.sent_at
    match progress.call.repeat:
        case Repeat.FREELY:
            return True
        case Repeat.KEYED:
            return age < KEY_TTL
        case Repeat.BRIEFLY:
            return age < BRIEF
        case Repeat.NEVER:
            return False


def is_harmless(progress: CallProgress) -> bool:
    """Whether not knowing the outcome of this call can hurt nobody."""
    return progress.call.effect is Effect.READ


def backoff(attempts: int, *, jitter: float, retry_after: float | None = None) -> int:
    """Milliseconds until the next attempt: exponential with full `jitter` (0 to 1) in its
    upper half, and never sooner than the service asked for (`retry_after`, seconds)."""
    ceiling = min(BACKOFF * 2 ** max(0, attempts - 1), BACKOFF_CEILING)
    wait = ceiling / 2 * (1 + jitter)
    return int(max(wait, (retry_after or 0) * SECOND))
