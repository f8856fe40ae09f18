"""Pages in Chromium, as people use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from errands.v1 import approval_pb2 as pb
from errands.v1 import event_pb2
from tests.contract.conftest import Serve
from tests.contract.plans import WRITE, steps
from tests.contract.target import Target
from tests.gateway.approvals.links import PATH, asked, state, waits
from tests.gateway.chromium import CONTRAST, PHONE, chromium, elsewhere, heading, needed, person, press, sight
from tests.service import Service

__all__ = ["chromium"]
pytestmark = needed
MAIL = {"to": "anna@example.com", "text": "Hello Anna,\n\nyour lamp ships on Tuesday.", "tags": ["a", "b"]}
WIDE = {"address": "w" * 500, "deep": {"key" * 50: ["v" * 500]}, **MAIL}


def link(service: Service, token: str) -> str:
    return f"http://{service.app.http_address}{PATH}?token={token}"


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_a_person_reads_the_page_approves_and_the_run_goes_on(
    serve: Serve, target: Target, chromium: Any, scripts: bool
) -> None:
    async with serve(steps(("writeThing", {"body": MAIL}))) as service:
        found = await asked(service)
        async with person(chromium, java_script_enabled=scripts) as page:
            await page.goto(link(service, found.approving))
            read = await page.get_by_role("main").inner_text()
            named = [await heading(page), await page.title()]
            waited = await waits(service, found)
            after = await press(page, "Approve")
            run = await service.finished(found.run_id)

    assert named == ["Approve this call?", "Approve? · Errands"]
    for shown in ("user-1", "May change data", target.url, "anna@example.com", MAIL["text"], '"a",\n  "b"'):
        assert shown in read
    assert waited
    assert after == "Approved"
    assert run.status == event_pb2.RUN_STATUS_SUCCESS
    assert target.bodies() == [MAIL]


async def test_a_person_denies_with_either_link(serve: Serve, target: Target, chromium: Any) -> None:
    async with serve(steps(WRITE)) as service:
        first, second = await asked(service), await asked(service)
        async with person(chromium) as page:
            await page.goto(link(service, first.denying))
            buttons = await page.get_by_role("button").all_inner_texts()
            denied = [await press(page, "Deny")]
            await page.goto(link(service, second.approving))
            denied.append(await press(page, "Deny"))

        assert (buttons, denied) == (["Deny"], ["Denied", "Denied"])
        for found in (first, second):
            assert (await state(service, found)).decision == pb.DECISION_DENY
        assert not target.received


async def test_double_clicks_reloads_and_going_back_do_no_harm(
    serve: Serve, target: Target, chromium: Any
) -> None:
    async with serve(steps(WRITE)) as service:
        found = await asked(service)
        async with person(chromium) as page:
            await page.goto(link(service, found.approving))
            other = await page.context.new_page()
            await other.goto(link(service, found.approving))
            # The second click may cut off what the first began, so no one navigation is waited for.
            await page.get_by_role("button", name="Approve").dblclick()
            await page.get_by_role("heading", name="Approved").wait_for()
            await page.wait_for_load_state()
            run = await service.finished(found.run_id)
            reloaded = await page.reload()
            seen = [(reloaded.status, await heading(page))]
            back = await page.go_back()
            seen.append((back.status, await heading(page)))
            buttons = await page.get_by_role("button").count()
            late = await press(other, "Deny")
            said = await other.get_by_role("status").inner_text()

    assert seen == [(201, "Approved"), (200, "Approved")]
    assert buttons == 0
    assert late == "Approved"
    assert said.startswith("Your answer changed nothing.")
    assert run.status == event_pb2.RUN_STATUS_SUCCESS
    assert len(target.received) == 1


async def test_no_other_site_can_frame_the_page(serve: Serve, chromium: Any) -> None:
    async with serve(steps(WRITE)) as service:
        found = await asked(service)
        html = f'<!doctype html><iframe src="{link(service, found.approving)}"></iframe>'
        async with elsewhere(html) as url:
            context = await chromium.new_context()
            page = await context.new_page()
            await page.goto(url, wait_until="load")
            framed = page.frames[1]
            shown = await framed.content()
            await context.close()

        assert "Approve" not in shown
        assert PATH not in framed.url
        assert await waits(service, found)


async def test_no_other_site_can_press_the_button(serve: Serve, chromium: Any) -> None:
    async with serve(steps(WRITE)) as service:
        found = await asked(service)
        fields = {"token": found.approving, "decision": "approve", "form": "A" * 43}
        inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
        action = f"http://{service.app.http_address}{PATH}"
        html = f'<!doctype html><form method="post" action="{action}">{inputs}<button>Win</button></form>'
        async with elsewhere(html) as url, person(chromium) as page:
            await page.goto(link(service, found.approving))  # the browser has the cookie
            await page.goto(url)
            refused = await press(page, "Win")
            waited = await waits(service, found)
            async with page.expect_navigation():
                await page.get_by_role("link", name="Open the link again").click()
            again = await heading(page)
            decided = await press(page, "Approve")

    assert (refused, waited) == ("Please choose once more", True)
    assert (again, decided) == ("Approve this call?", "Approved")


async def test_a_page_fits_a_phone_and_follows_dark_mode(serve: Serve, chromium: Any, tmp_path: Path) -> None:
    async with serve(steps(("writeThing", {"body": WIDE}))) as service:
        found = await asked(service)
        sights = {}
        for scheme in ("light", "dark"):
            async with person(chromium, color_scheme=scheme, **PHONE) as page:
                await page.goto(link(service, found.approving))
                sights[scheme] = await sight(page, tmp_path / f"{scheme}.png")

    for seen in sights.values():
        assert not seen["overflows"]
        assert len(seen["buttons"]) == 2
        for box in seen["buttons"]:
            assert box["height"] >= 48
            assert box["width"] >= 150
            assert box["y"] + box["height"] <= 844
    assert sights["light"]["ground"] != sights["dark"]["ground"]


async def _reached(page: Any) -> list[str]:
    """What the Tab key reaches, in order."""
    reached = []
    for _ in range(3):
        await page.keyboard.press("Tab")
        reached.append(
            await page.evaluate("document.activeElement.ariaLabel || document.activeElement.innerText")
        )
    return reached


async def test_a_page_can_be_read_and_decided_with_the_keyboard(serve: Serve, chromium: Any) -> None:
    async with serve(steps(("writeThing", {"body": {"text": "line\n" * 500}}))) as service:
        found = await asked(service)
        async with person(chromium) as page:
            await page.goto(link(service, found.approving))
            landmarks = [await page.get_by_role(role).count() for role in ("banner", "main", "contentinfo")]
            reached = await _reached(page)
            async with page.expect_navigation():
                await page.keyboard.press("Enter")
            after = await heading(page)

    assert landmarks == [1, 1, 1]
    assert reached == ["Value of text", "Approve", "Deny"]
    assert after == "Denied"


async def test_every_word_has_enough_contrast(serve: Serve, chromium: Any) -> None:
    body = {**MAIL, "empty": "", "unseen": "\u202e", "long": "line\n" * 100}
    words: list[tuple[str, float]] = []
    async with serve(steps(("writeThing", {"body": body}))) as service:
        for scheme in ("light", "dark"):
            found = await asked(service)
            async with person(chromium, color_scheme=scheme) as page:
                for address in (found.denying, found.approving, "wrong"):
                    await page.goto(link(service, address))
                    words += await page.evaluate(CONTRAST)
                await page.goto(link(service, found.approving))
                await press(page, "Approve")
                words += await page.evaluate(CONTRAST)

    assert len(words) > 100
    # WCAG 2.2, 1.4.3, level AA
    assert not [(text, ratio) for text, ratio in words if ratio < 4.5]
