"""Runs for a long time under steady load, with kills, cuts and slow readers:
`python -m tests.torture.soak --minutes 30`.

Measures how many runs a second the server carries, then asks for a share of that as long as wanted.
Shows at the end that no event and no effect was lost or doubled, and for every tenth of the time how long
creates took, what memory the server held, and how fast the machine was.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from grpc import aio

from errands.v1 import event_pb2 as epb
from errands.v1 import run_pb2 as rpb
from errands.v1.run_pb2_grpc import RunServiceStub
from tests.demo.shops import open_shop
from tests.torture.crashes import _EAGER, _PASSING, FINAL, META, _integrate
from tests.torture.processes import Server, environment

INTENT = 'Find the customer ada@example.com, find the product "blue mug" and order {} of them for her'
MEASURE = 10.0  # seconds of finding out what the server carries
IN_FLIGHT = 200  # runs followed at once; more would measure the queue
SLOW = 0.05  # of the readers, which take a nap between messages
MOST = 1_000  # ordered at once
NAP = 0.5  # seconds
YARDSTICK = 50_000  # additions, which take about a millisecond
PARTS = 10
PATIENCE = 60.0  # seconds a run may take once the load has ended


class Soak:
    def __init__(self, server: Server, integration: str, seed: int) -> None:
        self._server = server
        self._integration = integration
        self._random = random.Random(seed)
        self._channel = aio.insecure_channel(server.address, options=_EAGER)
        self._service = RunServiceStub(self._channel)
        self._number = 0
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self.creates: list[tuple[float, float]] = []  # when, and the seconds it took
        self.memory: list[tuple[float, int]] = []
        self.pace: list[tuple[float, float]] = []  # when, and the seconds the same computation took
        self.ended: dict[int, int] = {}  # number of the run: status
        self.doubtful: set[int] = set()
        self.gaps: list[str] = []
        self.kills = 0
        self.cuts = 0

    async def capacity(self) -> float:
        """Runs a second, as many at once as are followed."""
        before, began = len(self.ended), time.monotonic()
        async with asyncio.TaskGroup() as group:
            while time.monotonic() - began < MEASURE:
                await self._room.acquire()
                group.create_task(self._live())
        return (len(self.ended) - before) / (time.monotonic() - began)

    async def perform(self, rate: float, seconds: float, kill_every: float) -> None:
        """Ask for `rate` runs a second for so long."""
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            killer = group.create_task(self._kill(kill_every))
            watcher = group.create_task(self._watch())
            due = time.monotonic()
            while time.monotonic() < end:
                due = max(due + 1 / rate, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await self._room.acquire()
                group.create_task(self._live())
            killer.cancel()
            watcher.cancel()
        if self._server.process.returncode is not None:
            await self._server.start()

    async def _live(self) -> None:
        self._number += 1
        number = self._number
        try:
            async with asyncio.timeout(PATIENCE * 5):
                run_id = await self._create(number)
                await self._follow(number, run_id)
        finally:
            self._room.release()

    async def _create(self, number: int) -> str:
        request = rpb.CreateRunRequest(
            intent=INTENT.format(_quantity(number)),
            selected_customer_integration_ids=[self._integration],
            user_id=f"u{number % 50}",
            request_id=f"soak-{number}",
        )
        while True:
            began = time.monotonic()
            try:
                created = await self._service.CreateRun(request, metadata=META, timeout=20)
            except aio.AioRpcError as error:
                if error.code() not in _PASSING:
                    raise
                await asyncio.sleep(0.05)
            else:
                self.creates.append((began, time.monotonic() - began))
                return str(created.run_id)

    async def _follow(self, number: int, run_id: str) -> None:
        """Read the run's events to its end, over all cuts; every sequence follows the one before."""
        last, slow = 0, self._random.random() < SLOW
        while True:
            request = rpb.StreamRunEventsRequest(run_id=run_id, after_sequence=last, include_tool_calls=True)
            call = self._service.StreamRunEvents(request, metadata=META, timeout=30)
            with contextlib.suppress(aio.AioRpcError):
                async for message in call:
                    for event in message.events:
                        if event.sequence <= last:
                            self.gaps.append(f"{run_id}: {event.sequence} behind {last}")
                        last = event.sequence
                        if event.approval_required.approval_id:
                            self.doubtful.add(number)
                            call.cancel()
                            return
                        if event.status in FINAL:
                            self.ended[number] = event.status
                    if slow:
                        await asyncio.sleep(NAP)
                    if self._random.random() < 0.02:
                        call.cancel()  # a client that goes away in the middle
                        break
            if number in self.ended:
                return
            self.cuts += 1
            await asyncio.sleep(0.05)

    async def _kill(self, every: float) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(every / 2, every * 1.5))
            await asyncio.shield(self._restart())

    async def _restart(self) -> None:
        await self._server.kill()
        self.kills += 1
        await self._server.start()

    async def _watch(self) -> None:
        """Once a second: kilobytes the server holds, a new process anew; the pace of the machine."""
        while True:
            with contextlib.suppress(OSError, StopIteration):
                status = Path(f"/proc/{self._server.process.pid}/status").read_text()
                line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
                self.memory.append((time.monotonic(), int(line.split()[1])))
            began = time.monotonic()
            sum(range(YARDSTICK))
            self.pace.append((began, time.monotonic() - began))
            await asyncio.sleep(1)

    async def close(self) -> None:
        await self._channel.close()


