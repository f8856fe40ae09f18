"""The cache of tool indexes: tools are read once, beside the event loop, and kept within bounds."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest

from errands.v1 import integration_pb2
from errands_server.domain.tool import ToolRef
from errands_server.lru import LruCache
from errands_server.planners.catalog import tool_index
from errands_server.planners.catalog.tool_index import ToolIndexCache
from errands_server.ports import Candidate
from tests.planners.catalogs import SHOP, TEXT, thing, tool
from tests.service import Service

MANY = 1_500  # tools, which take the planner longer than several requests take the server


def crowd(number: int) -> list[Candidate]:
    return [
        tool(f"getThing{n}", f"Get thing {n}", "GET", f"/things{n}/{{id}}", thing("id", id=TEXT))
        for n in range(number)
    ]


def document(operations: int) -> str:
    told = "Gets one of the things that are kept here, with all that is known of it and of its parts."
    schema = {"type": "object", "properties": {f"part_{n}": {**TEXT, "description": told} for n in range(20)}}
    answer = {"200": {"description": "It", "content": {"application/json": {"schema": schema}}}}
    parameter = {"name": "id", "in": "path", "required": True, "schema": TEXT}
    paths: dict[str, Any] = {
        f"/things{n}/{{id}}": {
            "get": {"operationId": f"getThing{n}", "summary": f"Get thing {n}", "description": told}
            | {"parameters": [parameter], "responses": answer}
        }
        for n in range(operations)
    }
    info = {"title": "Things", "version": "1"}
    servers = [{"url": "http://127.0.0.1:1"}]
    return json.dumps({"openapi": "3.1.0", "info": info, "servers": servers, "paths": paths})


async def test_many_who_wait_for_the_same_tools_have_them_read_once(monkeypatch: pytest.MonkeyPatch):
    add_forms, made = tool_index.add_forms, []

    def counted(profiles: Any) -> Any:
        made.append(None)
        return add_forms(profiles)

    monkeypatch.setattr(tool_index, "add_forms", counted)
    cache, candidates = ToolIndexCache(), crowd(100)
    await asyncio.gather(*(cache.index(list(candidates)) for _ in range(5)))

    assert len(made) == 1


async def test_other_requests_are_answered_while_the_first_plan_over_many_tools_is_made(service: Service):
    request = integration_pb2.CreateIntegrationRequest(
        name="things", openapi_document=document(MANY), internal=True
    )
    await service.integrations.CreateIntegration(request)
    planning = asyncio.create_task(service.create("Get thing 7 with the id t_7", validate_only=True))
    answered = 0
    while not planning.done():
        await service.integrations.ListIntegrations(integration_pb2.ListIntegrationsRequest())
        answered += 1

    assert (await planning).HasField("plan")
    # Some 100. A plan made on the loop lets 6 through; a thread that keeps the interpreter, 10.
    assert answered > 25


async def test_those_who_wait_for_the_same_tools_are_given_one_catalog():
    cache, tools = ToolIndexCache(), crowd(50)

    one, other = await asyncio.gather(cache.index(tools), cache.index(tools))

    assert one is other is await cache.index(tools)


async def test_one_who_gives_up_takes_the_catalog_from_nobody():
    cache, tools = ToolIndexCache(), crowd(50)
    hasty = asyncio.create_task(cache.index(tools))
    patient = asyncio.create_task(cache.index(tools))
    await asyncio.sleep(0)  # both have begun to wait
    hasty.cancel()

    with suppress(asyncio.CancelledError):
        await hasty
    assert len((await patient).profiles) == 50


async def test_catalogs_are_kept_up_to_so_many_tools_and_the_latest_always():
    cache = ToolIndexCache(tools=5)
    small, other, large = SHOP[:2], SHOP[2:4], SHOP
    first = await cache.index(small)
    second = await cache.index(other)
    assert await cache.index(small) is first

    latest = await cache.index(large)

    assert await cache.index(large) is latest
    assert await cache.index(other) is not second


async def test_a_revision_is_another_catalog():
    cache = ToolIndexCache()
    renewed = [Candidate(ToolRef("shop", 2, c.tool.name), "shop", c.tool) for c in SHOP]

    assert await cache.index(SHOP) is not await cache.index(renewed)


@pytest.mark.parametrize("most", [1, 4])
def test_a_cache_drops_what_was_used_longest_ago(most: int):
    cache: LruCache[str, int] = LruCache(most, lambda weight: weight)
    for name, weight in (("a", 2), ("b", 2), ("c", 2)):
        cache.keep(name, weight)
        cache.find("a")

    assert [name for name in "abc" if cache.find(name)] == (["c"] if most == 1 else ["a", "c"])
