"""Where a stream begins: every way to say it, and every way to say it wrongly."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import httpx2
import pytest

from tests.contract.conftest import Serve
from tests.contract.plans import READ, WRITE, chain, steps
from tests.gateway.callers import asking, errors, reason
from tests.gateway.streams.readers import Upstreams, client, log, ticket, watching
from tests.service import Service


async def finished(service: Service) -> str:
    return (await service.finished((await service.create("do")).run_id)).run_id


def nobody(service: Service) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
    """A client without a key."""
    return client(service.app.http_address)


async def test_from_every_cursor_a_finished_run_replays_the_rest_and_closes(serve: Serve) -> None:
    async with serve(chain(READ, WRITE)) as service, asking(service) as http:
        run_id = await finished(service)
        whole = await log(http, run_id)
        for after in range(whole[-1]["sequence"]):
            rest = [event for event in whole if event["sequence"] > after]
            async with watching(http, run_id, last_event_id=str(after)) as by_header:
                assert await by_header.rest() == rest
            async with watching(http, run_id, f"?lastEventId={after}") as by_query:
                assert await by_query.rest() == rest


async def test_the_header_wins_over_the_query(serve: Serve) -> None:
    async with serve(chain(READ, WRITE)) as service, asking(service) as http:
        run_id = await finished(service)
        whole = await log(http, run_id)
        async with watching(http, run_id, "?lastEventId=1", last_event_id="3") as watch:
            seen = await watch.rest()

    assert seen == [event for event in whole if event["sequence"] > 3]


async def test_a_page_becomes_a_stream_for_who_accepts_one(serve: Serve) -> None:
    async with serve(chain(READ, WRITE)) as service, asking(service, accept="text/event-stream") as http:
        run_id = await finished(service)
        answers = [
            await http.get(f"/v1/runs/{run_id}/events?after=2"),
            await http.get(f"/v1/runs/{run_id}/events?after=1&lastEventId=2"),
            await http.get(f"/v1/runs/{run_id}/events?after=1", headers={"last-event-id": "2"}),
            await http.get(f"/v1/runs/{run_id}/sse?lastEventId=2"),
        ]

    assert {answer.headers["content-type"] for answer in answers} == {"text/event-stream; charset=utf-8"}
    assert len({answer.content for answer in answers}) == 1
    assert b"id: 3\n" in answers[0].content
    assert b"id: 2\n" not in answers[0].content


@pytest.mark.parametrize(
    ("accept", "streams"),
    [
        (["*/*"], False),
        (["text/*"], False),
        (["text/event-stream;q=0"], False),
        (["application/json, text/event-stream;q=0.0, */*"], False),
        (["application/json", "Text/Event-Stream ; q=0.5"], True),
    ],
)
async def test_a_stream_is_for_who_names_it(service: Service, accept: list[str], *, streams: bool) -> None:
    run_id = await finished(service)
    async with asking(service) as http:
        headers = [("accept", one) for one in accept]
        answer = await http.get(f"/v1/runs/{run_id}/events", headers=headers)

    assert answer.headers["content-type"].startswith("text/event-stream") == streams


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "0x1", "9" * 19, "1 2"])
async def test_a_cursor_that_is_none_is_refused_by_name(service: Service, cursor: str) -> None:
    run_id = await finished(service)
    async with asking(service) as http:
        header = await http.get(f"/v1/runs/{run_id}/sse", headers={"last-event-id": cursor})
        query = await http.get(f"/v1/runs/{run_id}/sse", params={"lastEventId": cursor})
        after = await http.get(
            f"/v1/runs/{run_id}/events", params={"after": cursor}, headers={"accept": "text/event-stream"}
        )

    assert [answer.status_code for answer in (header, query, after)] == [400, 400, 400]
    assert [list(errors(answer)) for answer in (header, query, after)] == [
        ["Last-Event-ID"],
        ["lastEventId"],
        ["after"],
    ]


async def test_a_cursor_ahead_of_a_live_run_is_refused_and_at_its_head_waits(serve: Serve) -> None:
    async with serve(steps(READ)) as service, asking(service) as http, nobody(service) as keyless:
        created = await service.create("do", approval_strategy=2)
        run = await service.get(created.run_id)
        path = f"/v1/runs/{run.run_id}/sse"
        ahead = {"last-event-id": str(run.last_sequence + 1)}
        by_key = await http.get(path, headers=ahead)
        by_ticket = await keyless.get(path + await ticket(http, run.run_id), headers=ahead)
        async with watching(http, run.run_id, last_event_id=str(run.last_sequence)) as watch:
            rest = asyncio.create_task(watch.rest())
            await service.decide(run.pending_approvals[0].approval_id, 1)
            seen = await rest
        whole = await log(http, run.run_id)

    assert (reason(by_key), reason(by_ticket)) == ((400, "CURSOR_AHEAD"), (400, "CURSOR_AHEAD"))
    assert seen == [event for event in whole if event["sequence"] > run.last_sequence]


async def test_behind_the_end_there_is_nothing_to_come_back_for(service: Service) -> None:
    run_id = await finished(service)
    async with asking(service) as http, nobody(service) as keyless:
        last = (await log(http, run_id))[-1]["sequence"]
        path = f"/v1/runs/{run_id}/sse"
        answers = [
            await http.get(path, headers={"last-event-id": str(last)}),
            await http.get(path, params={"lastEventId": str(last + 1)}),
            await keyless.get(path + await ticket(http, run_id), headers={"last-event-id": str(last)}),
            await http.head(path, headers={"last-event-id": str(last)}),
        ]

    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 4
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


async def test_head_opens_no_stream_and_spends_no_ticket(serve: Serve) -> None:
    async with serve(steps(READ)) as service, asking(service) as http, nobody(service) as keyless:
        run_id = (await service.create("do", approval_strategy=2)).run_id
        query = await ticket(http, run_id)
        by_key = await http.head(f"/v1/runs/{run_id}/sse")
        by_ticket = await keyless.head(f"/v1/runs/{run_id}/sse{query}")
        opened = Upstreams().of(run_id)
        async with watching(keyless, run_id, query) as watch:
            await watch.until("approval.required")

    assert not opened
    assert (by_key.status_code, by_ticket.status_code) == (200, 401)
    assert by_key.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "content-length" not in by_key.headers
