"""The writes of the journal: a new run, or records appended to the logs of runs."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import Struct, field
from sqlalchemy import Connection, func, select

from ..domain.draft import Draft
from ..domain.errors import Reason, Unavailable
from ..domain.events import Record
from ..domain.fold import fold
from ..domain.inputs import Inputs
from ..domain.run import Run
from .journal_reads import read_records
from .repositories.requests import RequestKey
from .schema import tables as t

# Different from those of every other process, without a system call for each.
_append_ids = itertools.count(secrets.randbits(62))


class Repeated(Struct, frozen=True):
    """The earlier run that a repeat key names: its plan may be used again."""

    run_id: str
    plan_id: str
    intent: str


class Creation(Struct, frozen=True, kw_only=True):
    """A run to store, with its inputs.

    `build` is called in the writer's thread and makes the first records from the run that is
    repeated; it is called again where the transaction is written again.
    """

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

    def find_outcome(self, connection: Connection) -> Any:
        query = select(func.max(t.events.c.sequence)).where(
            t.events.c.run_id == self.run_id, t.events.c.append_id == self.append_id
        )
        last = connection.execute(query).scalar()
        if last is None:
            return _not_written()
        log = read_records(connection, self.run_id, 0, last)
        return Created(run_id=self.run_id, records=log, run=fold(log))


class Created(Struct, frozen=True, kw_only=True):
    """The outcome of a creation. `replayed`: the request made this run before; nothing was written."""

    run_id: str
    replayed: bool = False
    records: Sequence[Record] = ()
    run: Run | None = None


class Append(Struct, frozen=True, kw_only=True):
    """Records to add directly behind sequence `after`, and the run as they leave it.

    `epoch` is that of the engine that executes the run; None: the append comes from a caller.
    `artifacts` are documents too large for an event, by id.
    """

    tenant: str
    run_id: str
    after: int
    epoch: int | None
    records: Sequence[Record]
    run: Run
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    append_id: int = field(default_factory=_append_ids.__next__)

    def find_outcome(self, connection: Connection) -> Any:
        query = select(t.events.c.append_id).where(
            t.events.c.run_id == self.run_id, t.events.c.sequence == self.after + 1
        )
        return None if connection.execute(query).scalar() == self.append_id else _not_written()


def _not_written() -> Exception:
    return Unavailable(Reason.STORE_UNAVAILABLE, "the database could not commit; nothing was written")


class AppendBatch(Struct, frozen=True):
    """Appends to different runs, all or none."""

    appends: Sequence[Append]

    def find_outcome(self, connection: Connection) -> Any:
        outcomes = [append.find_outcome(connection) for append in self.appends]
        return next((outcome for outcome in outcomes if outcome is not None), None)


LogWrite: TypeAlias = Creation | Append | AppendBatch
"""What a batch is made of."""
