"""How the cost of a request grows with what is stored and who listens: `python -m tests.bench.growth`.

Tables as Markdown on standard output, and a small plot of each into docs/performance/.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc

from errands.v1 import integration_pb2 as ipb
from errands.v1 import run_pb2 as rpb
from errands.v1.integration_pb2_grpc import IntegrationServiceStub
from errands.v1.run_pb2_grpc import RunServiceStub
from tests.bench.load import KEY, Calls, Process, process
from tests.bench.plot import Line, plot
from tests.bench.seeding import copy, copy_id
from tests.bench.served import Served, document
from tests.bench.unseen import intents
from tests.databases import ELSEWHERE

META: Final = (("x-api-key", KEY),)
PLOTS: Final = Path("docs/performance")
ASKED: Final = 300  # requests of each kind, one after the other


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="the largest number of stored runs")
    parser.add_argument("--only", default="", help="parts whose names hold this word")
    options = parser.parse_args()
    PLOTS.mkdir(exist_ok=True)
    parts: dict[str, Callable[[], None]] = {
        "stored": lambda: stored([n for n in (1_000, 10_000, 100_000, 1_000_000) if n <= options.runs]),
        "flight": in_flight,
        "events": events,
        "subscribers": subscribers,
        "catalogue": catalog,
    }
    for name, part in parts.items():
        if options.only in name:
            part()
    return 0


def stored(sizes: Sequence[int]) -> None:
    """List, GetRun and attaching a stream, over ever more finished runs."""
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=".", prefix=".errands-bench-") as folder:
            with process("tests.bench.server", folder) as server:
                run_id = _finished(server)
            copy(Path(folder), run_id, size)
            with process("tests.bench.server", folder) as server:
                rows.append((size, *_asked(server, run_id, size)))
    _table("runs stored", ("list of 10", "list of one user", "GetRun", "stream attached"), rows, "stored")


def _finished(server: Process) -> str:
    """A run that was refused at once: the shortest log there is."""
    with _stub(server) as runs:
        Served(server)
        request = rpb.CreateRunRequest(
            intent="sing a song", user_id="u", selected_customer_integration_ids=["*"]
        )
        run_id = runs.CreateRun(request, metadata=META).run_id
        for _ in runs.StreamRunEvents(rpb.StreamRunEventsRequest(run_id=run_id), metadata=META):
            pass
        return str(run_id)


def _asked(server: Process, run_id: str, size: int) -> list[float]:
    """Median milliseconds of each kind of request, every time for another run."""
    ids = [copy_id(run_id, random.randint(1, size)) for _ in range(ASKED)]
    with _stub(server) as runs:

        def attach(run: str) -> Any:
            return next(iter(runs.StreamRunEvents(rpb.StreamRunEventsRequest(run_id=run), metadata=META)))

        kinds: list[Callable[[str], Any]] = [
            lambda _: runs.ListRuns(rpb.ListRunsRequest(page_size=10), metadata=META),
            lambda _: runs.ListRuns(rpb.ListRunsRequest(page_size=10, user_id="u"), metadata=META),
            lambda run: runs.GetRun(rpb.GetRunRequest(run_id=run), metadata=META),
            attach,
        ]
        for kind in kinds:
            for run in ids[:20]:
                kind(run)
        return [_median(kind, ids) for kind in kinds]


def _median(ask: Callable[[Any], Any], given: Sequence[Any]) -> float:
    times = []
    for one in given:
        began = time.perf_counter()
        ask(one)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1_000


def in_flight() -> None:
    """Whole runs per second, and the server's processor time for each, with ever more creates in flight."""
    rows = []
    with process("tests.bench.server") as server:
        served = Served(server)
        for streams in (1, 4, 16, 64, 256):
            clients = min(4, streams)
            waiting, count = server.ask("unfinished"), 300 if streams == 1 else 1_500
            cpu, began = server.cpu(), time.perf_counter()
            served.calls(
                "CreateRun", served.new_run(), count, clients=clients, streams=streams // clients
            ).rate()
            while server.ask("unfinished") > waiting:
                time.sleep(0.01)
            seconds = time.perf_counter() - began
            rows.append((streams, count / seconds, (server.cpu() - cpu) / count * 1_000))
    _table("in flight", ("runs a second", "CPU ms a run"), rows, "in-flight")


