"""Reads of runs for the journal: log, head, inputs, artifacts. Synchronous, for a reader thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, bindparam, select

from ..domain import events as e
from ..domain.errors import NotFound, Reason
from ..domain.events import Record, RunStatus, UnknownEvent
from ..domain.inputs import Inputs, Selected
from .schema import tables as t

PAGE: Final = 1_000  # records, or runs, read at a time
_LAST: Final = (1 << 31) - 1


class Head(Struct, frozen=True, kw_only=True):
    """The row that summarises a run as its latest record leaves it. Times are milliseconds."""

    run_id: str
    tenant: str
    user_id: str  # on whose behalf it acts
    status: RunStatus
    engine: str  # name of the engine that executes it
    epoch: int  # of the latest claim; 0 before the first
    last_sequence: int  # of the latest record
    repeat_key: str  # names runs that repeat each other; the run's id where the caller gave none
    repeat_run_id: str | None  # the run it repeats
    plan_id: str  # empty while it has no plan
    created_at: int
    updated_at: int  # of the latest record
    wake_at: int | None  # when something is due; None while nothing is
    finished_at: int | None  # None while it has not ended


HEAD: Final = tuple(t.runs.c[name] for name in Head.__struct_fields__)


def read_records(connection: Connection, run_id: str, after: int, limit: int) -> list[Record]:
    if connection.dialect.name == "sqlite" and limit > _FEW:
        return _read_records_as_json(connection, run_id, after, limit)
    # No record is behind the largest sequence of the column, and a larger number is no parameter for it.
    rows = connection.execute(_READ, {"run": run_id, "after": min(after, _LAST), "limit": limit})
    return [Record(sequence, at, RunStatus(status), e.decode(body)) for sequence, at, status, body in rows]


def _read_records_as_json(connection: Connection, run_id: str, after: int, limit: int) -> list[Record]:
    """The same, as one row of JSON: the driver releases the interpreter once instead of for every row."""
    parameters = (run_id, min(after, _LAST), limit)
    found = connection.exec_driver_sql(_READ_AS_JSON, parameters).scalar_one()
    try:
        rows = _decode_rows(found)
    except msgspec.ValidationError as error:
        raise UnknownEvent(str(error)) from error
    return [Record(sequence, at, status, event) for sequence, at, status, event in rows]


_FEW: Final = 8  # records up to which rows are faster than JSON
_READ_AS_JSON: Final = (
    "SELECT json_group_array(json_array(sequence, at, status, json(body))) FROM"
    " (SELECT sequence, at, status, body FROM events WHERE run_id = ? AND sequence > ?"
    " ORDER BY sequence LIMIT ?)"
)
_decode_rows: Final = msgspec.json.Decoder(list[tuple[int, int, RunStatus, e.AnyEvent]]).decode
_READ: Final = (
    select(t.events.c.sequence, t.events.c.at, t.events.c.status, t.events.c.body)
    .where(t.events.c.run_id == bindparam("run"), t.events.c.sequence > bindparam("after"))
    .order_by(t.events.c.sequence)
    .limit(bindparam("limit"))
)


def find_head(connection: Connection, run_id: str) -> Head | None:
    row = connection.execute(FIND_HEAD, {"run": run_id}).first()
    return None if row is None else to_head(row)


FIND_HEAD: Final = select(*HEAD).where(t.runs.c.run_id == bindparam("run"))


def to_head(row: Sequence[Any]) -> Head:
    """The head in a row of the columns `HEAD`."""
    fields = dict(zip(Head.__struct_fields__, row, strict=True))
    fields["status"] = RunStatus(fields["status"])
    return Head(**fields)


def read_inputs(connection: Connection, run_id: str) -> Inputs:
    row = connection.execute(_INPUTS, {"run": run_id}).first()
    if row is None:
        raise NotFound(Reason.RUN_NOT_FOUND, f"there is no run {run_id}", subject=run_id)
    return Inputs(
        intent=row.intent,
        context=row.context,
        output_schema=row.output_schema,
        integrations=msgspec.json.decode(row.integrations, type=tuple[Selected, ...]),
    )


_INPUTS: Final = select(t.run_inputs).where(t.run_inputs.c.run_id == bindparam("run"))


def find_secrets(connection: Connection, tenant: str, run_id: str) -> bytes | None:
    """The sealed secrets that came with the tenant's run; None once it has ended."""
    sealed = connection.execute(_SECRETS, {"tenant": tenant, "run": run_id}).scalar()
    return None if sealed is None else bytes(sealed)


_SECRETS: Final = select(t.run_secrets.c.sealed).where(
    t.run_secrets.c.run_id == bindparam("run"), t.run_secrets.c.tenant == bindparam("tenant")
)


def read_artifact(connection: Connection, run_id: str, artifact_id: str) -> bytes:
    query = select(t.artifacts.c.body).where(t.artifacts.c.run_id == run_id, t.artifacts.c.id == artifact_id)
    return bytes(connection.execute(query).scalar_one())


def list_unfinished(connection: Connection, engine: str) -> list[Head]:
    query = select(*HEAD).where(t.runs.c.finished_at.is_(None), t.runs.c.engine == engine)
    return [to_head(row) for row in connection.execute(query.order_by(t.runs.c.run_id))]


def list_working(connection: Connection, engine: str) -> list[Head]:
    """Runs that are queued or running and wait for no time."""
    query = select(*HEAD).where(
        t.runs.c.engine == engine,
        t.runs.c.finished_at.is_(None),
        t.runs.c.wake_at.is_(None),
        t.runs.c.status.in_((RunStatus.QUEUED.value, RunStatus.RUNNING.value)),
    )
    return [to_head(row) for row in connection.execute(query.order_by(t.runs.c.run_id).limit(PAGE))]


def list_due(connection: Connection, engine: str, before: int) -> list[Head]:
    query = select(*HEAD).where(t.runs.c.wake_at <= before, t.runs.c.engine == engine)
    return [to_head(row) for row in connection.execute(query.order_by(t.runs.c.wake_at).limit(PAGE))]


class Latest(Struct, frozen=True):
    """A run's head, and the records behind those that the caller knows."""

    head: Head
    records: Sequence[Record]


def find_latest(connection: Connection, run_id: str, after: int) -> Latest | None:
    """The head and at most a page of records, none newer than the head."""
    found = find_head(connection, run_id)
    if found is None:
        return None
    missing = min(PAGE, found.last_sequence - after)  # a log has no gaps
    return Latest(found, read_records(connection, run_id, after, missing) if missing > 0 else [])
