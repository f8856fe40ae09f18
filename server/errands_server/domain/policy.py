"""How long a run waits, how often a call is tried, and when an unknown call may be sent again."""

from __future__ import annotations

from typing import Final

from .run import CallProgress
from .tool import Effect, Repeat

# Times and durations are milliseconds.
SECOND: Final = 1_000
HOUR: Final = 3_600 * SECOND

KEY_TTL: Final = 24 * HOUR  # services forget idempotency keys after about a day
BRIEF: Final = 60 * SECOND  # how long a repeated PUT or DELETE is still the same intention
APPROVAL_TTL: Final = 24 * HOUR  # from the request; then it counts as denied
AUTHORIZATION_TTL: Final = HOUR  # from the request; then it counts as refused
CANCEL_GRACE: Final = 5 * SECOND  # from a cancellation; then calls in flight are cut off
MAX_ATTEMPTS: Final = 4  # of one call
MAX_PAGES: Final = 5  # to which a service may send the user for one call
MAX_QUESTIONS: Final = 10  # that a service may ask a person for one call
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
    """Whether an unknown outcome of this call does no harm."""
    return progress.call.effect is Effect.READ


def backoff(attempts: int, *, jitter: float, retry_after: float | None = None) -> int:
    """Return the milliseconds until the next attempt.

    They double with each of the `attempts` made; `jitter` (0 to 1) spreads them over their upper half.
    Never less than `retry_after` (seconds), which the service asked for.
    """
    ceiling = min(BACKOFF * 2 ** max(0, attempts - 1), BACKOFF_CEILING)
    wait = ceiling / 2 * (1 + jitter)
    return int(max(wait, (retry_after or 0) * SECOND))
