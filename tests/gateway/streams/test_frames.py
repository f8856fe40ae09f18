"""What a stream says: its headers, the form of its frames, and who sees what."""

from __future__ import annotations

from typing import Any

from errands.v1 import event_pb2
from errands_gateway.streaming.frames import PIECE, frames, pack
from errands_gateway.v1.dialect import V1
from tests.contract.conftest import Serve
from tests.contract.plans import READ, WRITE, chain, steps
from tests.gateway.callers import asking
from tests.gateway.streams.readers import Upstreams, log, ticket, watching

HIDDEN = {"tool.call", "tool.result", "reasoning"}


async def test_a_stream_is_never_stored_changed_or_held_back(serve: Serve) -> None:
    async with serve(steps(READ)) as service, asking(service) as http:
        run_id = (await service.finished((await service.create("do")).run_id)).run_id
        async with watching(http, run_id, accept_encoding="gzip, br", x_request_id="of-the-test") as watch:
            await watch.rest()
        headers = watch.answer.headers

    assert watch.retry == b"retry: 2000"
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-request-id"] == "of-the-test"
    assert "content-encoding" not in headers


async def test_frames_hold_just_what_pages_hold(serve: Serve) -> None:
    async with serve(chain(READ, WRITE)) as service, asking(service) as http:
        created = await service.create("do", approval_strategy=2)
        async with watching(http, created.run_id, "?includeToolCalls=true") as watch:
            live = await watch.until("approval.required")
            await service.decide(live[-1]["approvalId"], 1)
            live += await watch.rest()
        async with watching(http, created.run_id, "?includeToolCalls=true") as watch:
            replayed = await watch.rest()
        whole = await log(http, created.run_id, tool_calls=True)

    assert {"status", "plan", "approval.required", "tool.call", "tool.result", "result"} <= kinds(whole)
    assert replayed == whole
    assert live == [as_pending(event, live) for event in whole]


def as_pending(event: dict[str, Any], live: list[dict[str, Any]]) -> dict[str, Any]:
    """An event as it was when it came: an approval that was decided since has lost its links."""
    if event["type"] != "approval.required":
        return event
    (seen,) = (one for one in live if one["sequence"] == event["sequence"])
    return {**event, "actions": seen["actions"]} if "actions" in seen else event


def kinds(events: list[dict[str, Any]]) -> set[str]:
    return {event["type"] for event in events}


async def test_tool_calls_are_for_who_asks_for_them(serve: Serve) -> None:
    async with serve(chain(READ, WRITE)) as service, asking(service) as http:
        run_id = (await service.create("do", approval_strategy=3)).run_id
        async with (
            watching(http, run_id) as plain,
            watching(http, run_id, "?includeToolCalls=false") as without,
            watching(http, run_id, "?includeToolCalls=1") as full,
        ):
            watches = (plain, without, full)
            seen = [await watch.until("approval.required") for watch in watches]
            await service.decide(seen[0][-1]["approvalId"], 1)
            live = [await watch.until("approval.required") for watch in watches]
            opened = len(Upstreams().of(run_id))
            await service.decide(live[0][-1]["approvalId"], 1)
            rest = [await watch.rest() for watch in watches]
    for short, same, whole in (seen, live, rest):
        assert short == same == [event for event in whole if event["type"] not in HIDDEN]

    assert opened == 2
    assert kinds(live[2]) & kinds(rest[2]) & HIDDEN == {"tool.call", "tool.result"}


async def test_links_that_decide_are_for_keys_that_may_decide(serve: Serve) -> None:
    async with serve(chain(WRITE, WRITE)) as service:
        run_id = (await service.create("do", approval_strategy=3)).run_id
        deciding = await service.with_scopes("runs:read", "approvals")
        reading = await service.with_scopes("runs:read")
        async with (
            asking(deciding) as first,
            asking(reading) as second,
            watching(first, run_id) as with_links,
            watching(second, run_id) as without,
        ):
            replayed = [await watch.until("approval.required") for watch in (with_links, without)]
            await service.decide(replayed[0][-1]["approvalId"], 1)
            live = [await watch.until("approval.required") for watch in (with_links, without)]
            opened = len(Upstreams().of(run_id))

    assert opened == 2
    for mine, others in (replayed, live):
        assert [action["action"] for action in mine[-1]["actions"]] == ["approve", "deny"]
        assert all("token=" in action["url"] for action in mine[-1]["actions"])
        assert "token=" not in str(others)
        assert [event["sequence"] for event in mine] == [event["sequence"] for event in others]


async def test_a_ticket_shows_what_the_key_that_made_it_may_see(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service:
        run_id = (await service.create("do", approval_strategy=3)).run_id
        deciding = await service.with_scopes("runs:read", "approvals")
        reading = await service.with_scopes("runs:read")
        shown = []
        for key in (deciding, reading):
            async with asking(key) as http:
                query = await ticket(http, run_id)
                del http.headers["x-api-key"]
                async with watching(http, run_id, query) as watch:
                    shown.append(str(await watch.until("approval.required")))

    assert "token=" in shown[0]
    assert "token=" not in shown[1]


def test_json_with_line_breaks_stays_one_line() -> None:
    text = '{\n"a":\r\n"b\\n"}'
    event = event_pb2.RunEvent(sequence=7, run_id="r", result=event_pb2.Result(result_json=text))
    ((sequence, frame),) = frames([event], V1.event_document)

    assert sequence == 7
    assert frame.count(b"\n") == 4
    assert b"\r" not in frame
    assert b'{ "a":  "b\\n"}' in frame


def test_events_of_a_later_release_are_passed_over() -> None:
    known = event_pb2.RunEvent(sequence=2, note=event_pb2.Note(text="n"))

    assert [
        sequence for sequence, _ in frames([event_pb2.RunEvent(sequence=1), known], V1.event_document)
    ] == [2]


def test_pieces_hold_every_frame_and_stay_small() -> None:
    sizes = [1, PIECE, PIECE + 1, 10, PIECE - 10, 1, 1]
    found = [(number, bytes([number]) * size) for number, size in enumerate(sizes, 1)]
    pieces = list(pack(found))

    assert b"".join(piece for _, piece in pieces) == b"".join(frame for _, frame in found)
    assert [last for last, _ in pieces] == [1, 2, 3, 5, 7]
    assert list(pack([])) == []
