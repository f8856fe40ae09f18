"""Invariants are constraints: a row that breaks one is refused, whoever writes it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import CheckConstraint, Row, Table, insert, select
from sqlalchemy.exc import IntegrityError

from errands_server.domain import events as e
from errands_server.store.encryption import Sealer
from errands_server.store.repositories.audit import AuditAction
from errands_server.store.schema.tables import metadata
from errands_server.store.store import Store
from tests.store.databases import rows
from tests.store.integrations import connection, flow, revision
from tests.store.logs import NOW, OWNER, append, ask, request, stored

TABLES = {table.name: table for table in metadata.sorted_tables}
CHECKS: dict[str, tuple[str, dict[str, Any]]] = {
    "ck_runs_has_events": ("runs", {"last_sequence": 0}),
    "ck_runs_epoch": ("runs", {"epoch": -1}),
    "ck_runs_final": ("runs", {"finished_at": 5, "wake_at": 6}),
    "ck_sealing_one": ("sealing", {"id": 2}),
    "ck_events_from_one": ("events", {"sequence": 0}),
    "ck_approvals_status": ("approvals", {"status": "lost"}),
    "ck_connections_status": ("connections", {"status": "asleep"}),
    "ck_connect_flows_status": ("connect_flows", {"status": "asleep"}),
    "ck_approvals_resolved": ("approvals", {"status": "decided", "resolved_sequence": None}),
}
FOREIGN_KEYS = sorted((table, key.parent.name) for table in TABLES for key in TABLES[table].foreign_keys)


@pytest.fixture
async def full(store: Store) -> Store:
    """A store with a row in every table."""
    run = await stored(
        store, "r1", e.Claimed(epoch=1), request=request("q1"), integrations=["i1"], secrets=b"sealed"
    )
    await store.journal.append(append("r1", run, ask("a1"), artifacts={"x": b"1"}))
    async with store.begin(OWNER, writes=True) as transaction:
        await transaction.integrations.add("i1", "shop", revision(), NOW)
        assert await transaction.connections.add(connection())
        assert await transaction.flows.add(flow())
        await transaction.audit.add(AuditAction.RUN_CANCEL, actor="key:k", subject="r1", at=NOW)
    await store.check_key(Sealer([bytes(32)]))
    return store


async def row_of(store: Store, table: Table) -> dict[str, Any]:
    async with store._engine.connect() as connection:
        row: Row[Any] | None = (await connection.execute(select(table))).first()
    assert row is not None
    return dict(row._mapping)


async def refuse(store: Store, table: Table, **values: Any) -> None:
    """The row with these values is refused, and would be stored with its own key but for them."""
    before = await rows(store)
    with pytest.raises(IntegrityError) as refused:
        async with store._engine.begin() as connection:
            await connection.execute(insert(table).values(values))

    assert await rows(store) == before
    refused.match("constraint failed|violates")


def other(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """The row under another key, where a key of its own is not a reference."""
    mine = {
        column.name: f"other {row[column.name]}" if isinstance(row[column.name], str) else 77
        for column in table.primary_key
        if not column.foreign_keys
    }
    return {
        **row,
        **mine,
        **{
            key: b"other" if key == "secret_hash" else "other"
            for key in _UNIQUE.get(table.name, ())
            if key in row
        },
    }


_UNIQUE = {
    "keys": ("secret_hash",),
    "integrations": ("name",),
    "connections": ("user_id",),
    "connect_flows": ("link_id",),
}


def test_every_check_is_tried() -> None:
    names = {c.name for t in TABLES.values() for c in t.constraints if isinstance(c, CheckConstraint)}

    assert set(CHECKS) == names


@pytest.mark.parametrize("name", CHECKS)
async def test_a_row_that_fails_a_check_is_refused(full: Store, name: str) -> None:
    table, wrong = TABLES[CHECKS[name][0]], CHECKS[name][1]
    await refuse(full, table, **{**other(table, await row_of(full, table)), **wrong})


@pytest.mark.parametrize("wrong", [{"status": "pending", "resolved_sequence": 2}, {"status": "expired"}])
async def test_an_approval_is_resolved_exactly_where_it_says_so(full: Store, wrong: Any) -> None:
    table = TABLES["approvals"]
    await refuse(full, table, **{**other(table, await row_of(full, table)), **wrong})


@pytest.mark.parametrize(("table", "column"), FOREIGN_KEYS)
async def test_a_row_that_points_nowhere_is_refused(full: Store, table: str, column: str) -> None:
    found = other(TABLES[table], await row_of(full, TABLES[table]))
    await refuse(full, TABLES[table], **{**found, column: "nowhere"})


@pytest.mark.parametrize("table", TABLES)
async def test_a_key_is_used_once(full: Store, table: str) -> None:
    await refuse(full, TABLES[table], **await row_of(full, TABLES[table]))


async def test_what_is_required_is_there(full: Store) -> None:
    for table in TABLES.values():
        found = other(table, await row_of(full, table))
        for column in table.c:
            if not column.nullable:
                await refuse(full, table, **{**found, column.name: None})


@pytest.mark.parametrize(("table", "column"), [("keys", "secret_hash"), ("integrations", "name")])
async def test_what_is_unique_is_used_once(full: Store, table: str, column: str) -> None:
    row = await row_of(full, TABLES[table])
    await refuse(full, TABLES[table], **{**other(TABLES[table], row), column: row[column]})


async def test_the_name_of_a_deleted_integration_is_free(full: Store) -> None:
    async with full.begin(OWNER, writes=True) as transaction:
        assert await transaction.integrations.delete("i1", NOW)
        await transaction.integrations.add("i2", "shop", revision(), NOW)
        found = await transaction.integrations.list(limit=9)
        kept = await transaction.integrations.revision("i1", 1)

    assert [integration.id for integration in found] == ["i2"]
    assert kept == revision()
