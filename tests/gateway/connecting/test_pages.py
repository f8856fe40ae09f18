"""The pages of connect links: what they show, to whom, and what they never do by being looked at."""

from __future__ import annotations

import asyncio
import json
from http.cookies import SimpleCookie
from typing import Any

import httpx2
import pytest

from errands.v1 import event_pb2, integration_pb2
from errands.v1.connection_pb2 import ConnectionBearer
from tests.contract.conftest import Clock, Serve
from tests.contract.plans import HELD, LOCKED, chain, steps
from tests.contract.target import Target
from tests.gateway.approvals.link_scanners import AHEAD, BROWSERS, PREVIEWS, SCANNERS
from tests.gateway.approvals.links import CHROME, JSON, somebody
from tests.gateway.approvals.parsed import Page
from tests.gateway.callers import reason
from tests.gateway.connecting.links import COOKIE, HOUR, SECRET, connections, link, pressed, target_id, told
from tests.service import PATIENCE, Service

CALLBACK = "/connect/callback"


async def test_the_page_says_who_is_asked_for_what_where_and_until_when(serve: Serve, target: Target) -> None:
    async with serve() as service, somebody(service) as ada:
        page = await ada.get(await link(service))

    assert page.status_code == 200
    for words in ("Connect desk?", "on behalf of ada", f"Requests go to {target.url}", "Good until", "UTC"):
        assert words in told(page)
    [field] = [found for tag, found in Page.of(page.text).elements if found.get("name") == "secret"]
    assert (field["type"], field["autocomplete"]) == ("password", "off")


async def test_what_is_typed_in_connects_the_user_and_the_runs_go_on(serve: Serve, target: Target) -> None:
    async with serve(steps(LOCKED)) as service, somebody(service) as ada:
        created = await service.create("do", user_id="ada")
        required = (await service.until(created.run_id, "auth_required")).auth_required
        run = await service.get(created.run_id)
        page = await ada.get(required.url.partition(service.app.http_address)[2])
        answer = await pressed(ada, page, secret=SECRET)
        ended = await service.finished(created.run_id)

        assert run.authorization_url == required.url
        assert answer.status_code == 200
        assert "Connected" in told(answer)
        assert "You can close this window; what waited for it goes on." in told(answer)
        assert SECRET not in answer.text
        assert ended.status == event_pb2.RUN_STATUS_SUCCESS
        assert await connections(service) == [("ada", "bearer")]


@pytest.mark.parametrize(
    "lookers", [BROWSERS, SCANNERS, PREVIEWS, AHEAD], ids=["browsers", "scanners", "previews", "ahead"]
)
async def test_looking_changes_nothing_whoever_looks(
    serve: Serve, lookers: dict[str, dict[str, str]]
) -> None:
    async with serve() as service:
        path = await link(service)
        for name, headers in lookers.items():
            async with somebody(service, headers) as looker:
                assert (await looker.get(path)).status_code == 200, name
                assert (await looker.head(path)).status_code == 200, name
        assert await connections(service) == []
        async with somebody(service) as ada:
            await pressed(ada, await ada.get(path), secret=SECRET)

        assert await connections(service) == [("ada", "bearer")]


async def test_nothing_is_finished_for_who_asks_for_the_head_or_fetches_ahead(serve: Serve) -> None:
    async with serve() as service, somebody(service, {}) as looker:
        query = {"state": "a", "code": "b"}
        answers = [await looker.head(CALLBACK, params=query)]
        answers += [await looker.get(CALLBACK, params=query, headers=ahead) for ahead in AHEAD.values()]

    assert {answer.status_code for answer in answers} == {503}


