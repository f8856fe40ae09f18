"""Rows of the gRPC interface, and the raw echo they are shown against."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import cached_property

from msgspec import Struct

from errands.v1 import run_pb2 as rpb
from tests.bench.load import Calls, Load, Process
from tests.bench.served import Served
from tests.bench.table import ECHO, RATE, SECONDS, Row
from tests.bench.unseen import Unseen

GET = "GetRun, 64"
_STREAMS = 1_000


class Measured(Struct, frozen=True):
    """What was measured of one operation, without what prepared for it."""

    rate: float  # a second
    cpu: float  # seconds of the server's processor time for one


class GrpcRows:
    def __init__(self, echo: Process, served: Served, scale: float) -> None:
        self._echo = echo
        self._served = served
        self._scale = scale

    def rows(self) -> list[Row]:
        return [
            Row(ECHO, self._echo_rate),
            Row(SECONDS.against, self._echo_alone, SECONDS),
            self._row("CreateRun, planned, 64", self._create, "0.40 E", "0.50 E"),
            self._row("CreateRun, intents never seen, 64", self._create_unseen),
            Row("CreateRun, planned, 1", self._create_alone, SECONDS, "3.5 x", "2.8 x"),
            self._row(GET, self._get, "0.65 E", "0.8 E"),
            self._row("whole runs, 64", self._whole, "0.20 E", "0.30 E"),
            self._row("durable events, 256 runs", self._durable, "3 E", "4.5 E"),
            self._row("live, 1,000 streams", self._live, "4.5 E", "5 E"),
            self._row("replay, 10,000 events", self._replay, "25 E", "200 E"),
        ]

    def _row(self, name: str, measure: Callable[[], Measured], goal: str = "", stretch: str = "") -> Row:
        """A rate, with the processor time that one operation took the server."""
        costs: list[float] = []

        def timed() -> float:
            measured = measure()
            costs.append(measured.cpu)
            return measured.rate

        return Row(name, timed, RATE, goal, stretch, lambda: statistics.median(costs))

    def _done(self, work: Callable[[], object], count: int) -> Measured:
        """So many operations, by the clock of this process."""
        cpu, began = self._served.process.cpu(), time.perf_counter()
        work()
        seconds = time.perf_counter() - began
        return Measured(count / seconds, (self._served.process.cpu() - cpu) / count)

    def _loaded(self, load: Load, count: int) -> Measured:
        """So many operations, by h2load's own clock."""
        cpu = self._served.process.cpu()
        rate = load.rate()
        return Measured(rate, (self._served.process.cpu() - cpu) / count)

    def _scaled(self, count: int) -> int:
        return int(count * self._scale) or 1

    def _echoes(self, requests: int, *, clients: int, streams: int) -> Calls:
        return Calls(
            self._echo.address,
            "/bench.Echo/Echo",
            b"x" * 200,
            requests=self._scaled(requests),
            clients=clients,
            streams=streams,
        )

    def _echo_rate(self) -> float:
        return self._echoes(20_000, clients=4, streams=16).rate()

    def _echo_alone(self) -> float:
        return self._echoes(2_000, clients=1, streams=1).p50()

    def _create(self) -> Measured:
        message = self._served.new_run(approval_strategy=rpb.APPROVAL_STRATEGY_ON_START)
        count = self._scaled(3_000)
        return self._loaded(self._served.calls("CreateRun", message, count), count)

    def _create_unseen(self) -> Measured:
        """The same, where every request asks for something else, in names never read before."""
        count = self._scaled(3_000)
        with Unseen(self._served, count) as unseen:
            return self._done(unseen.create, count)

    def _create_alone(self) -> float:
        message = self._served.new_run(approval_strategy=rpb.APPROVAL_STRATEGY_ON_START)
        return self._served.calls("CreateRun", message, self._scaled(300), clients=1, streams=1).p50()

    @cached_property
    def _paused(self) -> str:
        """The run that is read again and again."""
        return self._served.paused()

    def _get(self) -> Measured:
        count = self._scaled(6_000)
        request = rpb.GetRunRequest(run_id=self._paused)
        return self._loaded(self._served.calls("GetRun", request, count), count)

    def _durable(self) -> Measured:
        """Events stored by appends of one event each, to 256 runs at once."""
        each = self._scaled(100)
        seconds, cpu = self._served.process.ask("append", 256, each)
        return Measured(256 * each / seconds, cpu / (256 * each))

    def _whole(self) -> Measured:
        """Runs from the first create to the last end, 64 creates in flight."""
        waiting = self._served.process.ask("unfinished")
        count = self._scaled(2_000)

        def work() -> None:
            self._served.calls("CreateRun", self._served.new_run(), count).rate()
            while self._served.process.ask("unfinished") > waiting:
                time.sleep(0.01)

        return self._done(work, count)

    def _live(self) -> Measured:
        """Deliveries of notes, one append each, to 1,000 streams that are attached."""
        run_id = self._served.paused()
        head = self._served.sequences(run_id)[-1]
        notes = self._scaled(100)
        request = rpb.StreamRunEventsRequest(run_id=run_id, after_sequence=head)
        load = self._served.calls("StreamRunEvents", request, _STREAMS, clients=10, streams=100)
        running = load.start()
        time.sleep(3)  # every stream is attached by then: attaching takes far less

        def work() -> None:
            self._served.process.ask("note", run_id, notes, 1)
            self._served.process.ask("cancel", run_id)
            load.report(running)

        return self._done(work, _STREAMS * (notes + 3))

    def _replay(self) -> Measured:
        """Events of a long finished log to one stream."""
        run_id = self._served.paused()
        events = self._scaled(10_000)
        self._served.process.ask("note", run_id, events, 100)
        self._served.process.ask("cancel", run_id)
        times = 10
        request = rpb.StreamRunEventsRequest(run_id=run_id)
        load = self._served.calls("StreamRunEvents", request, times, clients=1, streams=1)
        streams = self._loaded(load, times)
        return Measured(streams.rate * events, streams.cpu / events)