def events() -> None:
    """Reading a run's whole log, and GetRun, with ever more events in it."""
    rows = []
    with process("tests.bench.server") as server, _stub(server) as runs:
        served = Served(server)
        for size in (10, 100, 1_000, 10_000):
            run_id = served.paused()
            server.ask("note", run_id, size, 10)
            server.ask("cancel", run_id)
            request = rpb.StreamRunEventsRequest(run_id=run_id)
            seconds = Calls(
                server.address,
                "/errands.v1.RunService/StreamRunEvents",
                request,
                requests=10,
                clients=1,
                streams=1,
            ).p50()
            get = _median(
                lambda one: runs.GetRun(rpb.GetRunRequest(run_id=one), metadata=META), [run_id] * 100
            )
            rows.append((size, seconds * 1_000, seconds / size * 1e6, get))
    _table("events in the log", ("replay ms", "µs an event", "GetRun ms"), rows, "events")


def subscribers() -> None:
    """The processor time of a delivery, with ever more streams of one run."""
    rows = []
    for streams in (1, 10, 100, 1_000):
        with process("tests.bench.server") as server:
            served = Served(server)
            run_id = served.paused()
            request = rpb.StreamRunEventsRequest(run_id=run_id, after_sequence=served.sequences(run_id)[-1])
            clients = min(10, streams)
            load = served.calls(
                "StreamRunEvents", request, streams, clients=clients, streams=streams // clients
            )
            running, notes = load.start(), 200
            time.sleep(2)  # every stream is attached by then
            cpu, began = server.cpu(), time.perf_counter()
            server.ask("note", run_id, notes, 1)
            server.ask("cancel", run_id)
            load.report(running)
            count = streams * (notes + 3)
            rows.append((streams, count / (time.perf_counter() - began), (server.cpu() - cpu) / count * 1e6))
    _table("streams of one run", ("deliveries a second", "CPU µs a delivery"), rows, "subscribers")


def catalog() -> None:
    """Planning an intent that was not planned before, over ever more tools."""
    rows = []
    for copies in (1, 4, 16):
        with process("tests.bench.server") as server, _stub(server) as runs:
            served = Served(server)
            request = _with_tools(server, served, copies)
            asked = [_asking(request, intent) for _, intent in zip(range(55), intents(), strict=False)]
            for one in asked[:5]:
                runs.CreateRun(one, metadata=META)
            planned = _median(lambda one: runs.CreateRun(one, metadata=META), asked[5:])
            rows.append((50 * copies, planned))
    _table("tools", ("CreateRun ms, never seen",), rows, "catalogue")


def _asking(request: rpb.CreateRunRequest, intent: str) -> rpb.CreateRunRequest:
    """The same for another intent."""
    other = rpb.CreateRunRequest()
    other.CopyFrom(request)
    other.intent = intent
    return other


def _with_tools(server: Process, served: Served, copies: int) -> rpb.CreateRunRequest:
    """A new run over the usual 50 tools and as many others again as wanted."""
    described = json.loads(document())
    usual = dict(described["paths"])
    for number in range(1, copies):
        described["paths"] |= {f"/{number}{path}": _renamed(item, number) for path, item in usual.items()}
    with grpc.insecure_channel(server.address) as channel:
        request = ipb.CreateIntegrationRequest(name="many", openapi_document=json.dumps(described))
        made = IntegrationServiceStub(channel).CreateIntegration(request, metadata=META).integration
    run = served.new_run(approval_strategy=rpb.APPROVAL_STRATEGY_ON_START)
    run.selected_customer_integration_ids[:] = [made.id]
    return run


def _renamed(item: dict[str, Any], number: int) -> dict[str, Any]:
    """The operations of a path under other names."""
    names = {method: f"{operation['operationId']}_{number}" for method, operation in item.items()}
    return {
        method: {**operation, "operationId": names[method], "summary": f"{operation['summary']} {number}"}
        for method, operation in item.items()
    }


@contextmanager
def _stub(server: Process) -> Iterator[Any]:
    with grpc.insecure_channel(server.address) as channel:
        yield RunServiceStub(channel)


def _table(what: str, columns: Sequence[str], rows: Sequence[Sequence[float]], name: str) -> None:
    print(f"| {what} | {' | '.join(columns)} |\n|--:|{'--:|' * len(columns)}")
    for size, *values in rows:
        print(f"| {size:,} | {' | '.join(f'{value:,.2f}' for value in values)} |")
    print(flush=True)
    lines = [Line(column, [(row[0], row[n + 1]) for row in rows]) for n, column in enumerate(columns)]
    file = f"postgres-{name}.svg" if ELSEWHERE else f"{name}.svg"
    (PLOTS / file).write_text(plot(what, lines))


if __name__ == "__main__":
    raise SystemExit(main())