async def every_answer(service: Service, clock: Clock) -> list[httpx2.Response]:
    """One answer of each kind that these paths can give."""
    async with somebody(service) as ada, somebody(service) as bob, somebody(service, JSON) as program:
        path, other, old = [await link(service, user=user) for user in ("ada", "bob", "eve")]
        page = await ada.get(path)
        answers = [
            page,
            await ada.head(path),
            await pressed(ada, page, secret=SECRET),
            await pressed(ada, page, secret=SECRET),
            await ada.post(other, data={"form": "wrong"}),
            await ada.post(other, data={"unknown": "1"}),
            await ada.post(other, content=b"{}"),
            await ada.put(path),
            await ada.get("/connect/none"),
            await ada.get(CALLBACK),
            await bob.get(CALLBACK, params={"state": "none", "code": "none"}),
            await ada.get(CALLBACK, params={"state": "none", "code": "none"}),
            await program.get(CALLBACK, params={"state": "none", "code": "none"}),
            await program.get("/connect/none"),
        ]
        clock.moved += 100 * HOUR
        return [*answers, await ada.get(old)]


async def test_every_answer_is_kept_from_frames_caches_scripts_and_referrers(
    serve: Serve, clock: Clock
) -> None:
    async with serve() as service:
        answers = await every_answer(service, clock)

    assert {answer.status_code for answer in answers} == {200, 400, 405, 415}
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "form-action 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"
        if answer.text and answer.headers["content-type"].startswith("text/html"):
            page = Page.of(answer.text)
            assert f"'{page.style_hash}'" in policy
            assert "script" not in page.tags
            assert not any({"src", "style", "srcset"} & set(found) for _, found in page.elements)
            assert SECRET not in answer.text


@pytest.mark.parametrize(
    ("public_url", "name", "secure"),
    [("", COOKIE, False), ("https://errands.example", f"__Host-{COOKIE}", True)],
)
async def test_the_cookie_is_for_this_host_alone_and_out_of_reach_of_scripts(
    serve: Serve, public_url: str, name: str, secure: bool
) -> None:
    async with serve(public_url=public_url) as service, somebody(service) as ada:
        page = await ada.get(await link(service))
        cookie = SimpleCookie(page.headers["set-cookie"])[name]

    assert len(cookie.value) == 43
    assert (bool(cookie["httponly"]), cookie["samesite"], cookie["path"], cookie["domain"]) == (
        True,
        "lax",
        "/",
        "",
    )
    assert bool(cookie["secure"]) == secure
    assert cookie.value not in page.text


async def test_a_button_pressed_elsewhere_connects_nobody(serve: Serve) -> None:
    async with serve() as service, somebody(service) as ada, somebody(service) as eve:
        path = await link(service)
        mine, hers = await ada.get(path), await eve.get(path)
        form = Page.of(mine.text).hidden
        refused = [
            await ada.post(path, data={"secret": SECRET}),
            await ada.post(path, data={"form": Page.of(hers.text).hidden["form"], "secret": SECRET}),
            await ada.post(path, data={**form, "secret": SECRET}, headers={"origin": "https://evil.example"}),
            await ada.post(path, data={**form, "secret": SECRET}, headers={"sec-fetch-site": "cross-site"}),
        ]
        eve.cookies.clear()
        refused.append(await eve.post(path, data={**Page.of(hers.text).hidden, "secret": SECRET}))

        assert {answer.status_code for answer in refused} == {400}
        for answer in refused:
            assert "Please press the button once more" in told(answer)
            assert f'href="{path.rpartition("/")[2]}"' in answer.text
        assert await connections(service) == []


async def test_a_link_works_once_and_in_one_browser(serve: Serve) -> None:
    async with serve() as service, somebody(service) as ada, somebody(service) as eve:
        path = await link(service)
        mine, hers = await ada.get(path), await eve.get(path)
        done = await pressed(ada, mine, secret=SECRET)
        again = await pressed(ada, mine, secret="another-secret")
        second = await pressed(eve, hers, secret="another-secret")

        assert done.status_code == 200
        assert [answer.status_code for answer in (again, second)] == [400, 400]
        assert "has done its work" in told(second)
        assert await connections(service) == [("ada", "bearer")]


async def test_a_link_that_ran_out_says_so_and_connects_nobody(serve: Serve, clock: Clock) -> None:
    async with serve() as service, somebody(service) as ada:
        path = await link(service)
        page = await ada.get(path)
        clock.moved += 100 * HOUR
        late = [await ada.get(path), await pressed(ada, page, secret=SECRET)]

        for answer in late:
            assert answer.status_code == 400
            assert "This link has run out" in told(answer)
        assert await connections(service) == []


