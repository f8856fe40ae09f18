"""Runs whose MCP server sends the user to a page: they wait, the user says so, and they go on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response

from errands.v1 import connection_pb2, event_pb2
from errands.v1.run_pb2 import CancelRunRequest
from errands_server.app import Overrides
from tests.contract.conftest import Clock
from tests.gateway.approvals.links import somebody
from tests.gateway.approvals.parsed import Page
from tests.gateway.connecting.links import HOUR, pressed, told
from tests.journeys.test_mcp import add
from tests.scripted import Scene, ScriptedPlanner, plan_of
from tests.service import Service, serving
from tests.tools.mcp.plain import Plain, plain, required

PAGE = "https://pay.example/basket?of=a%20mug&then=here"


class Till:
    """A server that does nothing until a page was paid at, and the service that calls it."""

    def __init__(self, service: Service, server: Plain, integration: str) -> None:
        self.service = service
        self.server = server
        self.integration = integration
        self.paid = 0  # calls that go through
        self.url = PAGE
        server.answer = self._answer

    def _answer(self, _: Request, message: Mapping[str, Any]) -> Response | None:
        if message.get("method") != "tools/call":
            return None
        if self.paid:
            self.paid -= 1
            return None
        return required(message, self.url)

    async def waiting(self, after: int = 0, run_id: str = "", user: str = "ada") -> event_pb2.RunEvent:
        """The event by which a run, a new one where none is given, begins to wait."""
        run_id = run_id or (await self.service.create("Act", user_id=user)).run_id
        return await self.service.until(run_id, "auth_required", after)

    def path(self, event: event_pb2.RunEvent) -> str:
        return event.auth_required.url.partition(self.service.app.http_address)[2]

    def keys(self) -> list[str]:
        return [call["params"]["_meta"]["errands/idempotency-key"] for call in self.server.calls()]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def till(tmp_path: Path, clock: Clock, request: pytest.FixtureRequest) -> AsyncGenerator[Till]:
    """A till, and runs of one step, or of as many as the test says."""
    steps = [Scene("act")] * getattr(request, "param", 1)
    overrides = Overrides(environment=clock.environment, planner=ScriptedPlanner(plan_of(*steps)))
    async with (
        plain("2025-11-25") as server,
        serving(tmp_path / "data", overrides) as service,
    ):
        made = await add(service, "till", mcp_url=server.url, internal=True, honours_idempotency_keys=True)
        yield Till(service, server, made.id)


@asynccontextmanager
async def people(till: Till, count: int) -> AsyncGenerator[list[httpx2.AsyncClient]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(somebody(till.service)) for _ in range(count)]


async def test_a_run_waits_for_the_page_and_goes_on_with_the_same_key_when_the_user_says_so(
    till: Till,
) -> None:
    async with people(till, 1) as [ada]:
        event = await till.waiting()
        page = await ada.get(till.path(event))
        shown = await till.service.connections.GetConnectLink(
            connection_pb2.GetConnectLinkRequest(token=till.path(event).rpartition("/")[2]), metadata=()
        )
        before = len(till.server.calls())
        till.paid = 1
        answer = await pressed(ada, page)
        run = await till.service.finished(event.run_id)

    assert event.status == event_pb2.RUN_STATUS_AUTH_REQUIRED
    assert event.auth_required.url.startswith(f"http://{till.service.app.http_address}/connect/")
    assert (shown.type, shown.page_url, list(shown.scopes)) == ("page", PAGE, [])
    assert "Thank you" in told(answer)
    assert run.status == event_pb2.RUN_STATUS_SUCCESS, run.error
    assert (before, len(till.server.calls()), len(set(till.keys()))) == (1, 2, 1)
    listed = await till.service.connections.ListConnections(connection_pb2.ListConnectionsRequest())
    assert not listed.connections


async def test_the_page_names_who_wants_what_from_whom_and_shows_the_whole_address(till: Till) -> None:
    async with people(till, 1) as [ada]:
        page = await ada.get(till.path(await till.waiting()))

    words = told(page)
    for expected in ("till wants you to do something", "on behalf of ada", PAGE, "pay.example"):
        assert expected in words
    [link] = [found for tag, found in Page.of(page.text).elements if tag == "a"]
    assert (link["href"], link["rel"]) == (PAGE, "noreferrer noopener")
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_looking_at_the_page_lets_no_run_go_on(till: Till) -> None:
    async with people(till, 2) as both:
        event = await till.waiting()
        for one in both:
            await one.get(till.path(event))
            await one.head(till.path(event))

        assert (await till.service.get(event.run_id)).status == event_pb2.RUN_STATUS_AUTH_REQUIRED


async def test_another_browser_is_refused_before_and_after_the_user_pressed(till: Till) -> None:
    async with people(till, 2) as [ada, eve]:
        event = await till.waiting()
        hers, mine = await eve.get(till.path(event)), await ada.get(till.path(event))
        with_my_form = await eve.post(till.path(event), data=Page.of(mine.text).hidden)
        between = await till.service.get(event.run_id)
        till.paid = 1
        await pressed(ada, mine)
        late = await pressed(eve, hers)
        await till.service.finished(event.run_id)

    assert (with_my_form.status_code, late.status_code) == (400, 400)
    assert between.status == event_pb2.RUN_STATUS_AUTH_REQUIRED
    assert len(till.server.calls()) == 2


async def test_one_page_done_lets_no_other_run_go_on_nor_does_a_connection(till: Till) -> None:
    async with people(till, 1) as [ada]:
        mine, other = await till.waiting(), await till.waiting()
        till.paid = 1
        await pressed(ada, await ada.get(till.path(mine)))
        run = await till.service.finished(mine.run_id)
        await till.service.connect(till.integration, "ada", bearer=connection_pb2.ConnectionBearer(token="t"))
        still = await till.service.get(other.run_id)

    assert run.status == event_pb2.RUN_STATUS_SUCCESS, run.error
    assert still.status == event_pb2.RUN_STATUS_AUTH_REQUIRED
    assert still.authorization_url == other.auth_required.url


@pytest.mark.parametrize("till", [2], indirect=True)
async def test_of_two_pages_of_a_run_each_lets_its_own_call_go_on(till: Till) -> None:
    async with people(till, 1) as [ada]:
        first = await till.waiting()
        second = await till.waiting(first.sequence, first.run_id)
        pages = [await ada.get(till.path(event)) for event in (first, second)]
        till.paid = 2
        await pressed(ada, pages[0])
        await till.service.until(first.run_id, "step_completed")
        between = await till.service.get(first.run_id)
        calls = len(till.server.calls())
        await pressed(ada, pages[1])
        run = await till.service.finished(first.run_id)

    assert (between.status, calls) == (event_pb2.RUN_STATUS_AUTH_REQUIRED, 3)
    assert run.status == event_pb2.RUN_STATUS_SUCCESS, run.error


async def test_a_server_that_sends_the_user_away_without_end_fails_the_step_after_five_pages(
    till: Till,
) -> None:
    async with people(till, 1) as [ada]:
        run_id = (await till.service.create("Act", user_id="ada")).run_id
        after = 0
        for count in range(5):
            event = await till.waiting(after, run_id)
            after = event.sequence
            till.url = f"{PAGE}&{count}"
            await pressed(ada, await ada.get(till.path(event)))
        run = await till.service.finished(run_id)

    assert run.status == event_pb2.RUN_STATUS_NO_SUCCESS
    assert "asks without end: 5 pages were done" in run.error.message
    assert (len(till.server.calls()), len(set(till.keys()))) == (6, 1)


async def test_nobody_says_so_in_time_and_the_step_ends_as_refused(till: Till, clock: Clock) -> None:
    async with people(till, 1) as [ada]:
        event = await till.waiting()
        page = await ada.get(till.path(event))
        clock.moved += HOUR
        late = await pressed(ada, page)
        run = await till.service.finished(event.run_id)

    assert late.status_code == 400
    assert "This link has run out" in told(late)
    assert run.status == event_pb2.RUN_STATUS_NO_SUCCESS
    assert run.error.reason == "AUTHORIZATION_EXPIRED"
    assert len(till.server.calls()) == 1


async def test_a_page_of_a_cancelled_run_does_nothing_any_more(till: Till) -> None:
    async with people(till, 1) as [ada]:
        event = await till.waiting()
        page = await ada.get(till.path(event))
        await till.service.runs.CancelRun(CancelRunRequest(run_id=event.run_id))
        late = await pressed(ada, page)

    assert late.status_code == 400
    assert len(till.server.calls()) == 1


@pytest.mark.parametrize("till", [2], indirect=True)
async def test_who_refuses_a_page_ends_that_one_call(till: Till) -> None:
    async with people(till, 1) as [ada]:
        first = await till.waiting()
        page = await ada.get(till.path(first))
        answer = await pressed(ada, page, refuse="yes")
        again = await pressed(ada, page)
        second = await till.waiting(first.sequence, first.run_id)
        till.paid = 1
        await pressed(ada, await ada.get(till.path(second)))
        run = await till.service.finished(first.run_id)

    assert "The run goes on without this step" in told(answer)
    assert "has done its work" in told(again)
    assert run.status == event_pb2.RUN_STATUS_PARTIAL_SUCCESS
    assert len(till.server.calls()) == 3
