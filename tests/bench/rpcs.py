"""Rows of the gRPC interface, and the raw echo they are shown against."""

from __future__ import annotations

import time
from functools import cached_property

from errands.v1 import run_pb2 as rpb

from .load import Calls, Process
from .served import Served
from .table import ECHO, SECONDS, Row

GET = "GetRun, 64"
_STREAMS = 1_000


class GrpcRows:
    def __init__(self, echo: Process, served: Served, scale: float) -> None:
        self._echo = echo
        self._served = served
        self._scale = scale

    def rows(self) -> list[Row]:
        return [
            Row(ECHO, self._echo_rate),
            Row(SECONDS.against, self._echo_alone, SECONDS),
            Row("CreateRun, planned, 64", self._create, goal="0.40 E"),
            Row("CreateRun, planned, 1", self._create_alone, SECONDS, goal="3.5 x"),
            Row(GET, self._get, goal="0.65 E"),
            Row("whole runs, 64", self._whole, goal="0.20 E"),
            Row("live, 1,000 streams", self._live, goal="4.5 E"),
            Row("replay, 10,000 events", self._replay, goal="25 E"),
        ]

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

    def _create(self) -> float:
        message = self._served.new_run(approval_strategy=rpb.APPROVAL_STRATEGY_ON_START)
        return self._served.calls("CreateRun", message, self._scaled(3_000)).rate()

    def _create_alone(self) -> float:
        message = self._served.new_run(approval_strategy=rpb.APPROVAL_STRATEGY_ON_START)
        return self._served.calls("CreateRun", message, self._scaled(300), clients=1, streams=1).p50()

    @cached_property
    def _paused(self) -> str:
        """The run that is read again and again."""
        return self._served.paused()

    def _get(self) -> float:
        return self._served.calls(
            "GetRun", rpb.GetRunRequest(run_id=self._paused), self._scaled(6_000)
        ).rate()

    def _whole(self) -> float:
        """Runs per second from the first create to the last end, 64 creates in flight."""
        waiting = self._served.process.ask("unfinished")
        count = self._scaled(2_000)
        began = time.perf_counter()
        self._served.calls("CreateRun", self._served.new_run(), count).rate()
        while self._served.process.ask("unfinished") > waiting:
            time.sleep(0.01)
        return count / (time.perf_counter() - began)

    def _live(self) -> float:
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
        return _STREAMS * (notes + 3) / (time.perf_counter() - began)

    def _replay(self) -> float:
        """Events per second of a long finished log to one stream."""
        run_id = self._served.paused()
        events = self._scaled(10_000)
        self._served.process.ask("note", run_id, events, 100)
        self._served.process.ask("cancel", run_id)
        request = rpb.StreamRunEventsRequest(run_id=run_id)
        return events / self._served.calls("StreamRunEvents", request, 10, clients=1, streams=1).p50()
