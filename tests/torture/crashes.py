"""Runs with side effects while the server is killed again and again: `python -m tests.torture.crashes`.

With `--processes 2` several servers share a PostgreSQL (under `python -m tests.postgres`), and any
of them is killed, whether it executes or stands by.

Shows that every run ends or asks a person, that every effect happens exactly once at a
service with idempotency keys and never twice at one without, and that streams resumed by
cursor hold exactly the visible log.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import random
import sys
import tempfile
import time
from pathlib import Path

import grpc
import httpx2
from grpc import aio

from errands.v1 import approval_pb2 as apb
from errands.v1 import event_pb2 as epb
from errands.v1 import integration_pb2 as ipb
from errands.v1 import run_pb2 as rpb
from errands.v1.approval_pb2_grpc import ApprovalServiceStub
from errands.v1.integration_pb2_grpc import IntegrationServiceStub
from errands.v1.run_pb2_grpc import RunServiceStub
from tests.demo.shops import open_shop
from tests.torture.processes import KEY, Server, environment

META = (("x-api-key", KEY),)
_EAGER = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
INTENT = (
    'Find the customer ada@example.com, find the product "blue mug", order {} of them for her'
    " and then send her an invoice for the order"
)
FINAL = {
    epb.RUN_STATUS_SUCCESS,
    epb.RUN_STATUS_PARTIAL_SUCCESS,
    epb.RUN_STATUS_NO_SUCCESS,
    epb.RUN_STATUS_FAILED,
    epb.RUN_STATUS_CANCELED,
}
STRATEGIES = (
    rpb.APPROVAL_STRATEGY_NONE,
    rpb.APPROVAL_STRATEGY_ON_START,
    rpb.APPROVAL_STRATEGY_ON_TOOL_CALL,
)


class Watched:
    """One run and what its watcher saw of it, over all cuts."""

    def __init__(self, shop: str, quantity: int) -> None:
        self.shop = shop
        self.quantity = quantity
        self.run_id = ""
        self.seen: list[int] = []
        self.last = 0
        self.doubtful = False
        self.cuts = 0

    @property
    def settled(self) -> bool:
        return self.last in FINAL or self.doubtful


class Torture:
    def __init__(self, servers: list[Server], runs: list[Watched], integrations: dict[str, str]) -> None:
        self._servers = servers
        self._runs = runs
        self._integrations = integrations
        self._channels = [aio.insecure_channel(server.address, options=_EAGER) for server in servers]
        self._over = asyncio.Event()
        self.kills = 0

    @property
    def _service(self) -> RunServiceStub:
        """Any server's."""
        return RunServiceStub(random.choice(self._channels))

    @property
    def _approvals(self) -> ApprovalServiceStub:
        return ApprovalServiceStub(random.choice(self._channels))

    async def perform(self, seconds: float) -> None:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            group.create_task(self._killer())
            approver = group.create_task(self._approver())
            watchers = [group.create_task(self._live(watched)) for watched in self._runs]
            await asyncio.wait(watchers)
            self._over.set()
            approver.cancel()

    async def _live(self, watched: Watched) -> None:
        await asyncio.sleep(random.uniform(0, len(self._runs) / 8))
        await self._create(watched)
        while not watched.settled:
            with contextlib.suppress(aio.AioRpcError):
                await self._watch(watched)
            watched.cuts += 1
            await asyncio.sleep(0.05)

    async def _create(self, watched: Watched) -> None:
        request = rpb.CreateRunRequest(
            intent=INTENT.format(watched.quantity),
            selected_customer_integration_ids=[self._integrations[watched.shop]],
            user_id="u",
            approval_strategy=random.choice(STRATEGIES),
            request_id=f"{watched.shop}-{watched.quantity}",
        )
        while not watched.run_id:
            try:
                # A retried create must be the same request, or it would be refused.
                created = await self._service.CreateRun(request, metadata=META, timeout=10)
                watched.run_id = created.run_id
            except aio.AioRpcError as error:
                if error.code() not in _PASSING:
                    raise
                await asyncio.sleep(0.05)

    async def _watch(self, watched: Watched) -> None:
        request = rpb.StreamRunEventsRequest(
            run_id=watched.run_id,
            after_sequence=watched.seen[-1] if watched.seen else 0,
            include_tool_calls=True,
        )
        async for message in self._service.StreamRunEvents(request, metadata=META, timeout=30):
            for event in message.events:
                watched.seen.append(event.sequence)
                watched.last = event.status
                if event.approval_required.kind == apb.APPROVAL_KIND_IN_DOUBT:
                    watched.doubtful = True
            if watched.settled:
                return

    async def _approver(self) -> None:
        while True:
            with contextlib.suppress(aio.AioRpcError):
                request = apb.ListApprovalsRequest(status=apb.APPROVAL_STATUS_PENDING, page_size=100)
                page = await self._approvals.ListApprovals(request, metadata=META, timeout=5)
                for approval in page.approvals:
                    if approval.kind != apb.APPROVAL_KIND_IN_DOUBT:
                        decision = apb.DecideApprovalRequest(
                            approval_id=approval.approval_id, decision=apb.DECISION_APPROVE
                        )
                        await self._approvals.DecideApproval(decision, metadata=META, timeout=5)
            await asyncio.sleep(0.05)

    async def _killer(self) -> None:
        """Kill again and again. At the end every server runs."""
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(0.05, 1.5)):
                    await self._over.wait()
            server = random.choice(self._servers)
            await server.kill()
            self.kills += 1
            await server.start()

    async def log(self, watched: Watched) -> list[int]:
        """The visible log, read page by page."""
        sequences: list[int] = []
        after, end = 0, False
        while not end:
            request = rpb.ListRunEventsRequest(
                run_id=watched.run_id, after_sequence=after, limit=1000, include_tool_calls=True
            )
            page = await self._service.ListRunEvents(request, metadata=META, timeout=10)
            sequences += [event.sequence for event in page.events]
            end = page.end or page.next_after_sequence == after
            after = page.next_after_sequence
        return sequences

    async def close(self) -> None:
        await asyncio.gather(*(channel.close() for channel in self._channels))


_PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
}


def check(condition: bool, complaint: str, problems: list[str]) -> None:
    if not condition:
        problems.append(complaint)


async def prove(torture: Torture, runs: list[Watched], shops: dict[str, httpx2.Client]) -> list[str]:
    """Everything that is not as promised."""
    problems: list[str] = []
    orders = {name: _quantities(client) for name, client in shops.items()}
    for watched in runs:
        name = f"{watched.shop} run {watched.quantity} ({watched.run_id})"
        times = orders[watched.shop][watched.quantity]
        check(watched.settled, f"{name} neither ended nor asks", problems)
        check(times <= 1, f"{name} ordered {times} times", problems)
        if watched.last == epb.RUN_STATUS_SUCCESS:
            check(times == 1, f"{name} says SUCCESS and ordered {times} times", problems)
        if watched.shop == "keyed":
            check(not watched.doubtful, f"{name} asks although the service honours keys", problems)
            check(watched.last == epb.RUN_STATUS_SUCCESS, f"{name} ended {watched.last}", problems)
        log = await torture.log(watched)
        shown = [sequence for sequence in log if sequence <= watched.seen[-1]]
        check(watched.seen == shown, f"{name} streamed {watched.seen}, its log shows {log}", problems)
    for name, client in shops.items():
        invoices = collections.Counter(
            invoice["order_id"] for invoice in client.get("/invoices").json()["invoices"]
        )
        twice = {order: times for order, times in invoices.items() if times > 1}
        check(not twice, f"{name} invoiced more than once: {twice}", problems)
    return problems


def _quantities(client: httpx2.Client) -> collections.Counter[int]:
    orders = client.get("/orders").json()["orders"]
    return collections.Counter(order["items"][0]["quantity"] for order in orders)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    random.seed(seed)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        shops = {
            "keyed": stack.enter_context(open_shop(Path(folder) / "keyed.db")),
            "keyless": stack.enter_context(open_shop(Path(folder) / "keyless.db", "--no-keys")),
        }
        folders = [Path(folder) / f"data{number}" for number in range(options.processes)]
        for client in shops.values():
            client.post("/_faults", json={"operation": "*", "delay_before": 0.03, "delay_after": 0.08})
        servers = [Server(data, environment=environment(Path(folder))) for data in folders]
        for server in servers:
            await server.start()
        integrations = await _integrate(servers[0], shops)
        runs = [Watched(name, n + 1) for n in range(options.runs // 2) for name in shops]
        torture = Torture(servers, runs, integrations)
        began = time.monotonic()
        try:
            await torture.perform(options.seconds)
            problems = await prove(torture, runs, shops)
        except TimeoutError:
            problems = [f"unsettled: {[w.run_id for w in runs if not w.settled]}"]
        finally:
            await torture.close()
            for server in servers:
                await server.kill()
        statuses = collections.Counter("IN_DOUBT" if w.doubtful else epb.RunStatus.Name(w.last) for w in runs)
        print(
            f"seed {seed}: {len(runs)} runs, {torture.kills} kills, {sum(w.cuts for w in runs)} stream cuts,"
            f" {time.monotonic() - began:.0f} s"
        )
        print(", ".join(f"{name} {count}" for name, count in sorted(statuses.items())))
        for problem in problems:
            print("PROBLEM", problem)
        if problems:
            for data in folders:
                print((data / "server.log").read_text()[-6_000:])
        else:
            print("every effect once, every stream equal to its log")
        return 1 if problems else 0


async def _integrate(server: Server, shops: dict[str, httpx2.Client]) -> dict[str, str]:
    found = {}
    async with aio.insecure_channel(server.address) as channel:
        stub = IntegrationServiceStub(channel)
        for name, client in shops.items():
            request = ipb.CreateIntegrationRequest(
                name=name, openapi_url=str(client.base_url.join("/openapi.json")), internal=True
            )
            made = await stub.CreateIntegration(request, metadata=META, timeout=10)
            found[name] = made.integration.id
    return found


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
