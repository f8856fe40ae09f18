"""Lists: every filter gives what a plain look at all rows gives, and no page costs more than another."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from errands_server.domain import events as e
from errands_server.store.journal_reads import Head
from errands_server.store.repositories.approvals import ApprovalRow
from errands_server.store.repositories.runs import RunFilter
from errands_server.store.repositories.transaction import Transaction
from errands_server.store.schema.tables import metadata
from errands_server.store.store import Store
from tests.store.databases import sqlite_only
from tests.store.integrations import revision
from tests.store.logs import FAILED, HOUR, NOW, OWNER, STRANGER, SUCCEEDED, answer, ask, request, stored

USERS = ("ada", "bob")
STATUSES = {"QUEUED": (), "RUNNING": (e.Claimed(epoch=1),), "SUCCESS": (e.Claimed(epoch=1), SUCCEEDED)}
CHOICES: tuple[tuple[str, ...], ...] = ((), ("shop",), ("crm",), ("crm", "shop"), ("mail",))


@pytest.fixture
async def runs(store: Store) -> dict[str, tuple[Head, tuple[str, ...]]]:
    """Runs of every kind in an order that has nothing to do with it, and a stranger's between them."""
    kinds = list(itertools.product(USERS, STATUSES, CHOICES))
    for number, (user, status, chosen) in enumerate(kinds):
        run_id = f"r{number * 7 % len(kinds):02}"  # 7 and the number of kinds have no common factor
        await stored(store, run_id, *STATUSES[status], user_id=user, integrations=chosen)
        await stored(store, f"{run_id}s", *STATUSES[status], tenant=STRANGER, integrations=chosen)
    heads = {}
    for number, (_, _, chosen) in enumerate(kinds):
        run_id = f"r{number * 7 % len(kinds):02}"
        heads[run_id] = (await store.run(OWNER, run_id), chosen)
    return heads


filters = st.builds(
    RunFilter,
    user_id=st.sampled_from(["", *USERS, "nobody"]),
    status=st.sampled_from(["", *STATUSES, "FAILED"]),
    integration_ids=st.lists(st.sampled_from(["shop", "crm", "mail", "none"]), max_size=4),
    before=st.sampled_from(["", "r05", "r14", "r29", "r99", "a"]),
    unfinished=st.booleans(),
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=filters, limit=st.integers(1, 40), skip=st.integers(0, 12))
async def test_a_page_holds_what_a_look_at_every_run_finds(
    store: Store,
    runs: dict[str, tuple[Head, tuple[str, ...]]],
    wanted: RunFilter,
    limit: int,
    skip: int,
) -> None:
    async with store.begin(OWNER) as transaction:
        page = await transaction.runs.list(wanted, limit=limit, skip=skip)

    assert (
        page
        == [
            head
            for run_id, (head, chosen) in sorted(runs.items(), reverse=True)
            if not wanted.user_id or head.user_id == wanted.user_id
            if not wanted.status or head.status == wanted.status
            if not wanted.integration_ids or set(chosen) & set(wanted.integration_ids)
            if not wanted.before or run_id < wanted.before
            if not wanted.unfinished or head.finished_at is None
        ][skip : skip + limit]
    )


async def test_pages_follow_each_other_without_gap_or_overlap(store: Store, runs: Any) -> None:
    seen: list[str] = []
    async with store.begin(OWNER) as transaction:
        while page := await transaction.runs.list(RunFilter(before=seen[-1] if seen else ""), limit=7):
            seen += [head.run_id for head in page]

    assert seen == sorted(runs, reverse=True)


async def test_the_newest_run_with_a_plan_is_found(store: Store) -> None:
    await stored(store, "r1", e.Claimed(epoch=1), SUCCEEDED, repeat_key="daily")
    await stored(store, "r3", repeat_key="daily")
    await stored(store, "r2")
    async with store.begin(OWNER) as transaction:
        found = await transaction.runs.find_by_plan("plan of r1")
        missing = await transaction.runs.find_by_plan("no plan")

    assert found == await store.run(OWNER, "r3")
    assert missing is None


@pytest.fixture
async def approvals(store: Store) -> dict[str, tuple[str, str]]:
    """Run and status of every approval, by its id."""
    await stored(store, "r1", ask("a1"), ask("a5"), ask("a3"), answer("a3"), answer("a5", expired=True))
    await stored(store, "r2", ask("a2"), ask("a4"), answer("a4"))
    await stored(store, "r3", e.Claimed(epoch=1), ask("a0"), ask("a6"), answer("a6"), FAILED)
    await stored(store, "s1", ask("a1s"), tenant=STRANGER)
    statuses = ["closed", "pending", "pending", "decided", "decided", "expired", "decided"]
    of = ["r3", "r1", "r2", "r1", "r2", "r1", "r3"]
    return {f"a{n}": found for n, found in enumerate(zip(of, statuses, strict=True))}


