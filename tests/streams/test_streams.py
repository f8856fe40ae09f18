"""Streams: the whole visible log, once and in order, from any cursor, for whoever reads."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from grpc import StatusCode, aio

from errands.v1 import event_pb2
from errands.v1 import run_pb2 as runs
from errands_server import streams
from errands_server.domain.errors import Reason, Unavailable
from errands_server.domain.events import Noted, Record, RunStatus
from errands_server.streams import BACKLOG, PIECE, Hub, View
from tests.contract.conftest import Serve
from tests.contract.plans import HELD, READ, REFUSED, WRITE, chain, steps
from tests.contract.refusals import refused
from tests.contract.target import Target
from tests.scripted import ScriptedPlanner
from tests.service import PATIENCE, Service, reason

HEAVY = ("writeThing", {"body": {"text": "x" * 45_000}})


def stream(service: Service, run_id: str, after: int = 0, **fields: Any) -> Any:
    return service.runs.StreamRunEvents(
        runs.StreamRunEventsRequest(run_id=run_id, after_sequence=after, **fields)
    )


async def collect(call: Any) -> list[event_pb2.RunEvent]:
    return [event async for message in call for event in message.events]


async def test_from_every_cursor_a_finished_run_replays_the_rest_and_closes(serve: Serve) -> None:
    async with serve(chain(READ, WRITE, REFUSED, READ)) as service:
        run = await service.finished((await service.create("do")).run_id)
        for tool_calls in (False, True):
            whole = await service.events(run.run_id, include_tool_calls=tool_calls)
            sequences = [event.sequence for event in whole]

            assert sequences == sorted(set(sequences))
            assert whole[-1].sequence == run.last_sequence
            for after in range(run.last_sequence + 3):
                rest = await service.events(run.run_id, after, include_tool_calls=tool_calls)

                assert rest == [event for event in whole if event.sequence > after], after


async def test_without_tool_calls_nothing_else_is_missing(serve: Serve) -> None:
    async with serve(chain(READ, WRITE)) as service:
        run = await service.finished((await service.create("do")).run_id)
        everything = await service.events(run.run_id, include_tool_calls=True)
        rest = await service.events(run.run_id)
        hidden = {"tool_call", "tool_result", "reasoning"}

        assert rest == [event for event in everything if event.WhichOneof("event") not in hidden]
        assert len(everything) == len(rest) + 4


async def test_the_status_of_each_event_is_the_one_told_last(serve: Serve) -> None:
    async with serve(chain(WRITE)) as service:
        created = await service.create("do", approval_strategy=3)
        asked = (await service.until(created.run_id, "approval_required")).approval_required
        await service.decide(asked.approval_id, 1)
        told = [
            event.status_changed.status
            for event in await service.events(created.run_id)
            if event.WhichOneof("event") == "status_changed"
            if event.status_changed.status == event.status
        ]

        assert told == [
            event_pb2.RUN_STATUS_QUEUED,
            event_pb2.RUN_STATUS_RUNNING,
            event_pb2.RUN_STATUS_PAUSED,
            event_pb2.RUN_STATUS_RUNNING,
            event_pb2.RUN_STATUS_SUCCESS,
        ]


async def test_many_readers_who_come_at_any_time_see_the_same(serve: Serve) -> None:
    count = 6
    async with serve(chain(*[WRITE] * count)) as service:
        created = await service.create("do", approval_strategy=3)
        readers: list[tuple[int, bool, asyncio.Task[Any]]] = []
        after = 0
        for _ in range(count):
            for cursor in {0, after // 2, after}:
                for tool_calls in (False, True):
                    call = stream(service, created.run_id, cursor, include_tool_calls=tool_calls)
                    readers.append((cursor, tool_calls, asyncio.create_task(collect(call))))
            event = await service.until(created.run_id, "approval_required", after)
            after = event.sequence
            await service.decide(event.approval_required.approval_id, 1)
        await service.finished(created.run_id)
        whole = {
            tool_calls: await service.events(created.run_id, include_tool_calls=tool_calls)
            for tool_calls in (False, True)
        }
        for cursor, tool_calls, reader in readers:
            seen = await asyncio.wait_for(reader, PATIENCE)

            assert seen == [event for event in whole[tool_calls] if event.sequence > cursor]


async def test_a_reader_who_stops_reading_still_gets_everything(serve: Serve) -> None:
    planner = ScriptedPlanner(steps(*[HEAVY] * 90))
    planner.may_plan.clear()
    window = [("grpc.http2.lookahead_bytes", 1_024), ("grpc.http2.bdp_probe", 0)]
    async with (
        serve(planner) as service,
        aio.insecure_channel(service.app.grpc_address, options=window) as channel,
    ):
        created = await service.create("do", plan_wait_ms=0)
        slow = stream(Service(service.app, channel, service.key), created.run_id, include_tool_calls=True)
        seen = list((await slow.read()).events)
        planner.may_plan.set()
        run = await service.finished(created.run_id)
        async with asyncio.timeout(PATIENCE):
            while (message := await slow.read()) is not aio.EOF:
                seen += message.events
        whole = await service.events(created.run_id, include_tool_calls=True)

        assert run.last_sequence > BACKLOG
        assert [event.sequence for event in seen] == [event.sequence for event in whole]
        assert seen == whole


async def test_heavy_events_come_in_messages_every_client_takes(serve: Serve) -> None:
    async with serve(steps(*[HEAVY] * 60)) as service:
        run = await service.finished((await service.create("do")).run_id)
        sizes = [message.ByteSize() async for message in stream(service, run.run_id, include_tool_calls=True)]
        page = await service.runs.ListRunEvents(
            runs.ListRunEventsRequest(run_id=run.run_id, limit=1_000, include_tool_calls=True)
        )
        rest = await service.events(run.run_id, page.next_after_sequence, include_tool_calls=True)

        assert sum(sizes) > 4 << 20
        assert max(sizes) <= PIECE
        assert not page.end
        assert [*page.events, *rest] == await service.events(run.run_id, include_tool_calls=True)


async def test_a_cursor_ahead_of_a_live_run_is_refused_and_at_its_head_waits(serve: Serve) -> None:
    async with serve(steps(READ)) as service:
        created = await service.create("do", approval_strategy=2)
        run = await service.get(created.run_id)
        error = await refused(stream(service, run.run_id, run.last_sequence + 1))
        waiting = asyncio.create_task(collect(stream(service, run.run_id, run.last_sequence)))
        await service.decide(run.pending_approvals[0].approval_id, 1)
        rest = await waiting

        assert (reason(error), error.code()) == ("CURSOR_AHEAD", StatusCode.OUT_OF_RANGE)
        assert rest[0].sequence > run.last_sequence
        assert rest[-1].status_changed.status == event_pb2.RUN_STATUS_SUCCESS


async def test_a_finished_run_has_nothing_behind_its_end(serve: Serve) -> None:
    async with serve(steps(READ)) as service:
        run = await service.finished((await service.create("do")).run_id)
        for after in (run.last_sequence, run.last_sequence + 1, 2**63 - 1):
            assert await collect(stream(service, run.run_id, after)) == []


async def test_a_reader_who_goes_away_stops_nothing_and_leaves_nothing(serve: Serve, target: Target) -> None:
    async with serve(steps(HELD)) as service:
        created = await service.create("do")
        await target.arrived.wait()
        calls = [stream(service, created.run_id) for _ in range(30)]
        for call in calls:
            await call.read()
        hub = next(one for one in gc.get_objects() if isinstance(one, Hub) and one._subscriptions)
        open_streams = hub._count
        for call in calls:
            call.cancel()
        async with asyncio.timeout(PATIENCE):
            while hub._count:
                await service.get(created.run_id)
        target.open.set()
        run = await service.finished(created.run_id)

        assert open_streams == 30
        assert not hub._subscriptions
        assert run.status == event_pb2.RUN_STATUS_SUCCESS


async def test_too_many_streams_are_refused_and_runs_are_created_all_the_same(
    serve: Serve, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 2)
    async with serve(steps(HELD)) as service:
        created = await service.create("do")
        calls = [stream(service, created.run_id) for _ in range(2)]
        for call in calls:
            await call.read()
        error = await refused(stream(service, created.run_id))
        other = await service.create("do")

        assert (reason(error), error.code()) == ("TOO_MANY_STREAMS", StatusCode.RESOURCE_EXHAUSTED)
        assert other.plan.details.steps
        for call in calls:
            call.cancel()
        target.open.set()


async def test_a_stream_that_was_accepted_has_its_place(
    serve: Serve, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 3)
    async with serve(steps(HELD)) as service:
        run_id = (await service.create("do")).run_id
        calls = [stream(service, run_id) for _ in range(20)]
        told = await asyncio.gather(*(call.initial_metadata() for call in calls))
        accepted = [call for call, metadata in zip(calls, told, strict=True) if "errands-tenant" in metadata]
        for call in accepted:
            assert (await call.read()).events
        errors = [await refused(call) for call in calls if call not in accepted]

        assert len(accepted) == 3
        assert {reason(error) for error in errors} == {"TOO_MANY_STREAMS"}
        for call in accepted:
            call.cancel()
        target.open.set()


async def test_a_drained_stream_ends_behind_the_last_event_and_goes_on_elsewhere(
    serve: Serve, target: Target
) -> None:
    async with serve(chain(HELD, WRITE), drain=PATIENCE) as service:
        created = await service.create("do")
        await target.arrived.wait()
        seen: list[event_pb2.RunEvent] = []
        call = stream(service, created.run_id, include_tool_calls=True)
        while not any(event.WhichOneof("event") == "tool_call" for event in seen):
            seen += (await call.read()).events
        draining = asyncio.create_task(service.app.drain())
        target.open.set()
        with pytest.raises(aio.AioRpcError) as caught:
            await _read_on(call, seen)
        await draining

        assert (reason(caught.value), caught.value.code()) == ("SERVER_DRAINING", StatusCode.UNAVAILABLE)
        assert "tool_result" in {event.WhichOneof("event") for event in seen}
    async with serve(chain(HELD, WRITE), fresh=False) as service:
        rest = await service.events(created.run_id, seen[-1].sequence, include_tool_calls=True)

        assert [*seen, *rest] == await service.events(created.run_id, include_tool_calls=True)
        assert rest[-1].status_changed.status == event_pb2.RUN_STATUS_SUCCESS
        assert [request for request, _ in target.received] == ["GET /held", "POST /things"]


async def _read_on(call: Any, seen: list[event_pb2.RunEvent]) -> None:
    while True:
        seen += (await call.read()).events


def _encode(tenant: str, run_id: str, record: Record, view: View) -> bytes:
    return b"" if record.sequence % 2 else b"%d," % record.sequence


def _records(first: int, last: int) -> list[Record]:
    return [Record(sequence, 0, RunStatus.RUNNING, Noted(text="n")) for sequence in range(first, last + 1)]


async def test_a_subscription_that_lags_costs_no_memory_and_says_so() -> None:
    hub = Hub(_encode)
    subscription = hub.subscribe("run")
    hub.publish("tenant", "run", _records(1, BACKLOG * 3))

    assert await subscription.take() is None
    hub.publish("tenant", "run", _records(1, 2))
    assert [entry.record.sequence for entry in await subscription.take() or ()] == [1, 2]
    hub.unsubscribe("run", subscription)
    assert not hub._subscriptions


async def test_a_record_is_encoded_once_however_many_read_it() -> None:
    encoded: list[int] = []

    def encode(tenant: str, run_id: str, record: Record, view: View) -> bytes:
        encoded.append(record.sequence)
        return b"x"

    hub = Hub(encode)
    subscriptions = [hub.subscribe("run") for _ in range(50)]
    hub.publish("tenant", "run", _records(1, 1))
    for subscription in subscriptions:
        for entry in await subscription.take() or ():
            entry.encoded(View())

    assert encoded == [1]


def test_pieces_hold_what_is_visible_and_stay_small() -> None:
    entries = [streams.Entry(("tenant", "run"), record, _encode) for record in _records(1, 1_000)]
    pieces = list(streams._pieces(entries, View()))

    assert b"".join(pieces) == b"".join(b"%d," % number for number in range(2, 1_001, 2))
    assert all(pieces)
    assert max(piece.count(b",") for piece in pieces) <= BACKLOG


def test_what_comes_live_never_repeats_and_tells_of_a_gap() -> None:
    entries = [streams.Entry(("tenant", "run"), record, _encode) for record in _records(3, 5)]

    def fresh(cursor: int) -> list[int]:
        return [entry.record.sequence for entry in streams._continuing(entries, cursor)]

    assert fresh(2) == [3, 4, 5]
    assert fresh(3) == [4, 5]
    assert fresh(5) == []
    assert fresh(1) == []  # 2 is missing, so the log is read again
    assert streams._continuing(None, 2) == []


async def test_a_closed_hub_ends_who_follows_and_takes_nobody_new() -> None:
    hub = Hub(_encode)
    subscription = hub.subscribe("run")
    hub.publish("tenant", "run", _records(1, 1))
    hub.close()

    assert len(await subscription.take() or ()) == 1
    assert await subscription.take() == []
    with pytest.raises(Unavailable) as caught:
        hub.subscribe("run")
    assert caught.value.reason is Reason.SERVER_DRAINING
