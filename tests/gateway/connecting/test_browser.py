"""People connect in Chromium, at a certified OpenID provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode

import pytest

from errands.v1 import connection_pb2, event_pb2
from errands_server.app import Overrides
from tests.contract.conftest import Clock, Serve
from tests.credentials.conftest import READ, Stage
from tests.gateway.chromium import CONTRAST, PHONE, chromium, elsewhere, heading, needed, person, press, sight
from tests.gateway.connecting.links import HOUR, connections, link
from tests.oidc.api import serving_api
from tests.oidc.provider import Browser, provider
from tests.scripted import ScriptedPlanner, plan_of
from tests.service import serving

__all__ = ["chromium"]
pytestmark = [needed, pytest.mark.counterparts]
SUCCESS, WAITING = event_pb2.RUN_STATUS_SUCCESS, event_pb2.RUN_STATUS_AUTH_REQUIRED
GO_ON = "Go on to things"
Staging: TypeAlias = Callable[[], AbstractAsyncContextManager[Stage]]


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Staging:
    """A server, a provider that sends browsers back to it, and a service whose users log in there."""

    @asynccontextmanager
    async def started() -> AsyncGenerator[Stage, None]:
        overrides = Overrides(planner=ScriptedPlanner(plan_of(READ)), environment=clock.environment)
        async with serving(tmp_path / "data", overrides) as service:
            callback = f"http://{service.app.http_address}/connect/callback"
            with provider(redirect=callback) as oidc:
                async with serving_api(oidc) as api:
                    found = Stage(service, api, oidc, clock, tmp_path / "data")
                    await found.integrate()
                    yield found

    return started


async def waiting(found: Stage, user: str = "ada", count: int = 1) -> list[str]:
    """Runs of a user that wait."""
    runs = [(await found.service.create("read", user_id=user)).run_id for _ in range(count)]
    for run_id in runs:
        await found.service.until(run_id, "auth_required")
    return runs


async def log_in(page: Any, name: str = "ada") -> None:
    """At the provider: sign in, and agree."""
    await page.get_by_placeholder("Enter any login").fill(name)
    await page.get_by_placeholder("and password").fill("any")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()


async def go_on(page: Any) -> None:
    """Press the button, and arrive at the provider."""
    await page.get_by_role("button", name=GO_ON).click()
    await page.get_by_placeholder("Enter any login").wait_for()


async def url_of(found: Stage, run_id: str) -> str:
    return str((await found.service.get(run_id)).authorization_url)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_a_person_logs_in_and_fifty_waiting_runs_go_on_and_no_strangers_do(
    stage: Staging, chromium: Any, scripts: bool, tmp_path: Path
) -> None:
    count = 50 if scripts else 2
    async with stage() as found:
        mine, theirs = await waiting(found, "ada", count), await waiting(found, "bob", 3)
        async with person(chromium, guest_of=found.provider.issuer, java_script_enabled=scripts) as page:
            await page.goto(await url_of(found, mine[0]))
            read = await page.get_by_role("main").inner_text()
            asked = await heading(page)
            await page.screenshot(path=tmp_path / "connect.png")
            await go_on(page)
            await log_in(page)
            await page.get_by_role("heading", name="Connected").wait_for()
            said = await page.get_by_role("status").inner_text()
        done = await asyncio.gather(*map(found.service.finished, mine))
        others = [await found.service.get(run_id) for run_id in theirs]

    assert asked == "Connect things?"
    for shown in ("ada", found.api.origin, "things:read", "Keep this access while you are away"):
        assert shown in read
    assert "things is connected for ada." in said
    assert "You can close this window; what waited for it goes on." in said
    assert {run.status for run in done} == {SUCCESS}
    assert {run.status for run in others} == {WAITING}
    assert found.api.called == [("/things", "200", "ada")] * count


async def test_a_second_browser_is_refused_and_changes_nothing(stage: Staging, chromium: Any) -> None:
    async with stage() as found:
        [run_id] = await waiting(found)
        url = await url_of(found, run_id)
        async with (
            person(chromium, guest_of=found.provider.issuer) as first,
            person(chromium, guest_of=found.provider.issuer) as second,
        ):
            await first.goto(url)
            await second.goto(url)
            await go_on(first)
            refused = await press(second, GO_ON)
            await log_in(first)
            await first.get_by_role("heading", name="Connected").wait_for()
            callback = first.url
            await second.goto(callback)
            replayed = await heading(second)
            again = await first.reload()
            reloaded = (again.status, await heading(first))
        run = await found.service.finished(run_id)
        redeemed = found.provider.counts()["authorization_code"]

    used = "This link is in use or has done its work"
    assert (refused, replayed, reloaded) == (used, used, (400, used))
    assert (run.status, redeemed) == (SUCCESS, 1)


async def test_an_answer_meant_for_another_browser_connects_nobody(stage: Staging, chromium: Any) -> None:
    async with stage() as found:
        [run_id] = await waiting(found)
        url = await url_of(found, run_id)
        callback = f"http://{found.service.app.http_address}/connect/callback"
        mallory = Browser("mallory", callback)
        answer = await found.visit(url.rpartition("/")[2], mallory)
        refused = []
        async with person(chromium) as ada:
            await ada.goto(f"{callback}?{urlencode(answer)}")  # with no cookie at all
            refused.append(await heading(ada))
            await ada.goto(url)  # which gives her browser one
            await ada.goto(f"{callback}?{urlencode(answer)}")
            refused.append(await heading(ada))
        run = await found.service.get(run_id)

        assert refused == ["This link is in use or has done its work"] * 2
        assert run.status == WAITING
        assert await connections(found.service) == []


async def test_double_clicks_and_going_back_do_no_harm(stage: Staging, chromium: Any) -> None:
    async with stage() as found:
        [run_id] = await waiting(found)
        async with person(chromium, guest_of=found.provider.issuer) as page:
            await page.goto(await url_of(found, run_id))
            await page.get_by_role("button", name=GO_ON).dblclick()
            await page.get_by_placeholder("Enter any login").wait_for()
            await page.go_back()
            await page.get_by_role("button", name=GO_ON).wait_for()
            await go_on(page)
            await log_in(page)
            await page.get_by_role("heading", name="Connected").wait_for()
        run = await found.service.finished(run_id)

    assert run.status == SUCCESS


async def test_who_says_no_at_the_provider_reads_so_and_the_run_goes_on_without(
    stage: Staging, chromium: Any
) -> None:
    async with stage() as found:
        [run_id] = await waiting(found)
        async with person(chromium, guest_of=found.provider.issuer) as page:
            await page.goto(await url_of(found, run_id))
            await go_on(page)
            await page.get_by_role("link", name="Cancel").click()
            await page.get_by_role("heading", name="Not connected").wait_for()
        run = await found.service.finished(run_id)

        assert run.status == event_pb2.RUN_STATUS_NO_SUCCESS
        assert await connections(found.service) == []
    assert found.api.called == []


async def test_a_link_that_ran_out_says_where_to_get_another(
    stage: Staging, chromium: Any, clock: Clock
) -> None:
    async with stage() as found:
        url = f"http://{found.service.app.http_address}{await link(found.service, found.integration)}"
        async with person(chromium, guest_of=found.provider.issuer) as page:
            await page.goto(url)
            clock.moved += 2 * HOUR
            late = await press(page, GO_ON)
            said = await page.get_by_role("alert").inner_text()

    assert late == "This link has run out"
    assert "ask for a new one" in said


async def test_no_site_learns_where_the_browser_came_from(stage: Staging, chromium: Any) -> None:
    sent: list[tuple[str, str]] = []

    async def note(request: Any) -> None:
        sent.append((request.url, (await request.all_headers()).get("referer", "")))

    async with stage() as found, elsewhere("<!doctype html><title>app</title><h1>Welcome back</h1>") as app:
        path = await link(found.service, found.integration, return_url=app)
        async with person(chromium, guest_of=found.provider.issuer) as page:
            tasks: list[Any] = []
            page.on("request", lambda request: tasks.append(asyncio.ensure_future(note(request))))
            await page.goto(f"http://{found.service.app.http_address}{path}")
            await go_on(page)
            await log_in(page)
            await page.get_by_role("heading", name="Welcome back").wait_for()
            await asyncio.gather(*tasks)

    own = f"http://{found.service.app.http_address}"
    assert [url for url, _ in sent if url.startswith(app)]
    for url, referrer in sent:
        assert "code=" not in referrer, url
        assert "/connect/" not in referrer, url
        if url.startswith(app):
            assert referrer == "", url
        if url.startswith(found.provider.issuer):
            assert not referrer.startswith(own), url


async def test_pages_fit_a_phone_and_every_word_has_enough_contrast(
    stage: Staging, serve: Serve, chromium: Any, tmp_path: Path
) -> None:
    words: list[tuple[str, float]] = []
    seen: list[dict[str, Any]] = []
    async with stage() as found:
        for scheme in ("light", "dark"):
            path = await link(found.service, found.integration, user="ada." + "w" * 80)
            async with person(chromium, guest_of=found.provider.issuer, color_scheme=scheme, **PHONE) as page:
                await page.goto(f"http://{found.service.app.http_address}{path}")
                seen.append(await sight(page, tmp_path / f"connect-{scheme}.png"))
                words += await page.evaluate(CONTRAST)
                await go_on(page)
                await log_in(page)
                await page.get_by_role("heading", name="Connected").wait_for()
                seen.append(await sight(page, tmp_path / f"connected-{scheme}.png"))
                words += await page.evaluate(CONTRAST)
                await page.goto(f"http://{found.service.app.http_address}/connect/wrong")
                words += await page.evaluate(CONTRAST)

    assert not any(one["overflows"] for one in seen)
    for box in [box for one in seen for box in one["buttons"]]:
        assert box["height"] >= 48
        assert box["y"] + box["height"] <= 844
    # WCAG 2.2, 1.4.3, level AA
    assert len(words) > 30
    assert not [(text, ratio) for text, ratio in words if ratio < 4.5]


async def test_a_secret_is_typed_in_on_a_phone(serve: Serve, chromium: Any, tmp_path: Path) -> None:
    async with serve() as service:
        path = await link(service)
        async with person(chromium, **PHONE) as page:
            await page.goto(f"http://{service.app.http_address}{path}")
            seen = await sight(page, tmp_path / "typed.png")
            await page.get_by_label("Access token for desk").fill("hunter2-hunter2")
            after = await press(page, "Connect")

        assert not seen["overflows"]
        assert after == "Connected"
        listed = await service.connections.ListConnections(connection_pb2.ListConnectionsRequest())
        assert [one.type for one in listed.connections] == ["bearer"]
