"""Writes a batch of new runs and appended records inside one open transaction."""

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
from .repositories.requests import RequestName, StoredRequest
from .schema import tables as t
from .write_requests import Append, AppendBatch, Created, Creation, LogWrite, Repeated


def write_batch(connection: Connection, writes: Sequence[LogWrite]) -> list[Any]:
    """Write a batch inside the open transaction. Returns one outcome for each write, in order.

    The outcome of a creation is `Created`, or Conflict where its request id was used with another
    body. The outcome of an append is None, or RunChanged where the run is another tenant's or its
    log ends elsewhere; then it writes nothing. Without writes it proves that the database can be
    written.
    """
    if not writes:
        _probe(connection)
    creations = [write for write in writes if isinstance(write, Creation)]
    names = [requests.name_of(one.tenant, one.request) for one in creations if one.request is not None]
    rows = BatchRows(requests.find(connection, names))
    heads = _find_heads(connection, [append.run_id for write in writes for append in _appends(write)])
    outcomes = [
        _create(connection, write, heads, rows)
        if isinstance(write, Creation)
        else _append(_appends(write), heads, rows)
        for write in writes
    ]
    rows.insert(connection)
    return outcomes


def _probe(connection: Connection) -> None:
    """Ask for new pages, as a run would, so that a full disk refuses them."""
    row = {"tenant": " " * 16_384, "created_at": 0}
    connection.execute(insert(t.tenants), row)
    connection.execute(t.tenants.delete().where(t.tenants.c.tenant == row["tenant"]))


def _appends(write: LogWrite) -> Sequence[Append]:
    match write:
        case Append():
            return (write,)
        case AppendBatch():
            return write.appends
        case Creation():
            return ()


_Heads = dict[str, tuple[str, int, int]]  # run id: tenant, last sequence, epoch
_Requests = dict[RequestName, StoredRequest]


def _find_heads(connection: Connection, run_ids: list[str]) -> _Heads:
    if not run_ids:
        return {}
    wanted = sorted(set(run_ids))
    if connection.dialect.name == "sqlite":
        # As one row of JSON: the driver releases the interpreter once, not for every row (see `bulk`).
        found = connection.exec_driver_sql(
            _HEADS_AS_JSON, (msgspec.json.encode(wanted).decode(),)
        ).scalar_one()
        return {run_id: (tenant, sequence, epoch) for run_id, tenant, sequence, epoch in _decode(found)}
    heads = connection.exec_driver_sql(_HEADS, (wanted,))
    return {run_id: (tenant, sequence, epoch) for run_id, tenant, sequence, epoch in heads}


_HEADS_AS_JSON: Final = (
    "SELECT json_group_array(json_array(run_id, tenant, last_sequence, epoch)) FROM runs"
    " WHERE run_id IN (SELECT value FROM json_each(?))"
)
_decode: Final = msgspec.json.Decoder(list[tuple[str, str, int, int]]).decode


# Locked in the order of their ids, so batches cannot deadlock.
_HEADS: Final = (
    "SELECT run_id, tenant, last_sequence, epoch FROM runs WHERE run_id = ANY(%b::text[])"
    " ORDER BY run_id FOR UPDATE"
)


def _append(appends: Sequence[Append], heads: _Heads, rows: BatchRows) -> RunChanged | None:
    for append in appends:
        tenant, sequence, epoch = heads.get(append.run_id, ("", 0, 0))
        if (append.tenant, append.after) != (tenant, sequence) or append.epoch not in {None, epoch}:
            return RunChanged(append.run_id)
    for append in appends:
        heads[append.run_id] = (append.tenant, append.run.sequence, append.run.epoch)
        rows.append(append)
    return None


def _create(connection: Connection, creation: Creation, heads: _Heads, rows: BatchRows) -> Created | Conflict:
    if creation.request is not None:
        # Stored by an earlier batch, or by an earlier creation of this one.
        name = requests.name_of(creation.tenant, creation.request)
        stored = rows.stored_requests.get(name)
        if stored is not None and stored.is_fresh(creation.now):
            try:
                return Created(run_id=stored.run_for(creation.request), replayed=True)
            except Conflict as reused:
                return reused
        if stored is not None:
            requests.forget(connection, name)
    repeated = _find_repeated(connection, creation)
    draft = creation.build(repeated)
    rows.create(creation, repeated, draft)
    heads[creation.run_id] = (creation.tenant, draft.run.sequence, draft.run.epoch)
    return Created(run_id=creation.run_id, records=draft.records, run=draft.run)


