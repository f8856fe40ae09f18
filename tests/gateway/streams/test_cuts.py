"""Connections that break: what a reader got in all is the log, in order, once."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import sseclient

from tests.contract.conftest import Serve
from tests.contract.plans import chain
from tests.gateway.streams.proxy import cutting
from tests.gateway.streams.readers import client, log
from tests.scripted import ScriptedPlanner

CUTS = 100


def sizes(seed: int) -> Iterator[int]:
    chance = random.Random(seed)
    return (chance.randrange(1, 6_000) for _ in range(CUTS))


def read_through(url: str, key: str) -> list[dict[str, Any]]:
    """What a reader gets who comes back from its cursor until there is nothing more."""
    seen: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    with httpx2.Client(headers={"x-api-key": key}, verify=False) as http:
        while True:
            try:
                with http.stream("GET", url, headers={"connection": "close", **cursor}) as answer:
                    if answer.status_code == 204:
                        return seen
                    for event in sseclient.SSEClient(answer.iter_raw()).events():
                        seen.append(json.loads(event.data))
                        cursor = {"last-event-id": event.id}
            except httpx2.TransportError:
                continue


@pytest.mark.parametrize("live", [True, False])
async def test_through_a_hundred_cuts_a_reader_gets_the_log_in_order_and_once(
    serve: Serve, live: bool
) -> None:
    planner = ScriptedPlanner(chain(*[("readThings", *[{"q": "x" * 200}] * 3)] * 60))
    async with serve(planner) as service:
        if live:
            planner.may_plan.clear()
        run_id = (await service.create("do", plan_wait_ms=0)).run_id
        if not live:
            await service.finished(run_id)
        async with cutting(service.app.http_address, sizes(seed=1)) as cutter:
            url = f"http://{cutter.address}/v1/runs/{run_id}/sse?includeToolCalls=true"
            reading = asyncio.create_task(asyncio.to_thread(read_through, url, service.key))
            planner.may_plan.set()
            await service.finished(run_id)
            cuts_while_it_ran = cutter.cuts
            seen = await reading
        async with client(service.app.http_address, service.key) as http:
            whole = await log(http, run_id, tool_calls=True)

    assert cutter.cuts == CUTS
    assert (cuts_while_it_ran > 5) == live
    assert seen == whole
