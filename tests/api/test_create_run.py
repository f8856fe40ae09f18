"""Reading a CreateRun request."""

from __future__ import annotations

import pytest

from errands_server.api.create_run import plan_wait_s


@pytest.mark.parametrize(
    ("asked", "time_left", "waits"),
    [(10, None, 10), (10, 30, 10), (10, 3, 2.5), (10, 0.4, 0.2), (0.1, 0.4, 0.1), (10, -1, 0)],
)
def test_a_short_deadline_still_leaves_time_for_a_plan(
    asked: float, time_left: float | None, waits: float
) -> None:
    assert plan_wait_s(asked, time_left) == waits
