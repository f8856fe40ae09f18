"""A page that watches a run: a browser's own EventSource, on tickets, through a line that breaks."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Page, async_playwright

from tests.contract.conftest import Serve
from tests.contract.plans import READ, WRITE, chain
from tests.gateway.streams.proxy import cutting
from tests.gateway.streams.readers import Upstreams, client, log
from tests.service import Service

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
KINDS = [
    *("status", "plan", "step.started", "step.completed", "approval.required", "approval.resolved"),
    *("result", "error", "note"),
]
# What a page does: a ticket opens one stream, and where that breaks the browser comes back with
# a ticket that is spent, is refused, and says so; then the page asks for a new one.
WATCH = """([run, key, kinds]) => new Promise((done, failed) => {
    const told = {events: [], cursors: [], tickets: 0, retries: 0}
    const watch = async () => {
        const path = `/v1/runs/${run}/stream-tickets`
        const made = await (await fetch(path, {method: "POST", headers: {"x-api-key": key}})).json()
        told.tickets++
        const cursor = told.cursors.at(-1) ?? 0
        const source = new EventSource(`${made.url}&lastEventId=${cursor}`)
        for (const kind of kinds) source.addEventListener(kind, event => {
            told.events.push(JSON.parse(event.data))
            told.cursors.push(event.lastEventId)
            if (kind === "status" && told.events.at(-1).status === "SUCCESS") {
                source.close()
                done(told)
            }
        })
        source.onerror = () => {
            if (source.readyState === EventSource.CLOSED) watch().catch(failed)
            else told.retries++
        }
    }
    watch().catch(failed)
})"""


@pytest.fixture
async def page() -> AsyncGenerator[Page, None]:
    command = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if command is None:
        pytest.skip("no Chromium is installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=command, args=ARGUMENTS)
        yield await browser.new_page()
        await browser.close()


async def approve(service: Service, run_id: str) -> None:
    """Let the run go on once somebody watches it."""
    upstreams = Upstreams()
    while not upstreams.of(run_id):
        await service.get(run_id)
    asked = await service.until(run_id, "approval_required")
    await service.decide(asked.approval_required.approval_id, 1)


async def test_a_page_gets_the_log_in_order_and_once_though_its_line_breaks(serve: Serve, page: Page) -> None:
    async with serve(chain(READ, WRITE, READ)) as service:
        run_id = (await service.create("do", approval_strategy=2)).run_id
        refusal = 1 << 16  # is not cut
        async with cutting(service.app.http_address, iter([900, refusal, 1_500])) as cutter:
            await page.goto(f"http://{cutter.address}/healthz")
            watched = page.evaluate(WATCH, [run_id, service.key, KINDS])
            told, _ = await asyncio.gather(watched, approve(service, run_id))
        async with client(service.app.http_address, service.key) as http:
            whole = await log(http, run_id)

    assert cutter.cuts == 2
    assert (told["tickets"], told["retries"]) == (3, 2)
    assert told["cursors"] == [str(event["sequence"]) for event in whole]
    assert [event["type"] for event in told["events"]] == [event["type"] for event in whole]
