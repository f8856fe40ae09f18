"""What waits costs no memory: `python -m tests.bench.memory [--runs 100000]`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from grpc import aio

from errands.v1 import run_pb2 as rpb
from errands.v1.run_pb2_grpc import RunServiceStub
from tests.bench.growth import META
from tests.bench.load import Process, allow_many_files, process
from tests.bench.seeding import copy
from tests.bench.served import Served

_MB = 1 << 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--streams", type=int, default=5_000)
    options = parser.parse_args()
    allow_many_files()
    print("| what | memory of the server | for each | ready after |\n|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory(dir=".", prefix=".errands-bench-") as folder:
        with process("tests.bench.server", folder) as server:
            run_id = Served(server).paused()
        few = _started(folder, "one run that waits for a person")
        copy(Path(folder), run_id, options.runs)
        _started(folder, f"{options.runs:,} runs that wait for people", few, options.runs)
        with process("tests.bench.server", folder) as server:
            asyncio.run(_streams(server, run_id, options.streams))
    return 0


def _started(folder: str, what: str, before: float = 0.0, count: int = 1) -> float:
    """Bytes a server holds that has just started on this folder."""
    began = time.perf_counter()
    with process("tests.bench.server", folder) as server:
        seconds = time.perf_counter() - began
        held = float(server.ask("memory"))
    each = f"{(held - before) / count:,.0f} bytes" if before else ""
    print(f"| {what} | {held / _MB:,.1f} MB | {each} | {seconds:.2f} s |", flush=True)
    return held


async def _streams(server: Process, run_id: str, count: int) -> None:
    """Idle streams over gRPC, a hundred on each connection."""
    before = server.ask("memory")
    request = rpb.StreamRunEventsRequest(run_id=run_id)
    async with AsyncExitStack() as stack:
        calls = []
        for number in range(count // 100):
            # Channels with equal options would share one connection.
            channel = await stack.enter_async_context(
                aio.insecure_channel(server.address, options=[("bench.number", number)])
            )
            some = [RunServiceStub(channel).StreamRunEvents(request, metadata=META) for _ in range(100)]
            await asyncio.gather(*(call.read() for call in some))  # each was sent the past, and waits
            calls += some
        held = server.ask("memory")
    each = (held - before) / len(calls)
    print(f"| and {count:,} idle gRPC streams | {held / _MB:,.1f} MB | {each:,.0f} bytes | |", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
