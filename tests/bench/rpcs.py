"""Rows of the gRPC interface, and the raw echo they are shown against."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import cached_property

from errands.v1 import run_pb2 as rpb

from .load import Calls, Process
from .served import Served
from .table import ECHO, RATE, SECONDS, Row

GET = "GetRun, 64"
_STREAMS = 1_000


class GrpcRows:
    def __init__(self, echo: Process, served: Served, scale: float) -> None:
        self._echo = echo
        self._served = served
        self._scale = scale
        self._costs: dict[str, list[float]] = {}

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

    def _row(
        self, name: str, measure: Callable[[], tuple[float, int]], goal: str = "", stretch: str = ""
    ) -> Row:
        """A rate, with the processor time that one operation took the server."""

        def timed() -> float:
            began = self._served.process.cpu()
            rate, operations = measure()
            costs = self._costs.setdefault(name, [])
            costs.append((self._served.process.cpu() - began) / operations)
            return rate

        return Row(name, timed, RATE, goal, stretch, lambda: statistics.median(self._costs[name]))

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

    def _create(self) -> tuple[float, int]:
        message = self._served.new_run(approval_strategy=rpb.APPROVAL_STRATEGY_ON_START)
        count = self._scaled(3_000)
        return self._served.calls("CreateRun", message, count).rate(), count

    def _create_unseen(self) -> tuple[float, int]:
        """The same, with a planner that remembers no plan."""
        self._served.process.ask("remember_plans", 0)
        try:
            return self._create()
        finally:
            self._served.process.ask("remember_plans", 1)

    def _create_alone(self) -> float:
        message = self._served.new_run(approval_strategy=rpb.APPROVAL_STRATEGY_ON_START)
        return self._served.calls("CreateRun", message, self._scaled(300), clients=1, streams=1).p50()

    @cached_property
    def _paused(self) -> str:
        """The run that is read again and again."""
        return self._served.paused()

    def _get(self) -> tuple[float, int]:
        count = self._scaled(6_000)
        return self._served.calls("GetRun", rpb.GetRunRequest(run_id=self._paused), count).rate(), count

    def _durable(self) -> tuple[float, int]:
        """Events per second stored by appends of one event each, to 256 runs at once."""
        count = self._scaled(100) * 256
        return count / self._served.process.ask("append", 256, count // 256), count

    def _whole(self) -> tuple[float, int]:
        """Runs per second from the first create to the last end, 64 creates in flight."""
        waiting = self._served.process.ask("unfinished")
        count = self._scaled(2_000)
        began = time.perf_counter()
        self._served.calls("CreateRun", self._served.new_run(), count).rate()
        while self._served.process.ask("unfinished") > waiting:
            time.sleep(0.01)
        return count / (time.perf_counter() - began), count

    def _live(self) -> tuple[float, int]:
        """Deliveries per second: notes, one append each, to 1,000 streams."""
        run_id = self._served.paused()
        head = self._served.sequences(run_id)[-1]
        notes = self._scaled(100)
        request = rpb.StreamRunEventsRequest(run_id=run_id, after_sequence=head)
        load = self._served.calls("StreamRunEvents", request, _STREAMS, clients=10, streams=100)
        running = load.start()
        time.sleep(3)  # every stream is attached by then: attaching takes far less
        began = time.perf_counter()
        self._served.process.ask("note", run_id, notes, 1)
        self._served.process.ask("cancel", run_id)
        load.report(running)
        count = _STREAMS * (notes + 3)
        return count / (time.perf_counter() - began), count

    def _replay(self) -> tuple[float, int]:
        """Events per second of a long finished log to one stream."""
        run_id = self._served.paused()
        events = self._scaled(10_000)
        self._served.process.ask("note", run_id, events, 100)
        self._served.process.ask("cancel", run_id)
        request = rpb.StreamRunEventsRequest(run_id=run_id)
        times = 10
        seconds = self._served.calls("StreamRunEvents", request, times, clients=1, streams=1).p50()
        return events / seconds, events * times
