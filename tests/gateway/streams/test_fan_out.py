"""One upstream for everybody who watches the same, on the credential of somebody who still may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from errands.v1 import key_pb2
from errands_server.streams import Subscription
from tests.contract.conftest import Serve
from tests.contract.plans import WRITE, chain
from tests.gateway.callers import reason
from tests.gateway.streams.readers import (
    Upstreams,
    Watch,
    client,
    gateway,
    idle,
    log,
    reading,
    sequences,
    watching,
)
from tests.scripted import ScriptedPlanner
from tests.service import PATIENCE, Service

ASKED = "approval.required"
EVERY_CALL = 3  # ON_TOOL_CALL


@asynccontextmanager
async def readers(address: str, keys: Sequence[str], run_id: str) -> AsyncGenerator[list[Watch], None]:
    """A reader for each of the keys, in this order, all of whom were asked what the run asks first."""
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(reading(address, key, run_id)) for key in keys]
        await asyncio.gather(*(reader.until(ASKED) for reader in opened))
        yield opened


async def key(service: Service) -> str:
    """A new key that may watch and decide."""
    return (await service.with_scopes("runs:read", "approvals")).key


def asked(reader: Watch) -> str:
    """The approval a reader was shown last."""
    return str([event["approvalId"] for event in reader.seen if event["type"] == ASKED][-1])


async def step(service: Service, watching: Sequence[Watch]) -> None:
    """Decide what all of them were asked last, and wait until they are asked the next."""
    await service.decide(asked(watching[0]), 1)
    await asyncio.gather(*(reader.until(ASKED) for reader in watching))


async def end(service: Service, watching: Sequence[Watch]) -> None:
    """Decide the last, and wait until the run has ended for all of them."""
    await service.decide(asked(watching[0]), 1)
    await asyncio.gather(*(reader.rest() for reader in watching))


async def logged(service: Service, run_id: str) -> list[int]:
    async with client(service.app.http_address, service.key) as http:
        return sequences(await log(http, run_id))


async def test_fifty_readers_with_several_keys_cause_one_upstream(serve: Serve) -> None:
    async with serve(chain(*[WRITE] * 4)) as service, gateway(service) as started:
        run_id = (await service.create("do", approval_strategy=EVERY_CALL)).run_id
        keys = [await key(service) for _ in range(5)] * 10
        counts = []
        async with readers(started.address, keys, run_id) as opened:
            for _ in range(3):
                await step(service, opened)
                counts.append(len(Upstreams().of(run_id)))
            await end(service, opened)
        await idle(started)
        whole = await logged(service, run_id)

    assert counts == [1, 1, 1]
    assert [sequences(reader.seen) for reader in opened] == [whole] * 50


async def test_whoever_leaves_the_others_miss_nothing_and_see_nothing_twice(serve: Serve) -> None:
    count = 6
    async with serve(chain(*[WRITE] * count)) as service, gateway(service) as started:
        run_id = (await service.create("do", approval_strategy=EVERY_CALL)).run_id
        keys = [await key(service) for _ in range(count)]
        before: set[Subscription] = set()
        async with readers(started.address, keys, run_id) as opened:
            for first in range(1, count):
                # The upstream runs for the one who has been there longest, so another is opened.
                leaving = asyncio.create_task(opened[first - 1].leave())
                await step(service, opened[first:])
                await leaving
                before |= await fresh(service, run_id, before)
            await end(service, opened[-1:])
        whole = await logged(service, run_id)

    assert len(before) == count - 1
    assert sequences(opened[-1].seen) == whole


async def fresh(service: Service, run_id: str, before: set[Subscription]) -> set[Subscription]:
    """The one upstream of a run, once it is another than before."""
    upstreams = Upstreams()
    async with asyncio.timeout(PATIENCE):
        while len(found := set(upstreams.of(run_id))) != 1 or found & before:
            await service.get(run_id)
    return found


async def test_a_revoked_key_is_ended_at_the_next_check_and_the_others_go_on(serve: Serve) -> None:
    async with serve(chain(WRITE, WRITE)) as service, gateway(service, recheck=0.1) as started:
        run_id = (await service.create("do", approval_strategy=EVERY_CALL)).run_id
        wanted = key_pb2.CreateKeyRequest(name="k", scopes=["runs:read", "approvals"])
        made = await service.keys.CreateKey(wanted)
        keys = [made.secret, made.secret, service.key]
        async with readers(started.address, keys, run_id) as (first, second, other):
            await service.keys.RevokeKey(key_pb2.RevokeKeyRequest(id=made.key.id))
            await asyncio.gather(first.rest(), second.rest())
            await step(service, [other])
            count = len(Upstreams().of(run_id))
            await end(service, [other])
        whole = await logged(service, run_id)

    assert [reader.seen[-1]["status"] for reader in (first, second)] == ["PAUSED", "PAUSED"]
    assert count == 1
    assert sequences(other.seen) == whole


async def test_no_link_goes_out_to_a_key_that_was_revoked_since_the_last_check(serve: Serve) -> None:
    async with serve(chain(WRITE, WRITE)) as service, gateway(service) as started:
        run_id = (await service.create("do", approval_strategy=EVERY_CALL)).run_id
        wanted = key_pb2.CreateKeyRequest(name="k", scopes=["runs:read", "approvals", "connections"])
        made = await service.keys.CreateKey(wanted)
        async with readers(started.address, [service.key, made.secret], run_id) as (other, revoked):
            await service.keys.RevokeKey(key_pb2.RevokeKeyRequest(id=made.key.id))
            await step(service, [other])
            await revoked.rest()
            await end(service, [other])

    asked = [frame["type"] for frame in revoked.seen].count("approval.required")
    assert asked == 1
    assert [frame["type"] for frame in other.seen].count("approval.required") == 2


async def test_a_key_that_is_checked_again_and_still_good_notices_nothing(serve: Serve) -> None:
    async with (
        serve(chain(WRITE, WRITE)) as service,
        gateway(service, recheck=0.02, heartbeat=0.1) as started,
        reading_of_a_run(service, started.address) as (run_id, reader),
    ):
        for _ in range(3):
            await reader.comment()
        await step(service, [reader])
        await end(service, [reader])
        whole = await logged(service, run_id)

    assert sequences(reader.seen) == whole


@asynccontextmanager
async def reading_of_a_run(service: Service, address: str) -> AsyncGenerator[tuple[str, Watch], None]:
    """A run that waits for a person, and one who watches it."""
    run_id = (await service.create("do", approval_strategy=EVERY_CALL)).run_id
    async with readers(address, [service.key], run_id) as (reader,):
        yield run_id, reader


async def test_a_key_of_another_tenant_finds_no_run_however_many_watch_it(serve: Serve) -> None:
    planner = ScriptedPlanner(chain(WRITE))
    planner.may_plan.clear()
    async with serve(planner) as service, gateway(service) as started:
        run_id = (await service.create("do", plan_wait_ms=0)).run_id
        stranger = await service.stranger()
        path = f"/v1/runs/{run_id}/sse"
        async with (
            client(started.address, service.key) as http,
            client(started.address, stranger.key) as other,
            client(started.address) as nobody,
            watching(http, run_id) as reader,
        ):
            await reader.until("status")
            foreign, keyless = await other.get(path), await nobody.get(path)
            wrong = await nobody.get(path, headers={"x-api-key": "wrong"})
            planner.may_plan.set()
            await reader.rest()

    assert reason(foreign) == (404, "RUN_NOT_FOUND")
    assert reason(keyless) == (401, "CREDENTIALS_MISSING")
    assert reason(wrong) == (401, "CREDENTIALS_INVALID")
    assert reader.seen[-1]["status"] == "SUCCESS"
