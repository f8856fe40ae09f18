"""The server is stopped between storing a call and sending it: `python -m tests.torture.stops`.

While it stands still, another process decides by writing to the log: it cancels the run,
or takes it over. Shows that the call is not sent after the pause; and that it is sent once,
stored anew, where nothing happened. The shop honours no idempotency keys.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from grpc import aio

from errands.v1 import approval_pb2 as apb
from errands.v1 import event_pb2 as epb
from errands.v1 import integration_pb2 as ipb
from errands.v1 import run_pb2 as rpb
from errands.v1.approval_pb2_grpc import ApprovalServiceStub
from errands.v1.integration_pb2_grpc import IntegrationServiceStub
from errands.v1.run_pb2_grpc import RunServiceStub
from errands_server.domain import commands
from errands_server.domain.draft import Draft
from errands_server.domain.events import AnyEvent, Claimed
from errands_server.environment import Environment
from errands_server.services.run_changes import change
from errands_server.store.store import Store
from tests.databases import database_of
from tests.demo.shops import open_shop
from tests.torture.processes import KEY, Server

META = (("x-api-key", KEY),)


async def _stopped(server: Server) -> None:
    stat = Path(f"/proc/{server.process.pid}/stat")
    async with asyncio.timeout(20):
        while stat.read_text().rpartition(")")[2].split()[0] != "T":
            await asyncio.sleep(0.02)


Meanwhile: TypeAlias = Callable[[Draft], list[AnyEvent]]


def _nothing(_: Draft) -> list[AnyEvent]:
    return []


def _cancel(draft: Draft) -> list[AnyEvent]:
    return commands.cancel(draft.run, actor="elsewhere", now=draft.now)


def _take_over(draft: Draft) -> list[AnyEvent]:
    return [Claimed(epoch=draft.run.epoch + 1)]


async def scenario(folder: Path, seconds: float, meanwhile: Meanwhile) -> tuple[str, int]:
    """What became of the run, and how many orders the shop has."""
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        shop = stack.enter_context(open_shop(folder / "shop.db", "--no-keys"))
        server = Server(folder / "data", module="tests.torture.stopping_server")
        await server.start()
        try:
            async with aio.insecure_channel(server.address) as channel:
                document = str(shop.base_url.join("/openapi.json"))
                run_id, approving = await _begin(channel, document)
                await _stopped(server)
                await _elsewhere(folder / "data", run_id, meanwhile)
                await asyncio.sleep(seconds)
                server.signal(signal.SIGCONT)
                await approving
                if meanwhile is _take_over:
                    # Whoever took it over dies as well; the next server claims it in turn.
                    await server.kill()
                    await server.start()
                outcome = await _end(channel, run_id)
        finally:
            await server.kill()
        orders = shop.get("/orders").json()["orders"]
    return outcome, len(orders)


async def _elsewhere(data: Path, run_id: str, decide: Meanwhile) -> None:
    store = await Store.open(database_of(data), lambda *_: None, migrate=False)
    try:
        await change(store.journal, Environment(), "default", run_id, decide)
    finally:
        await store.close()


async def _begin(channel: aio.Channel, document: str) -> tuple[str, asyncio.Future[Any]]:
    """A run that was just approved; the server may stop before it says so."""
    integration = ipb.CreateIntegrationRequest(name="shop", openapi_url=document, internal=True)
    await IntegrationServiceStub(channel).CreateIntegration(integration, metadata=META)
    request = rpb.CreateRunRequest(
        intent="order",
        selected_customer_integration_ids=["*"],
        user_id="u",
        approval_strategy=rpb.APPROVAL_STRATEGY_ON_START,
    )
    created = await RunServiceStub(channel).CreateRun(request, metadata=META, timeout=60)
    asked = next(event for event in created.events if event.HasField("approval_required"))
    decision = apb.DecideApprovalRequest(
        approval_id=asked.approval_required.approval_id, decision=apb.DECISION_APPROVE
    )
    approving = ApprovalServiceStub(channel).DecideApproval(decision, metadata=META, timeout=60)
    return created.run_id, asyncio.ensure_future(approving)


async def _end(channel: aio.Channel, run_id: str) -> str:
    """The run's final status, or IN_DOUBT where it asks."""
    request = rpb.StreamRunEventsRequest(run_id=run_id)
    stream = RunServiceStub(channel).StreamRunEvents(request, metadata=META, timeout=30, wait_for_ready=True)
    last = epb.RUN_STATUS_UNSPECIFIED
    async for message in stream:
        for event in message.events:
            last = event.status
            if event.approval_required.kind == apb.APPROVAL_KIND_IN_DOUBT:
                return "IN_DOUBT"
    return epb.RunStatus.Name(last).removeprefix("RUN_STATUS_")


SCENARIOS: dict[str, tuple[Meanwhile, tuple[str, int]]] = {
    "cancelled meanwhile": (_cancel, ("CANCELED", 0)),
    "taken over meanwhile": (_take_over, ("IN_DOUBT", 0)),
    "nothing decided": (_nothing, ("SUCCESS", 1)),
}


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    right = True
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, (meanwhile, expected)) in enumerate(SCENARIOS.items()):
            outcome = await scenario(Path(folder) / str(number), options.seconds, meanwhile)
            right = right and outcome == expected
            print(f"stopped {options.seconds:.0f} s, {name}: {outcome[0]}, {outcome[1]} orders")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
