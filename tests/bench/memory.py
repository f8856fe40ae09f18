"""What waits costs no memory: `python -m tests.bench.memory [--runs 100000]`."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import grpc

from errands.v1 import run_pb2 as rpb
from errands.v1.run_pb2_grpc import RunServiceStub

from .growth import META
from .load import Process, allow_many_files, process
from .seeding import copy
from .served import Served

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
        copy(Path(folder) / "errands.db", run_id, options.runs)
        _started(folder, f"{options.runs:,} runs that wait for people", few, options.runs)
        with process("tests.bench.server", folder) as server:
            _streams(server, run_id, options.streams)
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


def _streams(server: Process, run_id: str, count: int) -> None:
    """Idle streams over gRPC, a hundred on each connection."""
    before = server.ask("memory")
    channels = [grpc.insecure_channel(server.address, options=[("bench", n)]) for n in range(count // 100)]
    request = rpb.StreamRunEventsRequest(run_id=run_id)
    calls = [
        RunServiceStub(channel).StreamRunEvents(request, metadata=META)
        for channel in channels
        for _ in range(100)
    ]
    for call in calls:
        next(iter(call))  # it was sent the past, and waits
    held = server.ask("memory")
    each = (held - before) / count
    print(f"| and {count:,} idle gRPC streams | {held / _MB:,.1f} MB | {each:,.0f} bytes | |", flush=True)
    for call in calls:
        call.cancel()
    for channel in channels:
        channel.close()


if __name__ == "__main__":
    raise SystemExit(main())
