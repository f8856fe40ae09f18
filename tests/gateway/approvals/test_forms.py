"""The form of a page: it decides once, from the page it was shown on and from nowhere else."""

from __future__ import annotations

import asyncio
from http.cookies import SimpleCookie
from typing import Any

import httpx2
import pytest

from errands.v1 import approval_pb2 as pb
from errands.v1 import event_pb2, run_pb2
from tests.contract.conftest import Clock, Serve
from tests.contract.plans import WRITE, steps
from tests.contract.target import Target
from tests.gateway.approvals.links import (
    CHROME,
    DAY,
    FORM,
    JSON,
    PATH,
    Asked,
    asked,
    opened,
    pressed,
    somebody,
    state,
    waits,
)
from tests.gateway.approvals.parsed import Page
from tests.gateway.callers import errors, reason
from tests.service import Service


def told(answer: httpx2.Response) -> str:
    """The words of a page that must be one."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8", answer.text
    return Page.of(answer.text).words


@pytest.mark.parametrize(
    ("button", "decision", "word", "status", "sent"),
    [
        ("approve", pb.DECISION_APPROVE, "Approved", event_pb2.RUN_STATUS_SUCCESS, 1),
        ("deny", pb.DECISION_DENY, "Denied", event_pb2.RUN_STATUS_NO_SUCCESS, 0),
    ],
)
async def test_a_button_decides(
    serve: Serve, target: Target, button: str, decision: int, word: str, status: int, sent: int
) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        found = await asked(service)
        answer = await pressed(person, await opened(person, found.approving), button)
        run = await service.finished(found.run_id)
        decided = await state(service, found)

        assert answer.status_code == 201
        assert word in told(answer)
        assert (decided.decision, decided.actor) == (decision, "link")
        assert run.status == status
        assert len(target.received) == sent


async def test_a_program_may_press_a_button_too(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        found = await asked(service)
        page = await opened(person, found.approving)
        answer = await pressed(person, page, "deny", JSON)
        refused = await pressed(person, page, "approve", JSON)

        assert (answer.status_code, answer.json()["decision"]) == (201, "deny")
        assert reason(refused) == (400, "ALREADY_DECIDED")


async def test_a_key_beside_a_form_is_the_one_who_decides(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        found = await asked(service)
        page = await opened(person, found.approving)
        stranger = await service.stranger()
        foreign = await pressed(person, page, "approve", {"x-api-key": stranger.key})
        answer = await pressed(person, page, "approve", {"x-api-key": service.key})

        assert reason(foreign) == (401, "CREDENTIALS_INVALID")
        assert answer.status_code == 201
        assert (await state(service, found)).actor == "key:process"


async def test_pressing_a_button_many_times_decides_once(serve: Serve, target: Target) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        found = await asked(service)
        page = await opened(person, found.approving)
        answers = await asyncio.gather(*(pressed(person, page, "approve") for _ in range(10)))
        await service.finished(found.run_id)
        answers.append(await pressed(person, page, "approve"))
        events = await service.events(found.run_id)

        assert {answer.status_code for answer in answers} == {201}
        assert [event.WhichOneof("event") for event in events].count("approval_resolved") == 1
        assert len(target.received) == 1


async def test_the_opposite_button_comes_too_late(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        found = await asked(service)
        page = await opened(person, found.approving)
        await pressed(person, page, "approve")
        answer = await pressed(person, page, "deny")

        assert answer.status_code == 400
        assert "Your answer changed nothing. Approved" in told(answer)
        assert (await state(service, found)).decision == pb.DECISION_APPROVE


async def test_a_button_pressed_behind_the_end_says_where_it_stands(serve: Serve, clock: Clock) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        late, stopped = await asked(service), await asked(service)
        late_page, stopped_page = [await opened(person, one.approving) for one in (late, stopped)]
        await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=stopped.run_id))
        closed = await pressed(person, stopped_page, "approve")
        clock.moved += DAY
        expired = await pressed(person, late_page, "approve")

        assert closed.status_code == expired.status_code == 400
        assert "Your answer changed nothing. No longer needed" in told(closed)
        assert "Your answer changed nothing. Out of time" in told(expired)


async def test_a_denying_link_cannot_be_made_to_approve(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        found = await asked(service)
        page = await opened(person, found.denying)
        answer = await pressed(person, page, "approve")

        assert Page.of(page.text).buttons == ["deny"]
        assert answer.status_code == 403
        assert "only allows deny" in told(answer)
        assert await waits(service, found)


async def test_a_form_without_its_proof_decides_nothing(serve: Serve, target: Target) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person, somebody(service) as other:
        found = await asked(service)
        page = await opened(person, found.approving)
        elsewhere = await opened(other, found.approving)
        good = {**Page.of(page.text).hidden, "decision": "approve"}
        foreign = Page.of(elsewhere.text).hidden["form"]
        for form in (
            {**good, "form": ""},
            {**good, "form": "A" * 43},
            {**good, "form": foreign},
            {name: value for name, value in good.items() if name != "form"},
        ):
            answer = await person.post(PATH, data=form)

            assert answer.status_code == 400
            assert "Open the link again" in told(answer)
            assert reason(await person.post(PATH, data=form, headers=JSON)) == (400, "FORM_INVALID")
        async with somebody(service) as cookieless:
            assert reason(await cookieless.post(PATH, data=good, headers=JSON)) == (400, "FORM_INVALID")
            empty = {**good, "form": ""}
            assert reason(await cookieless.post(PATH, data=empty, headers=JSON)) == (400, "FORM_INVALID")
        assert await waits(service, found)
        assert not target.received


async def test_a_link_that_is_opened_again_can_be_decided(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        found = await asked(service)
        page = await opened(person, found.approving)
        person.cookies.clear()
        refused = Page.of((await pressed(person, page, "approve")).text)
        again = next(found["href"] for tag, found in refused.elements if tag == "a")
        page = await person.get(httpx2.URL(str(person.base_url.join(PATH))).join(again))
        answer = await pressed(person, page, "approve")

        assert answer.status_code == 201


async def test_all_open_pages_of_a_browser_work(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        first, second = await asked(service), await asked(service)
        pages = [await opened(person, one.approving) for one in (first, second, first)]
        answers = [await pressed(person, page, "approve") for page in pages]

        assert [answer.status_code for answer in answers] == [201, 201, 201]


async def test_a_cookie_that_is_not_ours_is_replaced(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        found = await asked(service)
        page = await opened(person, found.approving, {"cookie": 'errands-form="><script>'})

        assert "<script" not in page.text
        assert len(Page.of(page.text).hidden["form"]) == 43


FOREIGN: list[dict[str, str]] = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "Cross-Site"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "https://errands.example.evil.example"},
    {"origin": "https://errands.example", "sec-fetch-site": "same-site"},
]
OWN: list[dict[str, str]] = [
    {"sec-fetch-site": "same-origin", "origin": "https://errands.example"},
    {"sec-fetch-site": "none"},
    {"origin": "https://ERRANDS.example"},
    {"origin": "https://errands.example:443"},
    {},
]


async def _with_proof(service: Service, found: Asked, headers: dict[str, str]) -> httpx2.Response:
    """The form, sent with its cookie and with what a browser says of where it comes from."""
    async with somebody(service) as person:
        page = await opened(person, found.approving)
        kept = {"cookie": page.headers["set-cookie"].partition(";")[0]}
        return await pressed(person, page, "approve", {**kept, **headers})


async def test_a_form_from_another_site_decides_nothing(serve: Serve) -> None:
    async with serve(steps(WRITE), public_url="https://errands.example") as service:
        found = await asked(service)
        for headers in FOREIGN:
            assert (await _with_proof(service, found, headers)).status_code == 400, headers
            answer = await _with_proof(service, found, {**headers, **JSON})

            assert reason(answer) == (400, "FORM_INVALID"), headers
        assert await waits(service, found)


async def test_without_a_public_url_a_form_comes_from_the_host_it_is_sent_to(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service:
        found = await asked(service)
        for origin in ("null", "", "file://", "http://evil.example", "http://127.0.0.1:1"):
            assert (await _with_proof(service, found, {"origin": origin})).status_code == 400, origin
        assert await waits(service, found)
        own = f"http://{service.app.http_address}"
        assert (await _with_proof(service, found, {"origin": own})).status_code == 201


async def test_a_form_from_the_own_site_decides(serve: Serve) -> None:
    async with serve(steps(WRITE), public_url="https://errands.example") as service:
        for headers in (*OWN, {"origin": f"http://{service.app.http_address}"}):
            found = await asked(service)

            assert (await _with_proof(service, found, headers)).status_code == 201, headers


def cookie(page: httpx2.Response) -> tuple[str, Any]:
    """The one cookie of a page: its name, and what it is for."""
    ((name, morsel),) = SimpleCookie(page.headers["set-cookie"]).items()
    assert len(morsel.value) == 43
    return name, {key: value for key, value in morsel.items() if value}


async def test_the_cookie_is_for_this_page_alone(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        page = await opened(person, (await asked(service)).approving)

        assert cookie(page) == (
            "errands-form",
            {"path": PATH, "max-age": "86400", "samesite": "lax", "httponly": True},
        )
        assert cookie(await opened(person, (await asked(service)).approving)) == cookie(page)


@pytest.mark.parametrize(
    ("settings", "headers", "path"),
    [
        ({"public_url": "https://errands.example/base/"}, {}, "/base" + PATH),
        ({"trusted_proxies": ("127.0.0.1",)}, {"x-forwarded-proto": "https"}, PATH),
    ],
    ids=["public URL", "trusted proxy"],
)
async def test_over_https_the_cookie_is_secure(
    serve: Serve, settings: dict[str, Any], headers: dict[str, str], path: str
) -> None:
    async with serve(steps(WRITE), **settings) as service, somebody(service, {**CHROME, **headers}) as person:
        page = await opened(person, (await asked(service)).approving)
        name, attributes = cookie(page)

        assert name == "__Secure-errands-form"
        assert attributes == {
            "path": path,
            "max-age": "86400",
            "samesite": "lax",
            "httponly": True,
            "secure": True,
        }


async def test_everything_wrong_with_a_form_is_said_at_once(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, JSON) as client:
        answer = await client.post(PATH, data={"decision": "maybe", "extra": "1"})
        twice = await client.post(PATH, content=b"token=a&token=b&decision=deny", headers=FORM)
        empty = await client.post(PATH, content=b"", headers=FORM)
        page = await client.post(PATH, content=b"", headers={**FORM, "accept": "text/html"})

        assert reason(answer) == reason(twice) == reason(empty) == (400, "FIELD_INVALID")
        assert errors(answer) == {
            "token": "is required",
            "decision": "must be one of approve, deny",
            "extra": "is unknown",
        }
        assert errors(twice) == {"token": "is given more than once"}
        assert set(errors(empty)) == {"token", "decision"}
        assert page.status_code == 400
        assert told(page)


async def test_only_forms_are_taken(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as client:
        for kind in ("application/json", "multipart/form-data; boundary=x", "text/plain", ""):
            answer = await client.post(PATH, content=b"{}", headers={"content-type": kind, **JSON})

            assert reason(answer) == (415, "MEDIA_TYPE_UNSUPPORTED"), kind


async def test_a_form_is_bounded(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, JSON) as client:
        large = await client.post(PATH, content=b"&a" * (40 << 10), headers=FORM)
        many = await client.post(PATH, content=b"&a" * (30 << 10), headers=FORM)

        assert reason(large) == (413, "BODY_TOO_LARGE")
        assert reason(many) == (400, "FIELD_INVALID")
        assert len(many.content) < 20_000