async def test_approvals_are_listed_newest_first_by_every_filter(
    store: Store, approvals: dict[str, tuple[str, str]]
) -> None:
    statuses = ("", "pending", "decided", "expired", "closed")
    for status, run_id, before in itertools.product(statuses, ("", "r1", "r3", "s1"), ("", "a3", "a9")):
        async with store.begin(OWNER) as transaction:
            page = await transaction.approvals.list(status=status, run_id=run_id, before=before, limit=10)
            short = await transaction.approvals.list(status=status, run_id=run_id, before=before, limit=1)

        assert [(row.approval_id, row.run_id, row.status) for row in page] == [
            (key, *value)
            for key, value in sorted(approvals.items(), reverse=True)
            if (not before or key < before) and run_id in {"", value[0]} and status in {"", value[1]}
        ], (status, run_id, before)
        assert short == page[:1]


async def test_an_approval_row_tells_what_was_asked_and_answered(store: Store) -> None:
    await stored(store, "r1", ask("a1"), answer("a1"))
    async with store.begin(OWNER) as transaction:
        row = await transaction.approvals.find("a1")

    assert row == ApprovalRow(
        approval_id="a1",
        run_id="r1",
        user_id="ada",
        status="decided",
        requested_at=NOW,
        request=ask("a1"),
        resolved_at=NOW,
        resolution=answer("a1"),
    )


Ask = Callable[[Transaction], Awaitable[Any]]
RUN_QUERIES: dict[str, RunFilter] = {
    f"runs{' user' * user}{' status' * status}{' before' * before}{' unfinished' * open_} {ids}": RunFilter(
        user_id="ada" * user,
        status="SUCCESS" * status,
        before="r9" * before,
        unfinished=bool(open_),
        integration_ids=ids,
    )
    for user, status, before, open_, ids in itertools.product(
        [0, 1], [0, 1], [0, 1], [0, 1], [(), ("shop",), ("shop", "crm")]
    )
}
QUERIES: dict[str, Ask] = {
    **{
        name: lambda tx, wanted=wanted: tx.runs.list(wanted, limit=5, skip=2)  # type: ignore[misc]
        for name, wanted in RUN_QUERIES.items()
    },
    **{
        f"approvals {status} {run_id} {before}": lambda tx, s=status, r=run_id, b=before: (  # type: ignore[misc]
            tx.approvals.list(status=s, run_id=r, before=b, limit=5)
        )
        for status, run_id, before in itertools.product(["", "pending"], ["", "r1"], ["", "a9"])
    },
    "run": lambda tx: tx.runs.find("r1"),
    "plan": lambda tx: tx.runs.find_by_plan("p1"),
    "approval": lambda tx: tx.approvals.find("a1"),
    "integrations": lambda tx: tx.integrations.list(limit=5),
    "integrations after": lambda tx: tx.integrations.list(after="a", limit=5),
    "active integrations": lambda tx: tx.integrations.active(),
    "integration": lambda tx: tx.integrations.find("i1"),
    "revision": lambda tx: tx.integrations.revision("i1", 1),
    "keys": lambda tx: tx.keys.list(limit=5),
    "keys before": lambda tx: tx.keys.list(before="k", limit=5),
    "any key": lambda tx: tx.keys.has_any(),
}

# The words in a query's name, and what its plan must narrow it by.
NARROWED = {
    "runs user": "user_id=?",
    "runs status": "status=?",
    "approvals r1": "approvals USING INDEX ix_approvals_run",
    "approvals pending": "approvals USING INDEX",
    "plan": "plan_id=?",
}


@sqlite_only
async def test_no_list_scans_or_sorts_a_table(store: Store) -> None:
    for name, ask_ in QUERIES.items():
        plan = await _plan(store, ask_)
        searches = [line for line in plan if line.startswith("SEARCH")]

        assert searches, name
        assert not any("TEMP B-TREE" in line or "SCAN" in line for line in plan), (name, plan)
        assert all("INDEX" in line or "PRIMARY KEY" in line for line in searches), (name, plan)
        for words, narrowed in NARROWED.items():
            if set(words.split()) <= set(name.split()):
                assert any(narrowed in line for line in searches), (name, plan)


