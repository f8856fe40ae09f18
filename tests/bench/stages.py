"""What a run costs, stage by stage, in microseconds and bytes: `python -m tests.bench.stages`.

A stage's time is the processor's, without that of stages within it, and without what the clocks cost.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Final

from errands.v1 import run_pb2 as rpb
from tests.bench.load import Calls, Process, process
from tests.bench.served import Served

_REST: Final = "gRPC, the event loop, and the rest"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stages", description=__doc__)
    parser.add_argument("--runs", type=int, default=3_000)
    count: int = parser.parse_args().runs
    with process("tests.bench.echo") as echo:
        _show_echo(echo, count)
    with process("tests.bench.staged") as server:
        served = Served(server)
        asking = served.new_run(approval_strategy=rpb.APPROVAL_STRATEGY_ON_START)
        reading = rpb.GetRunRequest(run_id=served.paused())
        served.calls("CreateRun", asking, 500).rate()  # everything is imported, and warm
        create = served.calls("CreateRun", asking, count)
        get = served.calls("GetRun", reading, count)
        _show("CreateRun that waits for approval", create.rate, server, count)
        _show("GetRun", get.rate, server, count)
        _show("a whole run: three calls and a result", lambda: _run(served, count), server, count)
    _show_bytes(count)
    return 0


def _show_echo(echo: Process, count: int) -> None:
    """What the least that a call can be costs: the ceiling of everything below."""
    calls = Calls(echo.address, "/bench.Echo/Echo", b"x" * 200, requests=count, clients=4, streams=16)
    before = echo.cpu()
    calls.rate()
    print(f"An echo of 200 bytes: {(echo.cpu() - before) * 1e6 / count:,.0f} µs.", flush=True)


def _run(served: Served, count: int) -> None:
    """So many runs, from the first create to the last end."""
    waiting = served.process.ask("unfinished")
    served.calls("CreateRun", served.new_run(), count).rate()
    while served.process.ask("unfinished") > waiting:
        time.sleep(0.05)


def _show(what: str, work: Callable[[], object], server: Process, count: int) -> None:
    """The stages of so many operations."""
    server.ask("stages")
    before = server.cpu()
    work()
    spent = (server.cpu() - before) * 1e6 / count
    found, clocks = server.ask("stages")
    spent -= clocks / 1e3 / count
    stages = {stage: nanoseconds / 1e3 / count for stage, nanoseconds in found.items()}
    print(f"\n| {what} | µs | |\n|---|--:|--:|")
    for stage, cost in sorted(stages.items(), key=lambda one: -one[1]):
        if cost >= 0.5:
            print(f"| {stage} | {cost:,.0f} | {cost / spent:.0%} |")
    rest = spent - sum(stages.values())
    print(f"| {_REST} | {rest:,.0f} | {rest / spent:.0%} |")
    print(f"| **all** | **{spent:,.0f}** | |", flush=True)


def _show_bytes(count: int) -> None:
    """What one whole run takes where it is stored, of so many."""
    with process("tests.bench.server") as server:
        _run(Served(server), count)
        events, pages = server.ask("stored")
    print("\n| stored of a whole run | how many | bytes |\n|---|--:|--:|")
    for kind, number, size in events:
        print(f"| event `{kind}` | {number / count:,.1f} | {size / count:,.0f} |")
    print(f"| **text of its events** | | **{sum(size for *_, size in events) / count:,.0f}** |")
    for table, size in pages:
        if size / count >= 50:
            print(f"| table `{table}` with its indexes, in pages | | {size / count:,.0f} |")
    print(f"| **in the database** | | **{sum(size for _, size in pages) / count:,.0f}** |")


if __name__ == "__main__":
    raise SystemExit(main())