async def test_what_is_no_link_is_a_page_for_people_and_a_problem_for_programs(serve: Serve) -> None:
    async with serve() as service, somebody(service) as person:
        path = await link(service)
        for wrong in ("/connect/x", path[:-2], path + "A", "/connect/%00", "/connect/" + "a" * 5_000):
            answer = await person.get(wrong)
            problem = await person.get(wrong, headers=JSON)

            assert answer.status_code == 400, wrong
            assert "This link does not work" in told(answer)
            assert reason(problem) == (400, "LINK_INVALID")


async def test_the_browser_comes_back_to_the_application_at_the_end(serve: Serve) -> None:
    async with serve() as service, somebody(service) as ada:
        page = await ada.get(await link(service, return_url="https://app.example/done?a=1&b=2"))
        answer = await pressed(ada, page, secret=SECRET)

    assert answer.status_code == 200
    assert answer.headers["refresh"].startswith("0;url=https://app.example/done?a=1&b=2")
    assert "Going on to app.example" in told(answer)


async def test_names_and_scopes_cannot_write_the_page(serve: Serve, target: Target) -> None:
    async with serve() as service, somebody(service) as ada:
        flow: dict[str, Any] = {
            "authorizationUrl": f"{target.url}/authorize",
            "tokenUrl": f"{target.url}/token",
        }
        flow["scopes"] = {"mugs": "See your mugs"}
        document = json.loads(target.document())
        schemes = {"key": {"type": "oauth2", "flows": {"authorizationCode": flow}}}
        document["components"]["securitySchemes"] = schemes
        request = integration_pb2.CreateIntegrationRequest(
            name="<i>crm</i>", openapi_document=json.dumps(document), internal=True
        )
        request.oauth_client.client_id = "errands"
        crm = (await service.integrations.CreateIntegration(request)).integration.id
        user = '<b onclick="x">ada</b>\u202e'
        page = await ada.get(await link(service, crm, user=user, scopes=["<i>read</i>", "email", "mugs"]))

    read = Page.of(page.text)
    assert "i" not in read.tags
    assert not any("onclick" in found for _, found in read.elements)
    assert "U+202E" in told(page)
    assert "Read your email address email See your mugs mugs" in told(page)
    assert "Go on to <i>crm</i>" in told(page)
    assert "password" not in page.text


async def test_a_key_beside_a_link_adds_nothing_and_takes_nothing_away(serve: Serve) -> None:
    async with serve() as service, somebody(service, {**CHROME, "x-api-key": "none"}) as ada:
        page = await ada.get(await link(service))
        answer = await ada.post(page.url.path, data={**Page.of(page.text).hidden, "secret": SECRET})

        assert (page.status_code, answer.status_code) == (200, 200)
        assert await connections(service) == [("ada", "bearer")]


async def test_links_of_a_run_are_for_those_who_may_connect_users(serve: Serve) -> None:
    async with serve(steps(LOCKED)) as service:
        reader = await service.with_scopes("runs:read")
        connector = await service.with_scopes("runs:read", "connections")
        created = await service.create("do", user_id="ada")
        await service.until(created.run_id, "auth_required")
        seen = {}
        for name, who in (("reader", reader), ("connector", connector)):
            async with httpx2.AsyncClient(
                base_url=f"http://{service.app.http_address}", headers={"x-api-key": who.key}
            ) as http:
                run = (await http.get(f"/v1/runs/{created.run_id}?includeEvents=true")).json()
                listed = (await http.get(f"/v1/runs/{created.run_id}/events")).json()
                urls = {
                    one["url"]
                    for one in (*run["events"], *listed["events"])
                    if one["type"] == "auth.required"
                }
                seen[name] = (run.get("authorizationUrl", ""), urls)

    assert seen["reader"] == ("", {""})
    url, urls = seen["connector"]
    assert url.startswith(f"http://{service.app.http_address}/connect/")
    assert urls == {url}


