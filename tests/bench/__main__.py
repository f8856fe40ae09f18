"""Measures the service against the raw echo, interleaved, and prints medians and ratios."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable

import grpc

from errands.v1 import integration_pb2 as ipb
from errands.v1 import run_pb2 as rpb
from errands.v1.integration_pb2_grpc import IntegrationServiceStub
from errands.v1.run_pb2_grpc import RunServiceStub

from .load import KEY, Load, Process, process

META = (("x-api-key", KEY),)
RUNS = "/errands.v1.RunService/"
INTENT = "Create a customer named alpha, then create a project named beta, then create a ticket named gamma"
NOUNS = [
    "account",
    "address",
    "asset",
    "campaign",
    "card",
    "channel",
    "contract",
    "customer",
    "device",
    "document",
    "event",
    "folder",
    "goal",
    "group",
    "invoice",
    "label",
    "message",
    "note",
    "payment",
    "product",
    "project",
    "report",
    "task",
    "ticket",
    "webhook",
]


_SCHEMA = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
_ANSWER = {"type": "object", "properties": {"id": {"type": "string"}}}


def document() -> str:
    """A description of 50 tools: create and list for each of 25 kinds of things."""
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "bench", "version": "1"},
            "servers": [{"url": "http://bench.invalid"}],
            "paths": {f"/{noun}s": _path(noun) for noun in NOUNS},
        }
    )


def _path(noun: str) -> dict[str, object]:
    answer = {"200": {"description": "ok", "content": {"application/json": {"schema": _ANSWER}}}}
    body = {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}
    create = {"operationId": f"create_{noun}", "summary": f"Create a {noun}"}
    listing = {"operationId": f"list_{noun}s", "summary": f"List all {noun}s"}
    return {
        "post": {**create, "requestBody": body, "responses": answer},
        "get": {**listing, "responses": answer},
    }


class Bench:
    def __init__(self, echo: Process, server: Process, rounds: int, scale: float) -> None:
        self._echo = echo
        self._server = server
        self._rounds = rounds
        self._scale = scale
        self._channel = grpc.insecure_channel(server.address)
        self._service = RunServiceStub(self._channel)
        request = ipb.CreateIntegrationRequest(name="bench", openapi_document=document())
        self._integration = (
            IntegrationServiceStub(self._channel).CreateIntegration(request, metadata=META).integration.id
        )

    def new_run(self, **fields: object) -> rpb.CreateRunRequest:
        return rpb.CreateRunRequest(
            intent=INTENT, user_id="u", selected_customer_integration_ids=[self._integration], **fields
        )

    def paused(self) -> str:
        request = self.new_run(approval_strategy=rpb.APPROVAL_STRATEGY_ON_START)
        created = self._service.CreateRun(request, metadata=META)
        assert len(created.plan.details.steps) == 3, created.plan
        return created.run_id

    def load(
        self, method: str, message: object, requests: int, *, clients: int = 4, streams: int = 16
    ) -> Load:
        return Load(
            self._server.address,
            RUNS + method,
            message,
            requests=int(requests * self._scale) or 1,
            clients=clients,
            streams=streams,
        )

    def echo_rate(self) -> float:
        return Load(
            self._echo.address,
            "/bench.Echo/Echo",
            b"x" * 200,
            requests=int(20_000 * self._scale),
            clients=4,
            streams=16,
        ).rate()

    def echo_alone(self) -> float:
        return Load(
            self._echo.address,
            "/bench.Echo/Echo",
            b"x" * 200,
            requests=int(2_000 * self._scale),
            clients=1,
            streams=1,
        ).p50()

    def create(self) -> float:
        message = self.new_run(approval_strategy=rpb.APPROVAL_STRATEGY_ON_START)
        return self.load("CreateRun", message, 3_000).rate()

    def create_alone(self) -> float:
        message = self.new_run(approval_strategy=rpb.APPROVAL_STRATEGY_ON_START)
        return self.load("CreateRun", message, 300, clients=1, streams=1).p50()

    def get(self) -> float:
        return self.load("GetRun", rpb.GetRunRequest(run_id=self._paused), 6_000).rate()

    def whole(self) -> float:
        """Runs per second from the first create to the last end, 64 creates in flight."""
        waiting = self._server.ask("unfinished")
        count = int(2_000 * self._scale)
        began = time.perf_counter()
        self.load("CreateRun", self.new_run(), 2_000).rate()
        while self._server.ask("unfinished") > waiting:
            time.sleep(0.01)
        return count / (time.perf_counter() - began)

    def live(self) -> float:
        """Deliveries per second: notes, one append each, to 1,000 streams."""
        run_id = self.paused()
        head = self._service.GetRun(rpb.GetRunRequest(run_id=run_id), metadata=META).run.last_sequence
        notes = int(100 * self._scale) or 1
        load = Load(
            self._server.address,
            RUNS + "StreamRunEvents",
            rpb.StreamRunEventsRequest(run_id=run_id, after_sequence=head),
            requests=1_000,
            clients=10,
            streams=100,
        )
        running = load.start()
        time.sleep(3)  # every stream is attached by then: attaching takes far less
        began = time.perf_counter()
        self._server.ask("note", run_id, notes, 1)
        self._server.ask("cancel", run_id)
        load.report(running)
        return 1_000 * (notes + 3) / (time.perf_counter() - began)

    def replay(self) -> float:
        """Events per second of a long finished log to one stream."""
        run_id = self.paused()
        events = int(10_000 * self._scale)
        self._server.ask("note", run_id, events, 100)
        self._server.ask("cancel", run_id)
        load = self.load(
            "StreamRunEvents", rpb.StreamRunEventsRequest(run_id=run_id), 10, clients=1, streams=1
        )
        return events / load.p50()

    def table(self) -> None:
        self._paused = self.paused()
        measures: dict[str, Callable[[], float]] = {
            "E (echo, 64 in flight)": self.echo_rate,
            "echo, 1 in flight": self.echo_alone,
            "CreateRun, planned, 64": self.create,
            "CreateRun, planned, 1": self.create_alone,
            "GetRun, 64": self.get,
            "whole runs, 64": self.whole,
            "live, 1,000 streams": self.live,
            "replay, 10,000 events": self.replay,
        }
        found: dict[str, list[float]] = {name: [] for name in measures}
        for number in range(self._rounds):
            for name, measure in measures.items():
                found[name].append(measure())
            print(f"round {number + 1} of {self._rounds}", file=sys.stderr, flush=True)
        _print({name: statistics.median(values) for name, values in found.items()})


GOALS = {
    "CreateRun, planned, 64": "0.40 E",
    "CreateRun, planned, 1": "3.5 x",
    "GetRun, 64": "0.65 E",
    "whole runs, 64": "0.20 E",
    "live, 1,000 streams": "4.5 E",
    "replay, 10,000 events": "25 E",
}


def _print(medians: dict[str, float]) -> None:
    rate, alone = medians["E (echo, 64 in flight)"], medians["echo, 1 in flight"]
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    print(f"{'what':26} {'measured':>14} {'ratio':>9}   goal")
    for name, value in medians.items():
        single = name.endswith((", 1", ", 1 in flight"))
        shown = f"{value * 1e3:.2f} ms" if single else f"{value:,.0f} /s"
        ratio = f"{value / alone:.2f} x" if single else f"{value / rate:.2f} E"
        print(f"{name:26} {shown:>14} {ratio:>9}   {GOALS.get(name, '')}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of requests")
    options = parser.parse_args()
    with process("tests.bench.echo") as echo, process("tests.bench.server") as server:
        Bench(echo, server, options.rounds, options.scale).table()
    return 0


if __name__ == "__main__":
    sys.exit(main())