def _find_repeated(connection: Connection, creation: Creation) -> Repeated | None:
    """The run that the repeat key names: the latest success, else the latest that ended."""
    if not creation.repeat_key:
        return None
    key = {"tenant": creation.tenant, "user": creation.user_id, "repeat": creation.repeat_key}
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


class BatchRows:
    """The rows that a batch writes, by table, and the requests that are stored or about to be."""

    def __init__(self, stored_requests: _Requests) -> None:
        self.runs: list[dict[str, Any]] = []
        self.inputs: list[dict[str, Any]] = []
        self.secrets: list[dict[str, Any]] = []
        self.spent_secrets: list[dict[str, Any]] = []
        self.integrations: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.stored_requests = stored_requests
        self.updates: dict[str, dict[str, Any]] = {}  # by run: the summary behind its last append
        self.events: list[dict[str, Any]] = []
        self.artifacts: list[dict[str, Any]] = []
        self.approvals: list[dict[str, Any]] = []
        self.resolved: list[dict[str, Any]] = []
        self.closed: list[dict[str, Any]] = []
        self.audit: list[dict[str, Any]] = []

    def create(self, creation: Creation, repeated: Repeated | None, draft: Draft) -> None:
        run = draft.run
        self.runs.append(
            {
                "run_id": creation.run_id,
                "tenant": creation.tenant,
                "user_id": creation.user_id,
                "engine": creation.engine,
                "repeat_key": creation.repeat_key or creation.run_id,
                "repeat_run_id": repeated and repeated.run_id,
                "created_at": run.created_at,
                **_summary(run),
            }
        )
        self.inputs.append(
            {
                "run_id": creation.run_id,
                "intent": creation.inputs.intent,
                "context": creation.inputs.context,
                "output_schema": creation.inputs.output_schema,
                "integrations": msgspec.json.encode(creation.inputs.integrations).decode(),
            }
        )
        if creation.secrets:
            self.secrets.append(
                {"run_id": creation.run_id, "tenant": creation.tenant, "sealed": creation.secrets}
            )
        self.integrations += [
            {"tenant": creation.tenant, "integration_id": selected.id, "run_id": creation.run_id}
            for selected in creation.inputs.integrations
        ]
        if creation.request is not None:
            request = creation.request
            name = requests.name_of(creation.tenant, request)
            self.stored_requests[name] = StoredRequest(creation.run_id, request.body_hash, creation.now)
            self.requests.append(
                {
                    "tenant": creation.tenant,
                    "method": request.method,
                    "request_id": request.request_id,
                    "body_hash": request.body_hash,
                    "run_id": creation.run_id,
                    "created_at": creation.now,
                }
            )
        self._records(creation.tenant, creation.run_id, creation.append_id, draft.records)

    def append(self, append: Append) -> None:
        self.updates[append.run_id] = {"run_id": append.run_id, **_summary(append.run)}
        self.artifacts += [
            {"run_id": append.run_id, "id": key, "body": body} for key, body in append.artifacts.items()
        ]
        if append.run.passed and append.run.ended:
            self.spent_secrets.append({"b_run": append.run_id})
        self._records(append.tenant, append.run_id, append.append_id, append.records)

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
            if row := audit.row_for_record(tenant, run_id, record):
                self.audit.append(row)

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
        """Write all rows. Parents before children; approvals are asked before they are resolved or closed."""
        bulk.insert(connection, t.runs, self.runs)
        bulk.insert(connection, t.run_inputs, self.inputs)
        bulk.insert(connection, t.run_secrets, self.secrets)
        bulk.insert(connection, t.run_integrations, self.integrations)
        bulk.insert(connection, t.requests, self.requests)
        bulk.update(connection, t.runs, list(self.updates.values()))
        bulk.insert(connection, t.events, self.events)
        bulk.insert(connection, t.approvals, self.approvals)
        for statement, values in (
            (_ERASE_SECRETS, self.spent_secrets),
            (_RESOLVE, self.resolved),
            (_CLOSE, self.closed),
        ):
            if values:
                connection.execute(statement, values)
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
