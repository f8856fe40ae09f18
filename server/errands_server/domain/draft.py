"""A draft: events that are decided and not yet stored, each folded in as it is added."""

from __future__ import annotations

from .events import AnyEvent, Record, StatusChanged
from .fold import advance
from .run import Run


class Draft:
    """The next records of one run's log, all of the same time."""

    def __init__(self, run: Run, now: int) -> None:
        """`now`: milliseconds since 1970, UTC; the time of every record."""
        self.base = run  # the state that is stored
        self.run = run  # the state with `records` folded in
        self.now = now
        self.records: list[Record] = []
        self.artifacts: dict[str, bytes] = {}  # by id: JSON documents that the records refer to

    def add(self, *events: AnyEvent) -> None:
        """Append events and fold them in. IllegalMove: one of them cannot follow."""
        for event in events:
            self.run = advance(self.run, event, self.now)
            self.records.append(Record(self.run.sequence, self.now, self.run.status, event))

    def announce(self) -> None:
        """Append StatusChanged, unless the run has ended or its status is the one announced last."""
        if self.records and not self.run.ended and self.run.status != self.run.announced:
            self.add(StatusChanged(status=self.run.status))
