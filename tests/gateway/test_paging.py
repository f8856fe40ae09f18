"""Lists over HTTP: every run once, newest first, with a link to what comes next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2

from errands.v1 import run_pb2
from tests.contract.conftest import Serve
from tests.contract.plans import READ, WRITE, steps
from tests.gateway.callers import asking, errors
from tests.scripted import ScriptedPlanner
from tests.service import Service, serving


def linked(answer: httpx2.Response) -> str:
    """Where `rel="next"` leads; empty on the last page."""
    return str(answer.links.get("next", {}).get("url", ""))


def query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


async def pages(http: httpx2.AsyncClient, path: str) -> AsyncIterator[httpx2.Response]:
    """The page at `path` and all that its links lead to."""
    while path:
        answer = await http.get(path)
        assert answer.status_code == 200
        yield answer
        path = linked(answer)


async def made(service: Service, count: int, **fields: str) -> list[str]:
    """Ids of new runs, newest first."""
    created = [await service.create("do", plan_wait_ms=0, **fields) for _ in range(count)]
    return [run.run_id for run in reversed(created)]


async def test_links_lead_through_all_pages_and_keep_the_filters(service: Service, shop_id: str) -> None:
    runs = await made(service, 7, user_id="a&b c=é")
    await made(service, 3, user_id="other")
    async with asking(service) as http:
        start = "/v1/runs?pageSize=3&userId=a%26b%20c%3D%C3%A9&includeEvents=true&unknown=1"
        start += f"&customerIntegrationIds=none&customerIntegrationIds={shop_id}"
        found = [answer async for answer in pages(http, start)]

    assert [run["runId"] for answer in found for run in answer.json()] == runs
    assert [len(answer.json()) for answer in found] == [3, 3, 1]
    assert all(run["events"] for answer in found for run in answer.json())
    assert query(linked(found[0])) == {
        "pageSize": ["3"],
        "userId": ["a&b c=é"],
        "includeEvents": ["true"],
        "unknown": ["1"],
        "customerIntegrationIds": ["none", shop_id],
        "page": ["2"],
    }
    assert linked(found[0]).startswith(f"http://{service.app.http_address}/v1/runs?")
    assert "link" not in found[-1].headers


async def test_a_page_behind_the_last_is_empty(service: Service) -> None:
    await made(service, 2)
    async with asking(service) as http:
        answer = await http.get("/v1/runs?page=1000&pageSize=100")

    assert answer.json() == []
    assert "link" not in answer.headers


async def test_a_token_leads_behind_what_was_seen_whatever_is_new(service: Service) -> None:
    runs = await made(service, 4)
    async with asking(service) as http:
        first = await http.get("/v1/runs?pageSize=2")
        token = (await service.runs.ListRuns(run_pb2.ListRunsRequest(page_size=2))).next_page_token
        await made(service, 3)
        rest = [answer async for answer in pages(http, f"/v1/runs?pageSize=1&pageToken={token}")]
        other = await http.get(f"/v1/runs?pageToken={token}&userId=other")

    assert [run["runId"] for run in first.json()] == runs[:2]
    assert [run["runId"] for answer in rest for run in answer.json()] == runs[2:]
    assert "page" not in query(linked(rest[0]))
    assert errors(other) == {"pageToken": "belongs to other filters; start from the first page"}


async def test_behind_page_1000_the_link_goes_on_with_a_token(serve: Serve) -> None:
    planner = ScriptedPlanner(steps(READ))
    planner.may_plan.clear()
    async with serve(planner, max_queued=2_000) as service, asking(service) as http:
        created = await asyncio.gather(*(service.create("do", plan_wait_ms=0) for _ in range(1_003)))
        before = await http.get("/v1/runs?page=999&pageSize=1")
        last = await http.get("/v1/runs?page=1000&pageSize=1")
        rest = [answer async for answer in pages(http, linked(last))]
        numbered = [run["runId"] for answer in (before, last, *rest) for run in answer.json()]

    assert query(linked(before))["page"] == ["1000"]
    assert query(linked(last)).keys() == {"pageSize", "pageToken"}
    assert numbered == sorted((run.run_id for run in created), reverse=True)[998:]


async def test_a_page_is_full_however_large_its_runs_are(service: Service) -> None:
    """The server answers with at most 2 MiB at once."""
    runs = await made(service, 45, context="x" * 65_000)
    async with asking(service) as http:
        answer = await http.get("/v1/runs?pageSize=40")
        rest = await http.get(linked(answer))

    assert [run["runId"] for run in answer.json()] == runs[:40]
    assert [run["runId"] for run in rest.json()] == runs[40:]


async def test_links_begin_with_the_public_url(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", public_url="https://errands.example/api/") as service:
        await made(service, 2)
        async with asking(service) as http:
            answer = await http.get("/v1/runs?pageSize=1")

    assert linked(answer) == "https://errands.example/api/v1/runs?pageSize=1&page=2"


async def test_other_lists_have_their_token_in_body_and_link(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, asking(service) as http:
        target = (await http.get("/v1/integrations")).json()["integrations"][0]["id"]
        for number in range(3):
            created = await service.create("do", approval_strategy=3)
            await service.until(created.run_id, "approval_required")
            await http.post("/v1/keys", json={"name": f"key {number}", "scopes": ["runs:read"]})
        for path, name, id_of in (
            ("/v1/approvals?status=pending", "approvals", "approvalId"),
            (f"/v1/integrations/{target}/tools?", "tools", "name"),
            ("/v1/keys?", "keys", "id"),
        ):
            whole = [item[id_of] for item in (await http.get(path)).json()[name]]
            found = [answer async for answer in pages(http, f"{path}&pageSize=2")]

            assert [item[id_of] for answer in found for item in answer.json()[name]] == whole
            assert len(found) == (len(whole) + 1) // 2 > 1
            for answer in found[:-1]:
                assert query(linked(answer))["pageToken"] == [answer.json()["nextPageToken"]]
            assert "nextPageToken" not in found[-1].json()


async def test_each_filter_narrows(serve: Serve) -> None:
    async with serve(steps(READ)) as service, asking(service) as http:
        done = (await service.finished((await service.create("do", user_id="ada")).run_id)).run_id
        waiting = (await service.create("do", user_id="bob", approval_strategy=2)).run_id
        await service.until(waiting, "approval_required")
        target = (await http.get("/v1/integrations")).json()["integrations"][0]["id"]
        for given, expected in (
            ("status=SUCCESS", [done]),
            ("status=PAUSED", [waiting]),
            ("status=FAILED", []),
            ("userId=ada", [done]),
            ("userId=ada&status=PAUSED", []),
            (f"customerIntegrationIds={target}", [waiting, done]),
            ("customerIntegrationIds=other", []),
            (f"customerIntegrationIds=other&customerIntegrationIds={target}&userId=bob", [waiting]),
        ):
            found = (await http.get(f"/v1/runs?{given}")).json()

            assert [run["runId"] for run in found] == expected, given
            assert all(run["events"] == [] for run in found)
