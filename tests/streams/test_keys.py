"""A stream ends with its key: no event, and no link that decides, goes to who may not read any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode, aio

from errands.v1 import key_pb2
from errands.v1 import run_pb2 as pb
from tests.contract.conftest import Clock, Serve
from tests.contract.plans import HELD, WRITE, chain, steps
from tests.contract.target import Target
from tests.databases import looked_into
from tests.service import PATIENCE, Service, reason

EACH_CALL = 3
PLAN = chain(HELD, WRITE)


async def key_of(service: Service, *scopes: str, expires_in: float = 0.0) -> tuple[str, Service]:
    """A new key's id, and the server asked with it."""
    request = key_pb2.CreateKeyRequest(name="reader", scopes=scopes)
    if expires_in:
        request.expires_at.FromMilliseconds(int((time.time() + expires_in) * 1_000))
    made = await service.keys.CreateKey(request)
    return made.key.id, service.speaking_as(made.secret)


class Reader:
    """One who reads a run's stream to its end."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.seen: list[str] = []

    async def until(self, arm: str, times: int = 1) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.seen.count(arm) < times:
                await self._read()

    async def error(self) -> aio.AioRpcError:
        """How the stream ends."""
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(aio.AioRpcError) as caught:
                await self._read_all()
        return caught.value

    async def _read_all(self) -> None:
        while True:
            await self._read()

    async def _read(self) -> None:
        message = await self._call.read()
        assert message is not aio.EOF, "it ended as if the run had"
        self.seen += [str(event.WhichOneof("event")) for event in message.events]


@asynccontextmanager
async def reading(service: Service, run_id: str, **fields: Any) -> AsyncGenerator[Reader, None]:
    """Somebody who has read the first events of a run."""
    call = service.runs.StreamRunEvents(pb.StreamRunEventsRequest(run_id=run_id), **fields)
    try:
        reader = Reader(call)
        await reader.until("step_started")
        yield reader
    finally:
        call.cancel()


def assert_refused(error: aio.AioRpcError) -> None:
    assert (error.code(), reason(error)) == (StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")


@pytest.mark.parametrize("scopes", [("runs:read",), ("runs:read", "approvals")])
async def test_a_silent_stream_ends_when_its_key_is_revoked(serve: Serve, scopes: tuple[str, ...]) -> None:
    async with serve(steps(HELD)) as service:
        key_id, holder = await key_of(service, *scopes)
        run_id = (await service.create("do")).run_id
        async with reading(holder, run_id) as reader, reading(service, run_id) as other:
            await service.keys.RevokeKey(key_pb2.RevokeKeyRequest(id=key_id))
            assert_refused(await reader.error())
            assert not other.seen or "status_changed" in other.seen


async def test_a_silent_stream_ends_when_its_key_expires(serve: Serve) -> None:
    async with serve(steps(HELD)) as service:
        _, holder = await key_of(service, "runs:read", expires_in=1.0)
        run_id = (await service.create("do")).run_id
        async with reading(holder, run_id) as reader:
            assert_refused(await reader.error())


async def test_no_link_goes_to_a_key_that_another_process_revoked(
    serve: Serve, target: Target, clock: Clock, tmp_path: Path
) -> None:
    async with serve(PLAN) as service:
        key_id, holder = await key_of(service, "runs:read", "approvals")
        run_id = (await service.create("do", approval_strategy=EACH_CALL)).run_id
        asked = (await service.until(run_id, "approval_required")).approval_required
        async with reading(holder, run_id) as reader, reading(service, run_id) as owner:
            await reader.until("approval_required")
            looked_into(tmp_path / "data", "UPDATE keys SET revoked_at = 1 WHERE id = :id", id=key_id)
            clock.moved += 6_000  # what was looked up before is not believed any longer
            await service.decide(asked.approval_id, 1)
            target.open.set()
            assert_refused(await reader.error())
            await owner.until("approval_required", times=2)

        assert reader.seen.count("approval_required") == 1


async def test_keys_are_looked_at_again_where_nothing_happens(
    serve: Serve, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("errands_server.services.key_watch.LOOK_AGAIN", 0.05)
    async with serve(steps(HELD)) as service:
        key_id, holder = await key_of(service, "runs:read")
        run_id = (await service.create("do")).run_id
        async with reading(holder, run_id) as reader:
            looked_into(tmp_path / "data", "UPDATE keys SET revoked_at = 1 WHERE id = :id", id=key_id)
            clock.moved += 6_000
            assert_refused(await reader.error())


async def test_a_ticket_is_good_no_longer_than_the_key_that_asked_for_it(serve: Serve) -> None:
    async with serve(steps(HELD)) as service:
        key_id, holder = await key_of(service, "runs:read")
        run_id = (await service.create("do")).run_id
        nobody = service.speaking_as("")
        tickets = [
            (await holder.runs.CreateStreamTicket(pb.CreateStreamTicketRequest(run_id=run_id))).ticket
            for _ in range(2)
        ]
        spent, kept = [{"metadata": (("x-stream-ticket", ticket),)} for ticket in tickets]
        async with reading(nobody, run_id, **spent) as reader:
            await service.keys.RevokeKey(key_pb2.RevokeKeyRequest(id=key_id))
            assert_refused(await reader.error())
        late = Reader(nobody.runs.StreamRunEvents(pb.StreamRunEventsRequest(run_id=run_id), **kept))

        assert_refused(await late.error())
        assert not late.seen