async def test_streams_of_one_run_show_links_only_to_those_who_may_connect_users(
    serve: Serve, target: Target
) -> None:
    scopes = ((), ("connections",), ("approvals",))
    async with serve(chain(HELD, LOCKED)) as service:
        keys = [await service.with_scopes("runs:read", *more) for more in scopes]
        created = await service.create("do", user_id="ada")
        watches = [Watch(service, key.key, created.run_id) for key in keys]
        reading = [asyncio.create_task(watch.read()) for watch in watches]
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(watch.live.wait() for watch in watches))
        target.open.set()
        hidden, shown, elsewhere = await asyncio.gather(*reading)

    assert shown.startswith(f"http://{service.app.http_address}/connect/")
    assert (hidden, elsewhere) == ("", "")


class Watch:
    """One key's stream of a run. `live` is set once it has read what happened before."""

    def __init__(self, service: Service, key: str, run_id: str) -> None:
        self._url = f"http://{service.app.http_address}/v1/runs/{run_id}/sse"
        self._headers = {"x-api-key": key}
        self.live = asyncio.Event()

    async def read(self) -> str:
        """The link in the first request for authorization."""
        async with (
            httpx2.AsyncClient(headers=self._headers, timeout=PATIENCE) as http,
            http.stream("GET", self._url) as stream,
        ):
            async for line in stream.aiter_lines():
                found = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {"type": ""}
                if found["type"] == "step.started":
                    self.live.set()
                if found["type"] == "auth.required":
                    return str(found["url"])
        raise AssertionError("the stream ended first")


async def test_a_link_of_a_stranger_cannot_be_made(serve: Serve) -> None:
    async with serve() as service:
        stranger = await service.stranger()
        integration = await target_id(service)
        async with httpx2.AsyncClient(
            base_url=f"http://{service.app.http_address}", headers={"x-api-key": stranger.key}
        ) as http:
            body = {"integrationId": integration, "userId": "ada"}
            answer = await http.post("/v1/connections/links", json=body)

    assert reason(answer) == (404, "INTEGRATION_NOT_FOUND")


async def test_a_tenant_that_is_full_connects_nobody_and_the_page_says_so(serve: Serve) -> None:
    async with serve(steps(LOCKED), max_connections=1) as service, somebody(service) as ada:
        page = await ada.get(await link(service))
        await service.connect(await target_id(service), "bob", bearer=ConnectionBearer(token="t"))
        answer = await pressed(ada, page, secret=SECRET)
        left = await connections(service)
        created = await service.create("do", user_id="ada", validate_only=True)

    assert answer.status_code == 429
    assert "as many accounts connected as it may" in told(answer)
    assert left == [("bob", "bearer")]
    assert [(one.integration_name, one.url) for one in created.preflight.missing] == [("desk", "")]


async def test_who_refuses_ends_the_link_and_what_waited_for_it(serve: Serve, target: Target) -> None:
    async with serve(steps(LOCKED)) as service, somebody(service) as ada:
        created = await service.create("do", user_id="ada")
        other = await service.create("do", user_id="bob")
        required = (await service.until(created.run_id, "auth_required")).auth_required
        await service.until(other.run_id, "auth_required")
        page = await ada.get(required.url.partition(service.app.http_address)[2])
        answer = await pressed(ada, page, secret="", refuse="yes")
        again = await pressed(ada, page, secret=SECRET)
        run = await service.finished(created.run_id)
        waiting = await service.get(other.run_id)
        left = await connections(service)

    assert "Not connected" in told(answer)
    assert "Runs that waited for it go on without it" in told(answer)
    assert "has done its work" in told(again)
    assert (run.status, run.error.reason) == (event_pb2.RUN_STATUS_NO_SUCCESS, "AUTHORIZATION_REFUSED")
    assert waiting.status == event_pb2.RUN_STATUS_AUTH_REQUIRED
    assert not left
    assert not target.received


async def test_a_link_that_was_refused_connects_nobody(serve: Serve, target: Target) -> None:
    async with serve() as service, somebody(service) as ada:
        page = await ada.get(await link(service, return_url="https://app.example/back"))
        answer = await pressed(ada, page, refuse="yes")
        again = await pressed(ada, page, secret=SECRET)
        left = await connections(service)

    assert "https://app.example/back" in answer.text
    assert "has done its work" in told(again)
    assert not left
