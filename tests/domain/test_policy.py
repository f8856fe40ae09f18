"""When a call whose outcome nobody knows may be sent again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from errands_server.domain.errors import Reason
from errands_server.domain.policy import (
    BACKOFF_CEILING,
    BRIEF,
    HOUR,
    KEY_TTL,
    MAX_ATTEMPTS,
    SECOND,
    backoff,
    is_harmless,
    may_repeat,
)
from errands_server.domain.run import CallProgress, CallState
from errands_server.domain.tool import Effect, Repeat
from tests.domain.histories import Simulation
from tests.domain.scenarios import KINDS, scenario, tool

_MADE = Simulation(scenario({"s1": ()}, {"s1.0": tool("s1.0", KINDS[0])})).play()
CALL = next(iter(_MADE.run.calls.values())).call


def lost(repeat: Repeat, *, effect: Effect = Effect.WRITE, attempts: int = 1) -> CallProgress:
    call = replace(CALL, repeat=repeat, effect=effect)
    return CallProgress(call, CallState.LOST, attempts=attempts, sent_at=1_000, doubt=True)


def test_the_periods_are_those_of_the_design() -> None:
    assert (KEY_TTL, BRIEF) == (24 * HOUR, 60 * SECOND)


@pytest.mark.parametrize(
    ("repeat", "age", "may"),
    [
        (Repeat.FREELY, 1_000 * HOUR, True),
        (Repeat.KEYED, 24 * HOUR - 1, True),
        (Repeat.KEYED, 24 * HOUR, False),
        (Repeat.BRIEFLY, 60 * SECOND - 1, True),
        (Repeat.BRIEFLY, 60 * SECOND, False),
        (Repeat.NEVER, 0, False),
    ],
)
def test_a_lost_call_is_repeated_as_long_as_that_is_safe(repeat: Repeat, age: int, may: bool) -> None:
    assert may_repeat(lost(repeat), 1_000 + age) == may


@pytest.mark.parametrize("repeat", [Repeat.FREELY, Repeat.KEYED, Repeat.BRIEFLY])
def test_nothing_is_repeated_without_end(repeat: Repeat) -> None:
    assert may_repeat(lost(repeat, attempts=MAX_ATTEMPTS - 1), 1_000)
    assert not may_repeat(lost(repeat, attempts=MAX_ATTEMPTS), 1_000)


def test_a_call_that_was_refused_access_is_not_repeated() -> None:
    refused = replace(lost(Repeat.FREELY), reason=Reason.AUTHORIZATION_REFUSED)

    assert not may_repeat(refused, 1_000)


def test_only_reads_are_harmless() -> None:
    assert is_harmless(lost(Repeat.NEVER, effect=Effect.READ))
    assert not is_harmless(lost(Repeat.FREELY))


def test_waits_double_up_to_a_ceiling_and_respect_what_the_service_asks_for() -> None:
    assert [backoff(attempts, jitter=1) for attempts in (0, 1, 2, 3)] == [500, 500, 1_000, 2_000]
    assert backoff(1, jitter=0) == 250
    assert backoff(60, jitter=1) == BACKOFF_CEILING
    assert backoff(1, jitter=0, retry_after=90) == 90_000
    assert backoff(4, jitter=1, retry_after=0.1) == 4_000
