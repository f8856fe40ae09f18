"""Events decided on and not yet stored, each folded in as it is added."""

from __future__ import annotations

from .events import AnyEvent, Record, StatusChanged
from .fold import advance
from .run import Run


class Draft:
    """What happens to one run at one moment. `run` is always the state with `records` folded in."""

    def __init__(self, run: Run, now: int) -> None:
        self.base = run
        self.run = run
        self.now = now
        self.records: list[Record] = []
        self.artifacts: dict[str, bytes] = {}

    def add(self, *events: AnyEvent) -> None:
        """Fold events in. IllegalMove: one cannot follow."""
        for event in events:
            self.run = advance(self.run, event, self.now)
            self.records.append(Record(self.run.sequence, self.now, self.run.status, event))

    def announce(self) -> None:
        """Tell of the run's status, where it is not the one told last."""
        if self.records and not self.run.ended and self.run.status != self.run.announced:
            self.add(StatusChanged(status=self.run.status))
