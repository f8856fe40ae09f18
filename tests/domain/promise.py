"""Properties that hold in every history, and how histories are walked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Final

from hypothesis import HealthCheck, given, settings

from errands_server.domain.policy import HOUR
from errands_server.domain.run import Run
from tests.domain.histories import Simulation, histories

FAR: Final = 100 * 365 * 24 * HOUR  # when nothing has to be waited for any more

# The same histories in every run of the suite, unless somebody asks for more of them.
_EXAMPLES: Final = int(os.environ.get("ERRANDS_TEST_EXAMPLES", "0"))

steady: Final = settings(
    max_examples=_EXAMPLES or 150,
    derandomize=not _EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # a history takes 5 ms, on a busy machine more
)


def promise(test: Callable[[Simulation], None]) -> Callable[[], None]:
    """A test of one history, tried on many."""
    tried: Callable[[], None] = steady(given(history=histories())(test))
    return tried


def before(history: Simulation, kind: type) -> Iterator[tuple[Run, Any]]:
    """Every record with an event of this kind, and the run before it."""
    for run, record in zip(history.runs(), history.records, strict=False):
        if isinstance(record.event, kind):
            yield run, record
