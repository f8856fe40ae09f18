"""Few descriptions are read at a time, and one of each tenant."""

from __future__ import annotations

import asyncio

from errands_server.tools.openapi.import_limits import MAX_IMPORTS, ImportLimits


async def reading(limits: ImportLimits, tenant: str, begun: list[str], over: asyncio.Event) -> None:
    async with limits.slot(tenant):
        begun.append(tenant)
        await over.wait()


async def settled() -> None:
    """Every task has gone as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_tenant_reads_one_description_after_the_other_and_holds_up_nobody_else():
    limits, begun, over = ImportLimits(), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for tenant in ("greedy", "greedy", "greedy", "modest"):
            group.create_task(reading(limits, tenant, begun, over))
        await settled()
        early = list(begun)
        over.set()

    assert early == ["greedy", "modest"]
    assert sorted(begun) == ["greedy"] * 3 + ["modest"]


async def test_few_are_read_at_a_time_and_one_that_is_given_up_makes_room():
    limits, begun, over = ImportLimits(), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(reading(limits, str(n), begun, over)) for n in range(MAX_IMPORTS + 1)]
    await settled()
    early = list(begun)
    tasks[0].cancel()
    await settled()
    later = list(begun)
    over.set()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert len(early) == MAX_IMPORTS
    assert len(later) == MAX_IMPORTS + 1
