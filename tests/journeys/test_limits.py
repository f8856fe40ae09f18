"""Calls wait for the limits of their integration: in turn, visibly, before they start, and never in vain."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from errands.v1 import event_pb2 as pb
from errands.v1 import integration_pb2, run_pb2
from errands_server.app import Overrides
from tests.contract.plans import READ, chain, steps
from tests.contract.target import PATHS
from tests.scripted import ScriptedPlanner
from tests.service import Service, serving
from tests.tools.loopback import Received, http
from tests.tools.loopback import service as loopback

OK = http(200, b"{}")


class Upstream:
    """A service that keeps when it was asked, and how many requests it had at the same time."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.targets: list[str] = []
        self.now = 0
        self.most = 0
        self.open = asyncio.Event()
        self.open.set()
        self.answers: list[bytes] = []  # before it answers well
        self.arrived = asyncio.Condition()

    async def behave(self, request: Received, writer: asyncio.StreamWriter) -> None:
        self.times.append(time.monotonic())
        self.targets.append(request.target)
        self.now += 1
        self.most = max(self.most, self.now)
        async with self.arrived:
            self.arrived.notify_all()
        await self.open.wait()
        self.now -= 1
        writer.write(self.answers.pop(0) if self.answers else OK)

    async def received(self, count: int) -> None:
        async with self.arrived, asyncio.timeout(20):
            await self.arrived.wait_for(lambda: len(self.times) >= count)


@asynccontextmanager
async def limited(folder: Path, plan: Any, **limits: Any) -> AsyncIterator[tuple[Service, Upstream]]:
    counter = Upstream()
    async with (
        loopback(counter.behave) as upstream,
        serving(folder / "data", Overrides(planner=ScriptedPlanner(plan))) as service,
    ):
        await add(service, upstream.origin, **limits)
        yield service, counter


async def add(service: Service, origin: str, name: str = "counter", **limits: Any) -> str:
    described = document(origin)
    request = integration_pb2.CreateIntegrationRequest(
        name=name, openapi_document=described, internal=True, **limits
    )
    return str((await service.integrations.CreateIntegration(request)).integration.id)


def document(origin: str) -> str:
    info = {"title": "t", "version": "1"}
    return json.dumps({"openapi": "3.1.0", "info": info, "servers": [{"url": origin}], "paths": PATHS})


def by_intent(brief: Any) -> Any:
    """As many independent reads as the intent says, each with the intent's own word."""
    word, count = brief.intent.split()
    return steps(*[("readThings", {"q": word})] * int(count))(brief)


def notes(events: list[pb.RunEvent]) -> list[str]:
    return [event.note.text for event in events if event.HasField("note")]


async def test_no_more_calls_arrive_in_any_second_than_the_rate_allows(tmp_path: Path) -> None:
    async with limited(tmp_path, by_intent, rate_limit="3/s") as (service, counter):
        created = await service.create("a 8")
        events = await service.events(created.run_id, include_tool_calls=True)

    assert events[-1].status == pb.RUN_STATUS_SUCCESS
    assert len(counter.times) == 8
    # What is counted is when calls leave; on a busy machine each takes its time to get here.
    gaps = [later - earlier for earlier, later in zip(counter.times, counter.times[3:], strict=False)]
    assert min(gaps) > 0.3, gaps
    assert 1.0 < counter.times[-1] - counter.times[0] < 10
    assert any("3 a second" in text and "readThings" in text for text in notes(events))
    # It waits before it starts: no attempt was stored, let alone given up.
    assert [e.tool_call.attempt for e in events if e.HasField("tool_call")] == [1] * 8


async def test_a_run_with_many_calls_lets_another_ones_call_through(tmp_path: Path) -> None:
    async with limited(tmp_path, by_intent, rate_limit="2/s") as (service, counter):
        greedy = await service.create("greedy 10")
        await counter.received(2)
        modest = await service.create("modest 1")
        await service.finished(modest.run_id)
        before = len([target for target in counter.targets if "greedy" in target])
        await service.finished(greedy.run_id)

    assert before <= 5
    assert len(counter.times) == 11


async def test_no_more_calls_are_under_way_than_there_are_places(tmp_path: Path) -> None:
    async with limited(tmp_path, by_intent, max_concurrency=2) as (service, counter):
        counter.open.clear()
        runs = [await service.create(f"r{n} 3") for n in range(3)]
        await counter.received(2)
        told = await service.until(runs[-1].run_id, "note")
        counter.open.set()
        ended = [await service.finished(run.run_id) for run in runs]

    assert counter.most == 2
    assert "no more than 2 at a time" in told.note.text
    assert [run.status for run in ended] == [pb.RUN_STATUS_SUCCESS] * 3
    assert Counter(target[-2:] for target in counter.targets) == {"r0": 3, "r1": 3, "r2": 3}


async def test_runs_take_turns_for_places(tmp_path: Path) -> None:
    async with limited(tmp_path, by_intent, max_concurrency=1) as (service, counter):
        counter.open.clear()
        runs = [await service.create(f"r{n} 4") for n in range(3)]
        await counter.received(1)
        await asyncio.gather(*(service.until(run.run_id, "note") for run in runs))
        counter.open.set()
        for run in runs:
            await service.finished(run.run_id)
        served = [target[-2:] for target in counter.targets]

    # While all three wait, none is served twice in a row.
    assert all(earlier != later for earlier, later in pairwise(served[1:9])), served


