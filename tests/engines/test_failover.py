"""Several servers over one PostgreSQL: one executes, all serve, and another takes over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from grpc import aio

from errands.v1 import event_pb2, run_pb2
from errands_server.store.store import migrate_schema
from tests.databases import database_of, looked_into
from tests.postgres import cluster
from tests.service import PATIENCE, Service, reason, serving
from tests.store.databases import postgres_only

SECRET = "A" * 43
ORDER = 'Find the product "blue mug" and order 2 of them for the customer ada@example.com'
LEADS = """
SELECT pid FROM pg_stat_activity WHERE application_name = 'errands lead' AND datname = current_database()
"""

pytestmark = postgres_only


@asynccontextmanager
async def peer(folder: Path, name: str, **settings: Any) -> AsyncGenerator[Service, None]:
    """One of the servers that share the database of this folder."""
    shared = {"database": database_of(folder), "secret_key": SECRET}
    async with serving(folder / name, **shared, **settings) as service:
        yield service


@pytest.fixture
def shop(_one_shop: httpx2.Client) -> str:
    return str(_one_shop.base_url.join("/openapi.json"))


async def test_what_one_server_is_asked_another_carries_out(tmp_path: Path, shop: str) -> None:
    async with peer(tmp_path, "executes"), peer(tmp_path, "serves") as service:
        integration = await service.add_integration(shop)
        created = await service.create(ORDER, integration)
        events = await service.events(created.run_id)

    assert created.plan.details.steps
    assert events[-1].status == event_pb2.RUN_STATUS_SUCCESS
    assert [event.sequence for event in events] == sorted({event.sequence for event in events})


async def test_a_server_with_another_sealing_key_is_not_started(tmp_path: Path) -> None:
    async with peer(tmp_path, "executes"):
        with pytest.raises(ValueError, match="--secret-key-file or ERRANDS_SECRET_KEY"):
            async with serving(tmp_path / "alone", database=database_of(tmp_path)):
                pass


async def test_a_decision_made_at_any_server_is_heard(tmp_path: Path, shop: str) -> None:
    async with peer(tmp_path, "executes") as executes, peer(tmp_path, "serves") as serves:
        integration = await executes.add_integration(shop)
        created = await executes.create(
            ORDER, integration, approval_strategy=run_pb2.APPROVAL_STRATEGY_ON_START
        )
        asked = await serves.until(created.run_id, "approval_required")
        await serves.decide(asked.approval_required.approval_id, 1)
        run = await serves.finished(created.run_id)

    assert run.status == event_pb2.RUN_STATUS_SUCCESS


async def test_a_run_is_cancelled_through_a_server_that_does_not_execute_it(
    tmp_path: Path, shop: str
) -> None:
    async with peer(tmp_path, "executes") as executes, peer(tmp_path, "serves") as serves:
        integration = await executes.add_integration(shop)
        created = await executes.create(
            ORDER, integration, approval_strategy=run_pb2.APPROVAL_STRATEGY_ON_START
        )
        await serves.until(created.run_id, "approval_required")
        cancelled = await serves.runs.CancelRun(run_pb2.CancelRunRequest(run_id=created.run_id))

    assert cancelled.run.status == event_pb2.RUN_STATUS_CANCELED


async def test_another_server_takes_over_what_waits_when_the_first_stops(tmp_path: Path, shop: str) -> None:
    async with peer(tmp_path, "stops") as stops, peer(tmp_path, "stays") as stays:
        integration = await stops.add_integration(shop)
        created = await stops.create(ORDER, integration, approval_strategy=run_pb2.APPROVAL_STRATEGY_ON_START)
        asked = await stays.until(created.run_id, "approval_required")
        [(epoch,)] = looked_into(tmp_path, "SELECT epoch FROM runs")
        await stops.app.drain()
        await stays.decide(asked.approval_required.approval_id, 1)
        run = await stays.finished(created.run_id)
        [(later,)] = looked_into(tmp_path, "SELECT epoch FROM runs")

    assert run.status == event_pb2.RUN_STATUS_SUCCESS
    assert later > epoch


async def test_a_server_that_loses_its_lock_takes_it_again_and_goes_on(tmp_path: Path, shop: str) -> None:
    async with peer(tmp_path, "only") as service:
        integration = await service.add_integration(shop)
        before = _lock_holders(tmp_path)
        looked_into(tmp_path, f"SELECT pg_terminate_backend(pid) FROM ({LEADS}) AS leads")
        run = await service.finished((await service.create(ORDER, integration)).run_id)
        async with asyncio.timeout(PATIENCE):
            while _lock_holders(tmp_path) in (before, []):
                await asyncio.sleep(0.05)

    assert run.status == event_pb2.RUN_STATUS_SUCCESS


def _lock_holders(folder: Path) -> list[Any]:
    held = f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid IN ({LEADS})"
    return looked_into(folder, held)


async def test_every_server_of_one_database_is_ready(tmp_path: Path) -> None:
    async with (
        peer(tmp_path, "executes") as one,
        peer(tmp_path, "serves") as other,
        httpx2.AsyncClient() as http,
    ):
        for service in (one, other):
            answer = await http.get(f"http://{service.app.http_address}/readyz")

            assert answer.status_code == 200


async def test_runs_go_on_after_the_database_was_restarted(tmp_path: Path, shop: str) -> None:
    with cluster() as database:
        migrate_schema(database.url)
        async with serving(tmp_path / "data", database=database.url, secret_key=SECRET) as service:
            integration = await service.add_integration(shop)
            created = await service.create(
                ORDER, integration, approval_strategy=run_pb2.APPROVAL_STRATEGY_ON_START
            )
            asked = await service.until(created.run_id, "approval_required")
            await asyncio.to_thread(database.stop)
            refused = await _answer(service, created.run_id)
            await asyncio.to_thread(database.start)
            async with asyncio.timeout(PATIENCE):
                while await _answer(service, created.run_id) != "":
                    await asyncio.sleep(0.1)
            await service.decide(asked.approval_required.approval_id, 1)
            run = await service.finished(created.run_id)

    assert refused == "STORE_UNAVAILABLE"
    assert run.status == event_pb2.RUN_STATUS_SUCCESS


async def _answer(service: Service, run_id: str) -> str:
    """Why the run is not shown; empty where it is."""
    try:
        await service.get(run_id)
    except aio.AioRpcError as error:
        return reason(error)
    return ""
