"""Writes a batch of creations and appends inside one open transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from ..domain import events as e
from ..domain.draft import Draft
from ..domain.effects import wake_at
from ..domain.errors import Conflict, RunChanged
from ..domain.events import Record, RunStatus
from ..domain.run import Run
from . import bulk
from .repositories import audit, requests
from .repositories.requests import Remembered, RequestName
from .schema import tables as t
from .write_requests import Append, AppendBatch, Created, Creation, Repeated


def write(connection: Connection, works: Sequence[Creation | Append | AppendBatch]) -> list[Any]:
    """Write a batch inside the open transaction, and give one outcome for each work.

    An append whose run has another head than it expects is rejected and writes nothing, as
    is one of another tenant.
    """
    if not works:
        _write_and_erase(connection)
    waiting = _Rows(_made_before(connection, works))
    heads = _heads(connection, [append.run_id for work in works for append in _appends(work)])
    outcomes = [
        _create(connection, work, heads, waiting)
        if isinstance(work, Creation)
        else _append(_appends(work), heads, waiting)
        for work in works
    ]
    waiting.insert(connection)
    return outcomes


def _write_and_erase(connection: Connection) -> None:
    """Ask for new pages, as a run would, so that a full disk refuses them."""
    probe = {"tenant": " " * 16_384, "created_at": 0}
    connection.execute(insert(t.tenants), probe)
    connection.execute(t.tenants.delete().where(t.tenants.c.tenant == probe["tenant"]))


def _appends(work: Creation | Append | AppendBatch) -> Sequence[Append]:
    match work:
        case Append():
            return (work,)
        case AppendBatch():
            return work.appends
        case Creation():
            return ()


_Heads = dict[str, tuple[str, int, int]]  # run id: tenant, last sequence, epoch
_Requests = dict[RequestName, Remembered]


def _heads(connection: Connection, run_ids: list[str]) -> _Heads:
    if not run_ids:
        return {}
    wanted = sorted(set(run_ids))
    if connection.dialect.name == "sqlite":
        # One row, for the same reason that `rows` writes many at once.
        found = connection.exec_driver_sql(
            _HEADS_TOGETHER, (msgspec.json.encode(wanted).decode(),)
        ).scalar_one()
        return {run_id: (tenant, sequence, epoch) for run_id, tenant, sequence, epoch in _decode(found)}
    heads = connection.exec_driver_sql(_HEADS, (wanted,))
    return {run_id: (tenant, sequence, epoch) for run_id, tenant, sequence, epoch in heads}


_HEADS_TOGETHER: Final = (
    "SELECT json_group_array(json_array(run_id, tenant, last_sequence, epoch)) FROM runs"
    " WHERE run_id IN (SELECT value FROM json_each(?))"
)
_decode: Final = msgspec.json.Decoder(list[tuple[str, str, int, int]]).decode


# Locked in the order of their ids, so batches cannot deadlock.
_HEADS: Final = (
    "SELECT run_id, tenant, last_sequence, epoch FROM runs WHERE run_id = ANY(%b::text[])"
    " ORDER BY run_id FOR UPDATE"
)


def _append(works: Sequence[Append], heads: _Heads, pending: _Rows) -> Any:
    for work in works:
        tenant, sequence, epoch = heads.get(work.run_id, ("", 0, 0))
        if (work.tenant, work.after) != (tenant, sequence) or work.epoch not in {None, epoch}:
            return RunChanged(work.run_id)
    for work in works:
        heads[work.run_id] = (work.tenant, work.run.sequence, work.run.epoch)
        pending.append(work)
    return None


def _create(connection: Connection, work: Creation, heads: _Heads, pending: _Rows) -> Any:
    try:
        known = _known(connection, work, pending)
    except Conflict as reused:
        return reused
    if known is not None:
        return Created(run_id=known, replayed=True)
    repeated = _repeated(connection, work)
    draft = work.build(repeated)
    pending.create(work, repeated, draft)
    heads[work.run_id] = (work.tenant, draft.run.sequence, draft.run.epoch)
    return Created(run_id=work.run_id, records=draft.records, run=draft.run)


def _made_before(connection: Connection, works: Sequence[Creation | Append | AppendBatch]) -> _Requests:
    """What earlier batches made for the requests of this one."""
    creations = (work for work in works if isinstance(work, Creation))
    return requests.find(connection, [requests.name_of(c.tenant, c.request) for c in creations if c.request])


def _known(connection: Connection, work: Creation, pending: _Rows) -> str | None:
    """The run this very request made before, in an earlier batch or in this one."""
    if work.request is None:
        return None
    name = requests.name_of(work.tenant, work.request)
    known = pending.remembered.get(name)
    if known is None:
        return None
    if known.is_fresh(work.now):
        return known.answers(work.request)
    requests.forget(connection, name)
    return None


def _repeated(connection: Connection, work: Creation) -> Repeated | None:
    """The run this key repeats: the latest success, else the latest that ended."""
    if not work.repeat_key:
        return None
    key = {"tenant": work.tenant, "user": work.user_id, "repeat": work.repeat_key}
    row = connection.execute(_REPEATED, key).first()
    return None if row is None else Repeated(row.run_id, row.plan_id, row.intent)


_REPEATED: Final = (
    select(t.runs.c.run_id, t.runs.c.plan_id, t.run_inputs.c.intent)
    .join(t.run_inputs, t.run_inputs.c.run_id == t.runs.c.run_id)
    .where(
        t.runs.c.tenant == bindparam("tenant"),
        t.runs.c.user_id == bindparam("user"),
        t.runs.c.repeat_key == bindparam("repeat"),
        t.runs.c.finished_at.is_not(None),
    )
    .order_by((t.runs.c.status == "SUCCESS").desc(), t.runs.c.run_id.desc())
    .limit(1)
)


class _Rows:
    """The rows a batch will write, table by table."""

    def __init__(self, remembered: _Requests) -> None:
        self.runs: list[dict[str, Any]] = []
        self.inputs: list[dict[str, Any]] = []
        self.secrets: list[dict[str, Any]] = []
        self.spent: list[dict[str, Any]] = []
        self.integrations: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.remembered = remembered
        self.updates: dict[str, dict[str, Any]] = {}  # by run: the last append says how it is
        self.events: list[dict[str, Any]] = []
        self.artifacts: list[dict[str, Any]] = []
        self.approvals: list[dict[str, Any]] = []
        self.resolved: list[dict[str, Any]] = []
        self.closed: list[dict[str, Any]] = []
        self.audit: list[dict[str, Any]] = []

    def create(self, work: Creation, repeated: Repeated | None, draft: Draft) -> None:
        run = draft.run
        self.runs.append(
            {
                "run_id": work.run_id,
                "tenant": work.tenant,
                "user_id": work.user_id,
                "engine": work.engine,
                "repeat_key": work.repeat_key or work.run_id,
                "repeat_run_id": repeated and repeated.run_id,
                "created_at": run.created_at,
                **_summary(run),
            }
        )
        self.inputs.append(
            {
                "run_id": work.run_id,
                "intent": work.inputs.intent,
                "context": work.inputs.context,
                "output_schema": work.inputs.output_schema,
                "integrations": msgspec.json.encode(work.inputs.integrations).decode(),
            }
        )
        if work.secrets:
            self.secrets.append({"run_id": work.run_id, "tenant": work.tenant, "sealed": work.secrets})
        self.integrations += [
            {"tenant": work.tenant, "integration_id": selected.id, "run_id": work.run_id}
            for selected in work.inputs.integrations
        ]
        if work.request is not None:
            key = requests.name_of(work.tenant, work.request)
            self.remembered[key] = Remembered(work.run_id, work.request.body_hash, work.now)
            self.requests.append(
                {
                    "tenant": work.tenant,
                    "method": work.request.method,
                    "request_id": work.request.request_id,
                    "body_hash": work.request.body_hash,
                    "run_id": work.run_id,
                    "created_at": work.now,
                }
            )
        self._records(work.tenant, work.run_id, work.append_id, draft.records)

    def append(self, work: Append) -> None:
        self.updates[work.run_id] = {"run_id": work.run_id, **_summary(work.run)}
        self.artifacts += [
            {"run_id": work.run_id, "id": key, "body": body} for key, body in work.artifacts.items()
        ]
        if work.run.passed and work.run.ended:
            self.spent.append({"b_run": work.run_id})
        self._records(work.tenant, work.run_id, work.append_id, work.records)

    def _records(self, tenant: str, run_id: str, append_id: int, records: Sequence[Record]) -> None:
        for record in records:
            self.events.append(
                {
                    "run_id": run_id,
                    "sequence": record.sequence,
                    "at": record.at,
                    "status": record.status.value,
                    "append_id": append_id,
                    "body": e.encode(record.event).decode(),
                }
            )
            self._approval(tenant, run_id, record)
            if said := audit.of_record(tenant, run_id, record):
                self.audit.append(said)

    def _approval(self, tenant: str, run_id: str, record: Record) -> None:
        match record.event:
            case e.ApprovalRequested(approval_id=approval_id):
                self.approvals.append(
                    {
                        "approval_id": approval_id,
                        "tenant": tenant,
                        "run_id": run_id,
                        "sequence": record.sequence,
                        "status": "pending",
                    }
                )
            case e.ApprovalResolved(approval_id=approval_id, expired=expired):
                status = "expired" if expired else "decided"
                self.resolved.append(
                    {"b_id": approval_id, "status": status, "resolved_sequence": record.sequence}
                )
            case e.CancelRequested() | e.StatusChanged(status=RunStatus.FAILED):
                self.closed.append({"b_run": run_id})

    def insert(self, connection: Connection) -> None:
        """Parents before children; approvals are asked before they are resolved or closed."""
        bulk.insert(connection, t.runs, self.runs)
        bulk.insert(connection, t.run_inputs, self.inputs)
        bulk.insert(connection, t.run_secrets, self.secrets)
        bulk.insert(connection, t.run_integrations, self.integrations)
        bulk.insert(connection, t.requests, self.requests)
        bulk.update(connection, t.runs, list(self.updates.values()))
        bulk.insert(connection, t.events, self.events)
        bulk.insert(connection, t.approvals, self.approvals)
        for statement, some in (
            (_ERASE_SECRETS, self.spent),
            (_RESOLVE, self.resolved),
            (_CLOSE, self.closed),
        ):
            if some:
                connection.execute(statement, some)
        bulk.insert(connection, t.audit, self.audit)
        # The id is a hash of the body: two calls that answer the same share one.
        bulk.insert(connection, t.artifacts, self.artifacts, new=True)


def _summary(run: Run) -> dict[str, Any]:
    return {
        "status": run.status.value,
        "epoch": run.epoch,
        "last_sequence": run.sequence,
        "plan_id": run.plan_id,
        "updated_at": run.updated_at,
        "wake_at": wake_at(run),
        "finished_at": run.updated_at if run.ended else None,
    }


_ERASE_SECRETS: Final = t.run_secrets.delete().where(t.run_secrets.c.run_id == bindparam("b_run"))
_RESOLVE: Final = (
    update(t.approvals)
    .where(t.approvals.c.approval_id == bindparam("b_id"))
    .values(status=bindparam("status"), resolved_sequence=bindparam("resolved_sequence"))
)
_CLOSE: Final = (
    update(t.approvals)
    .where(t.approvals.c.run_id == bindparam("b_run"), t.approvals.c.status == "pending")
    .values(status="closed")
)