@sqlite_only
@pytest.mark.parametrize("chosen", [("shop",), ("shop", "crm")])
async def test_a_list_by_integration_alone_walks_the_key_and_stops_at_the_limit(
    store: Store, chosen: tuple[str, ...]
) -> None:
    async with store.begin(OWNER) as transaction:
        seen = _statements(store)
        await transaction.runs.list(RunFilter(integration_ids=chosen), limit=5)
    plan = await _explain(store, *seen[-1])

    assert "CORRELATED" not in " ".join(plan)
    assert seen[-1][0].count("LIMIT") == 2  # of the key's range too, not only of the page
    assert not any("TEMP B-TREE" in line for line in plan)


@sqlite_only
async def test_the_unfinished_runs_of_a_tenant_are_found_among_the_unfinished(store: Store) -> None:
    plan = await _plan(store, lambda tx: tx.runs.list(RunFilter(unfinished=True), limit=5))

    assert plan == ["SEARCH runs USING INDEX ix_runs_tenant_unfinished (tenant=?)"]


@sqlite_only
async def test_what_a_run_reads_is_found_by_its_key(store: Store) -> None:
    await stored(store, "r1")
    seen = _statements(store, store.journal._engine)
    await store.journal.read("r1")
    await store.journal.head("r1")
    await store.journal.inputs("r1")
    await store.key(b"")
    plans = {statement: await _explain(store, statement, given) for statement, given in seen}

    assert len(plans) == 4
    assert not _scanned(plans), plans


@sqlite_only
async def test_an_engine_finds_its_runs_among_those_that_wait_or_have_not_ended(store: Store) -> None:
    seen = _statements(store, store.journal._engine)
    await store.journal.unfinished("embedded")
    await store.journal.working("embedded")
    await store.journal.due("embedded", 5)
    plans = [await _explain(store, statement, given) for statement, given in seen]

    unfinished = "SCAN runs USING INDEX ix_runs_unfinished"  # an index of nothing else
    assert plans == [[unfinished], [unfinished], ["SEARCH runs USING INDEX ix_runs_wake (wake_at<?)"]]


@sqlite_only
async def test_writing_finds_everything_by_its_key(store: Store) -> None:
    seen = _statements(store, store.journal._engine, ("SELECT", "UPDATE", "DELETE", "WITH"))
    await stored(store, "r1", ask("a1"), answer("a1"), FAILED, request=request("q"))
    await stored(store, "r2", request=request("q"), now=NOW + 48 * HOUR)
    plans = {statement: await _explain(store, statement, given) for statement, given in seen}

    assert len(plans) == 6  # heads, request, forgetting it, summary, resolved and closed approvals
    assert not _scanned(plans), plans


def _scanned(plans: Mapping[str, list[str]]) -> set[str]:
    """The tables that are walked; what a statement brings along may be."""
    scanned = {line.split()[1] for plan in plans.values() for line in plan if line.startswith("SCAN")}
    return scanned & metadata.tables.keys()


async def _plan(store: Store, ask: Ask) -> list[str]:
    async with store.begin(OWNER) as transaction:
        seen = _statements(store)
        await ask(transaction)
    return await _explain(store, *seen[-1])


async def _explain(store: Store, statement: str, parameters: Any) -> list[str]:
    async with store._engine.connect() as connection:
        found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [row[3] for row in found]


def _statements(
    store: Store, engine: Any = None, kinds: tuple[str, ...] = ("SELECT",)
) -> list[tuple[str, Any]]:
    """Grows with every statement of these kinds, and the values it was first given."""
    seen: list[tuple[str, Any]] = []

    def before(_c: Any, _cursor: Any, statement: str, values: Any, _x: Any, many: bool) -> None:
        if statement.startswith(kinds):
            seen.append((statement, values[0] if many else values))

    event.listen(engine or store._engine.sync_engine, "before_cursor_execute", before)
    return seen


async def test_integrations_and_keys_are_listed_by_cursor(store: Store) -> None:
    async with store.begin(OWNER, writes=True) as transaction:
        for name in ("b", "d", "a", "c"):
            await transaction.integrations.add(f"id-{name}", name, revision(), NOW)
        first = await transaction.integrations.list(limit=2)
        rest = await transaction.integrations.list(after="b", limit=9)
        keys = await transaction.keys.list(limit=9)

    assert [i.name for i in (*first, *rest)] == ["a", "b", "c", "d"]
    assert [key.id for key in keys] == ["acme-key"]
