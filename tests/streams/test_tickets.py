"""Stream tickets: one stream of one run, within a minute, without a key."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from grpc import StatusCode

from errands.v1 import event_pb2
from errands.v1 import run_pb2 as runs
from errands_server import streams
from tests.contract.conftest import Clock, Serve
from tests.contract.plans import READ, steps
from tests.contract.refusals import refused
from tests.service import Service, reason


async def ticket(service: Service, run_id: str, **fields: bool) -> runs.CreateStreamTicketResponse:
    return await service.runs.CreateStreamTicket(runs.CreateStreamTicketRequest(run_id=run_id, **fields))


def opened(service: Service, text: str, run_id: str, **fields: Any) -> Any:
    request = runs.StreamRunEventsRequest(run_id=run_id, **fields)
    return service.runs.StreamRunEvents(request, metadata=[("x-stream-ticket", text)])


async def collect(call: Any) -> list[event_pb2.RunEvent]:
    return [event async for message in call for event in message.events]


async def test_a_ticket_opens_its_stream_once(serve: Serve, clock: Clock) -> None:
    async with serve(steps(READ)) as service:
        run = await service.finished((await service.create("do")).run_id)
        made = await ticket(service, run.run_id)
        events = await collect(opened(service, made.ticket, run.run_id))
        error = await refused(opened(service, made.ticket, run.run_id))

        assert events == await service.events(run.run_id)
        assert (reason(error), error.code()) == ("TICKET_INVALID", StatusCode.UNAUTHENTICATED)
        assert 0 < made.expires_at.ToMilliseconds() - clock.now() <= 60_000


async def test_a_ticket_that_opened_nothing_stays_good(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(steps(READ)) as service:
        run = await service.finished((await service.create("do")).run_id)
        text = (await ticket(service, run.run_id)).ticket
        with monkeypatch.context() as full:
            full.setattr(streams, "MAX_STREAMS", 0)
            no_room = await refused(opened(service, text, run.run_id))
        wider = await refused(opened(service, text, run.run_id, include_tool_calls=True))
        looked_at = opened(service, text, run.run_id, validate_only=True)
        told = dict(await looked_at.initial_metadata())
        nothing = await collect(looked_at)
        at_end = await collect(opened(service, text, run.run_id, after_sequence=run.last_sequence))
        events = await collect(opened(service, text, run.run_id))

        assert (reason(no_room), reason(wider)) == ("TOO_MANY_STREAMS", "TICKET_INVALID")
        assert (told["errands-tenant"], nothing, at_end) == ("default", [], [])
        assert events == await service.events(run.run_id)


async def test_of_many_who_redeem_a_ticket_at_once_one_does(serve: Serve) -> None:
    async with serve(steps(READ)) as service:
        run = await service.finished((await service.create("do")).run_id)
        text = (await ticket(service, run.run_id)).ticket
        calls = [opened(service, text, run.run_id) for _ in range(10)]
        told = await asyncio.gather(*(call.initial_metadata() for call in calls))

        assert sum("errands-tenant" in metadata for metadata in told) == 1


async def test_a_ticket_lives_for_a_minute(serve: Serve, clock: Clock) -> None:
    async with serve(steps(READ)) as service:
        run = await service.finished((await service.create("do")).run_id)
        early, late = await ticket(service, run.run_id), await ticket(service, run.run_id)
        clock.moved += 55_000
        await collect(opened(service, early.ticket, run.run_id))
        clock.moved += 5_000

        assert reason(await refused(opened(service, late.ticket, run.run_id))) == "TICKET_INVALID"


async def test_a_ticket_is_for_one_run_and_one_view(serve: Serve) -> None:
    async with serve(steps(READ)) as service:
        run = await service.finished((await service.create("do")).run_id)
        other = await service.finished((await service.create("do")).run_id)
        plain = (await ticket(service, run.run_id)).ticket
        elsewhere = (await ticket(service, run.run_id)).ticket
        full = (await ticket(service, run.run_id, include_tool_calls=True)).ticket
        wider = await refused(opened(service, plain, run.run_id, include_tool_calls=True))
        foreign = await refused(opened(service, elsewhere, other.run_id))
        events = await collect(opened(service, full, run.run_id, include_tool_calls=True))

        assert (reason(wider), reason(foreign)) == ("TICKET_INVALID", "TICKET_INVALID")
        assert "tool_call" in {event.WhichOneof("event") for event in events}


async def test_no_changed_ticket_is_taken(serve: Serve) -> None:
    async with serve(steps(READ)) as service:
        run = await service.finished((await service.create("do")).run_id)
        good = (await ticket(service, run.run_id)).ticket
        places = range(0, len(good) - 1, 7)
        changed = [good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :] for at in places]
        for text in [*changed, "A", good[:10], good[:-4], good + "AAAA", "%%%"]:
            assert reason(await refused(opened(service, text, run.run_id))) == "TICKET_INVALID", text
        assert await collect(opened(service, good, run.run_id))


async def test_a_ticket_opens_nothing_else(serve: Serve) -> None:
    async with serve(steps(READ)) as service:
        run = await service.finished((await service.create("do")).run_id)
        made = await ticket(service, run.run_id)
        error = await refused(
            service.runs.GetRun(
                runs.GetRunRequest(run_id=run.run_id), metadata=[("x-stream-ticket", made.ticket)]
            )
        )

        assert reason(error) == "CREDENTIALS_MISSING"


async def test_a_ticket_follows_a_live_run_from_a_cursor(serve: Serve) -> None:
    async with serve(steps(READ)) as service:
        created = await service.create("do", approval_strategy=2)
        run = await service.get(created.run_id)
        made = await ticket(service, run.run_id)
        call = opened(service, made.ticket, run.run_id, after_sequence=run.last_sequence)
        await service.decide(run.pending_approvals[0].approval_id, 1)
        events = await collect(call)

        assert events == await service.events(run.run_id, run.last_sequence)
