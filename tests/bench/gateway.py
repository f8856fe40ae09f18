"""Rows of the HTTP gateway, which runs in the server's process and event loop as in `errands serve`."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from functools import cached_property

from tests.bench.load import Gets, Process, process
from tests.bench.rpcs import GET
from tests.bench.served import Served
from tests.bench.table import BYTES, Form, Row

_OF_GET = Form("{:,.0f} /s", "{:.2f} of GetRun", GET)
_NOTES = {1_000: 100, 5_000: 20}  # as many deliveries


class GatewayRows:
    def __init__(self, served: Served, scale: float) -> None:
        self._served = served
        self._scale = scale

    def rows(self) -> list[Row]:
        return [
            Row("gateway GET, 64", self._get, _OF_GET, goal="0.50", stretch="0.60"),
            Row("SSE, 1,000 streams", lambda: self._deliveries(1_000), goal="4 E", stretch="5 E"),
            Row("SSE, 5,000 streams", lambda: self._deliveries(5_000), goal="3 E", stretch="4.5 E"),
            Row("idle SSE stream", self._idle, BYTES, goal="30 KB", stretch="20 KB"),
        ]

    def _scaled(self, count: int) -> int:
        return int(count * self._scale) or 1

    @cached_property
    def _paused(self) -> str:
        return self._served.paused()

    def _get(self) -> float:
        url = f"http://{self._served.process.http}/v1/runs/{self._paused}"
        return Gets(url, requests=self._scaled(6_000), clients=64).rate()

    def _deliveries(self, streams: int) -> float:
        """Deliveries per second: notes, one append each, until every stream has them and has ended."""
        run_id, server = self._served.paused(), self._served.process
        with _readers(self._served, run_id) as readers:
            opened = readers.ask("open", self._scaled(streams), self._head(run_id))
            # Whoever got one more event has read the past and follows live.
            server.ask("note", run_id, 1, 1)
            known = self._head(run_id)
            readers.ask("reach", known)
            began = time.perf_counter()
            readers.tell("finish")
            server.ask("note", run_id, _NOTES[streams], 1)
            server.ask("cancel", run_id)
            readers.hear()
            seconds = time.perf_counter() - began
            seen = readers.ask("seen")
        stored = self._served.sequences(run_id)
        if seen != [stored]:
            raise RuntimeError(f"{stored} are stored, {seen} were sent")
        return opened * (len(stored) - stored.index(known) - 1) / seconds

    def _head(self, run_id: str) -> int:
        return self._served.sequences(run_id)[-1]

    def _idle(self) -> float:
        """Bytes by which a fresh server grows with each stream, after a hundred."""
        with process("tests.bench.server") as server:
            served = Served(server)
            run_id = served.paused()
            head = served.sequences(run_id)[-1]
            with _readers(served, run_id) as readers:
                first = readers.ask("open", 100, head)
                before = server.ask("memory")
                every = readers.ask("open", self._scaled(2_000), head)
                return (server.ask("memory") - before) / (every - first)


def _readers(served: Served, run_id: str) -> AbstractContextManager[Process]:
    return process("tests.bench.readers", served.process.http, f"/v1/runs/{run_id}/sse")