def prove(soak: Soak, ordered: collections.Counter[int]) -> list[str]:
    """Everything that is not as promised."""
    problems = list(soak.gaps)
    for number, status in soak.ended.items():
        if status != epb.RUN_STATUS_SUCCESS:
            problems.append(f"run {number} ended {epb.RunStatus.Name(status)}")
    sure = collections.Counter(map(_quantity, soak.ended))
    doubtful = collections.Counter(map(_quantity, soak.doubtful))
    # Whether a run in doubt has ordered, nobody knows: that is why it asks.
    problems += [
        f"{sure[quantity]} runs ordered {quantity}, the shop has {ordered[quantity]}"
        for quantity in sure | doubtful | ordered
        if not sure[quantity] <= ordered[quantity] <= sure[quantity] + doubtful[quantity]
    ]
    lost = set(range(1, soak._number + 1)) - soak.ended.keys() - soak.doubtful
    return problems + [f"run {number} neither ended nor asks" for number in lost]


def report(soak: Soak, began: float, seconds: float) -> None:
    print("| part | creates | p50 | p95 | p99 | memory | the same sum |\n|--:|--:|--:|--:|--:|--:|--:|")
    for part in range(PARTS):
        low, high = (began + seconds * edge / PARTS for edge in (part, part + 1))
        times = sorted(_within(soak.creates, low, high))
        held, pace = _within(soak.memory, low, high), _within(soak.pace, low, high)
        shown = " | ".join(f"{_share(times, share) * 1_000:.1f} ms" for share in (0.5, 0.95, 0.99))
        memory = f"{statistics.median(held) / 1_024:.0f} MB" if held else ""
        took = f"{statistics.median(pace) * 1_000:.2f} ms" if pace else ""
        print(f"| {part + 1} | {len(times)} | {shown} | {memory} | {took} |")


def _within(measured: Sequence[tuple[float, float]], low: float, high: float) -> list[float]:
    return [value for at, value in measured if low <= at < high]


def _share(times: Sequence[float], part: float) -> float:
    return times[min(len(times) - 1, int(len(times) * part))] if times else float("nan")


def _quantity(number: int) -> int:
    """What the run of this number orders: the shop takes no more at once."""
    return number % MOST + 1


def _fill(shop: Path) -> None:
    """Goods for any number of orders."""
    with contextlib.closing(sqlite3.connect(shop)) as database, database:
        database.execute("UPDATE products SET in_stock = 1000000000000")


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--share", type=float, default=0.7, help="of what the server carries")
    parser.add_argument("--kill-every", type=float, default=30, help="seconds between SIGKILLs, on average")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    with tempfile.TemporaryDirectory() as folder, open_shop(Path(folder) / "shop.db") as shop:
        _fill(Path(folder) / "shop.db")
        server = Server(Path(folder) / "data", environment=environment(Path(folder)))
        await server.start()
        soak = Soak(server, (await _integrate(server, {"shop": shop}))["shop"], seed)
        try:
            rate = await soak.capacity()
            began, seconds = time.monotonic(), options.minutes * 60
            await soak.perform(rate * options.share, seconds, options.kill_every)
            orders = shop.get("/orders").json()["orders"]
            problems = prove(soak, collections.Counter(order["items"][0]["quantity"] for order in orders))
        finally:
            await soak.close()
            await server.kill()
    print(
        f"seed {seed}: carried {rate:.0f} runs a second, asked for {rate * options.share:.0f};"
        f" {len(soak.ended)} runs, {soak.kills} kills, {soak.cuts} cuts, {len(soak.doubtful)} in doubt\n"
    )
    report(soak, began, seconds)
    for problem in problems[:20]:
        print("PROBLEM", problem)
    print("\nno event and no effect lost or doubled" if not problems else f"\n{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