@pytest.mark.parametrize("limits", [{"rate_limit": "1/h"}, {"max_concurrency": 1}], ids=["rate", "places"])
async def test_cancelling_a_run_that_waits_ends_it_at_once_and_frees_what_it_waited_for(
    tmp_path: Path, limits: dict[str, Any]
) -> None:
    async with limited(tmp_path, by_intent, **limits) as (service, counter):
        counter.open.clear()
        first = await service.create("first 1")
        await counter.received(1)
        waiting = await service.create("waiting 2")
        await service.until(waiting.run_id, "note")
        began = time.monotonic()
        canceled = await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=waiting.run_id))
        took = time.monotonic() - began
        counter.open.set()
        done = await service.finished(first.run_id)
        if "max_concurrency" in limits:
            await service.finished((await service.create("third 1")).run_id)

    assert canceled.run.status == pb.RUN_STATUS_CANCELED
    assert took < 2
    assert done.status == pb.RUN_STATUS_SUCCESS
    assert not [target for target in counter.targets if "waiting" in target]


async def test_a_wait_outlives_the_server(tmp_path: Path) -> None:
    counter = Upstream()
    async with loopback(counter.behave) as upstream:
        async with serving(tmp_path / "data", Overrides(planner=ScriptedPlanner(by_intent))) as service:
            await add(service, upstream.origin, rate_limit="20/m")
            created = await service.create("a 21")
            await counter.received(20)
            note = await service.until(created.run_id, "note")
        async with serving(tmp_path / "data", Overrides(planner=ScriptedPlanner(by_intent))) as service:
            again = await service.until(created.run_id, "note")
            run = await service.get(created.run_id)
            await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=created.run_id))

    assert again.sequence == note.sequence
    assert run.status == pb.RUN_STATUS_RUNNING
    assert len(counter.times) == 20


RETRY_AFTER: dict[str, Callable[[], str]] = {
    "seconds": lambda: "2",
    "date": lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True),
}


@pytest.mark.parametrize("form", RETRY_AFTER)
async def test_a_service_that_asks_for_a_pause_gets_it_from_every_run(tmp_path: Path, form: str) -> None:
    async with limited(tmp_path, by_intent) as (service, counter):
        counter.answers.append(http(429, Retry_After=RETRY_AFTER[form]()))
        first = await service.create("a 1")
        told = await service.until(first.run_id, "note")
        others = [await service.create(f"b{n} 2", user_id=f"user-{n}") for n in range(3)]
        held = [await service.until(run.run_id, "note") for run in others]
        before = len(counter.times)
        ended = [await service.finished(run.run_id) for run in (first, *others)]

    assert before == 1
    assert "rate limit" in told.note.text
    assert all("asked for a pause" in event.note.text for event in held)
    assert min(counter.times[1:]) - counter.times[0] > 1.9
    assert {run.status for run in ended} == {pb.RUN_STATUS_SUCCESS}


async def test_a_pause_is_one_integrations_and_no_other_ones(tmp_path: Path) -> None:
    calm = Upstream()
    async with (
        loopback(calm.behave) as elsewhere,
        limited(tmp_path, by_intent) as (service, counter),
    ):
        counter.answers.append(http(429, Retry_After="3600"))
        paused = await service.create("a 1")
        await service.until(paused.run_id, "note")
        other = await add(service, elsewhere.origin, "calm")
        run = await service.finished((await service.create("b 2", other)).run_id)
        await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=paused.run_id))

    assert run.status == pb.RUN_STATUS_SUCCESS
    assert (len(counter.times), len(calm.times)) == (1, 2)


async def test_a_failed_call_gives_its_place_back(tmp_path: Path) -> None:
    async with limited(tmp_path, by_intent, max_concurrency=1) as (service, counter):
        counter.answers += [http(400), b"garbage\r\n\r\n", http(404)]
        for _ in range(4):
            await service.finished((await service.create("a 1")).run_id)

    assert counter.most == 1
    assert len(counter.times) >= 4


async def test_a_write_waits_as_a_read_does_and_has_its_effect_once(tmp_path: Path) -> None:
    plan = chain(READ, ("writeThing", {"body": {"n": 1}}), READ)
    async with limited(tmp_path, plan, rate_limit="1/s") as (service, counter):
        run = await service.finished((await service.create("do")).run_id)

    assert run.status == pb.RUN_STATUS_SUCCESS
    assert len(counter.times) == 3
    assert all(later - earlier > 0.3 for earlier, later in pairwise(counter.times))


@pytest.mark.parametrize("limits", [{"rate_limit": "2/m"}, {"max_concurrency": 1}], ids=["rate", "places"])
async def test_runs_of_one_tenant_that_wait_keep_no_other_tenants_runs_from_working(
    tmp_path: Path, limits: dict[str, Any]
) -> None:
    counter, calm = Upstream(), Upstream()
    overrides = Overrides(planner=ScriptedPlanner(by_intent))
    async with (
        loopback(counter.behave) as upstream,
        loopback(calm.behave) as elsewhere,
        serving(tmp_path / "data", overrides, max_active=3) as service,
    ):
        counter.open.clear()
        await add(service, upstream.origin, **limits)
        waiting = [await service.create("a 2", plan_wait_ms=1) for _ in range(6)]
        stranger = await service.stranger("others", "operator")
        await add(stranger, elsewhere.origin)
        runs = [await stranger.create("b 2", plan_wait_ms=1) for _ in range(6)]
        ended = [await stranger.finished(run.run_id) for run in runs]
        for run in waiting:
            await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=run.run_id))
        counter.open.set()

    assert {run.status for run in ended} == {pb.RUN_STATUS_SUCCESS}
    assert len(calm.times) == 12
    assert len(counter.times) <= 2
