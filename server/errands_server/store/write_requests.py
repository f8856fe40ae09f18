"""What can be written to the log: a new run, or records behind an old one's."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from sqlalchemy import Connection, func, select

from ..domain.draft import Draft
from ..domain.errors import Reason, Unavailable
from ..domain.events import Record
from ..domain.fold import fold
from ..domain.inputs import Inputs
from ..domain.run import Run
from .journal_reads import records
from .repositories.requests import RequestKey
from .schema import tables as t

# Unlike any other process's, and without a system call for each.
_append_ids = itertools.count(secrets.randbits(62))


class Repeated(Struct, frozen=True):
    """The run that a repeat key names."""

    run_id: str
    plan_id: str
    intent: str


class Creation(Struct, frozen=True, kw_only=True):
    """A run to be stored. `build` makes its first events, given the run it repeats."""

    tenant: str
    run_id: str
    user_id: str
    engine: str
    repeat_key: str
    inputs: Inputs
    request: RequestKey | None
    secrets: bytes = b""  # sealed; erased with the run's final status
    now: int
    build: Callable[[Repeated | None], Draft]
    append_id: int = field(default_factory=_append_ids.__next__)

    def stored(self, connection: Connection) -> Any:
        query = select(func.max(t.events.c.sequence)).where(
            t.events.c.run_id == self.run_id, t.events.c.append_id == self.append_id
        )
        last = connection.execute(query).scalar()
        if last is None:
            return _not_written()
        log = records(connection, self.run_id, 0, last)
        return Created(run_id=self.run_id, records=log, run=fold(log))


class Created(Struct, frozen=True, kw_only=True):
    """Answers a creation. `replayed`: the request had been carried out before."""

    run_id: str
    replayed: bool = False
    records: Sequence[Record] = ()
    run: Run | None = None


class Append(Struct, frozen=True, kw_only=True):
    """Records to add directly behind sequence `after`, and the run they lead to."""

    tenant: str
    run_id: str
    after: int
    epoch: int | None
    records: Sequence[Record]
    run: Run
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    append_id: int = field(default_factory=_append_ids.__next__)

    def stored(self, connection: Connection) -> Any:
        query = select(t.events.c.append_id).where(
            t.events.c.run_id == self.run_id, t.events.c.sequence == self.after + 1
        )
        return None if connection.execute(query).scalar() == self.append_id else _not_written()


def _not_written() -> Exception:
    return Unavailable(Reason.STORE_UNAVAILABLE, "the database could not commit; nothing was written")


class AppendBatch(Struct, frozen=True):
    """Appends to different runs, all or none."""

    appends: Sequence[Append]

    def stored(self, connection: Connection) -> Any:
        outcomes = [append.stored(connection) for append in self.appends]
        return next((outcome for outcome in outcomes if outcome is not None), None)
