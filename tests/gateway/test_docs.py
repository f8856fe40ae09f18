"""The viewer at /docs: it needs nothing but this gateway, and does what it shows."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest

from errands.v1 import run_pb2
from errands_gateway.v1.operations import OPERATIONS
from tests.service import PATIENCE, Service

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
async def page() -> AsyncGenerator[Any, None]:
    """A page in Chromium."""
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    async with playwright.async_playwright() as started:
        browser = await started.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        opened = await browser.new_page(viewport={"width": 1_280, "height": 1_000})
        opened.set_default_timeout(PATIENCE * 1_000)
        yield opened
        await browser.close()


async def test_every_operation_is_shown_without_asking_anybody_else_and_without_complaint(
    service: Service, page: Any
) -> None:
    origin = f"http://{service.app.http_address}"
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: complaints.append(f"{request.url}: {request.failure}"))
    page.on("response", lambda answer: complaints.append(answer.url) if answer.status >= 400 else None)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{origin}/docs/")
    await page.wait_for_selector(".opblock-summary-path")
    shown = await page.locator(".opblock .opblock-summary").all_inner_texts()
    found = {tuple(re.sub("\u200b", "", text).split("\n")[:2]) for text in shown}
    # Opening one draws its parameters, examples and schemas.
    await page.locator("#operations-Run-RunController_createRun .opblock-summary").click()
    await page.wait_for_selector("#operations-Run-RunController_createRun .responses-table")

    assert found == {(operation.method, operation.path) for operation in OPERATIONS}
    assert complaints == []
    assert {url.removeprefix(origin) for url in asked if not url.startswith("data:")} == {
        "/docs/",
        "/docs",
        "/docs/start.js",
        "/docs/viewer/swagger-ui.css",
        "/docs/viewer/swagger-ui-bundle.js",
        "/docs/viewer/favicon-32x32.png",
        "/openapi.json",
    }


async def test_the_viewer_sends_what_it_shows(service: Service, page: Any) -> None:
    """With a key, the example of the document creates a run."""
    await page.goto(f"http://{service.app.http_address}/docs#/Run/RunController_createRun")
    await page.locator("button.authorize").first.click()
    await page.locator(".auth-container input").first.fill(service.key)
    await page.locator(".auth-container button[type=submit]").first.click()
    await page.locator(".close-modal, button.btn-done").first.click()
    operation = page.locator("#operations-Run-RunController_createRun")
    await operation.locator("button.try-out__btn").click()
    await operation.locator("button.execute").click()
    await operation.locator(".live-responses-table .response-col_status").first.wait_for()
    status = await operation.locator(
        ".live-responses-table .response .response-col_status"
    ).first.inner_text()
    runs = (await service.runs.ListRuns(run_pb2.ListRunsRequest())).runs

    assert status.split()[0] == "201"
    assert [run.intent for run in runs] == ["List the open invoices of Ada Lovelace"]


async def test_the_page_lets_nothing_in_from_elsewhere(service: Service) -> None:
    async with httpx2.AsyncClient(base_url=f"http://{service.app.http_address}") as http:
        page = await http.get("/docs")
        files = [await http.get(f"/docs/{path}") for path in re.findall(r'="docs/([^"]+)"', page.text)]
        policy = page.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "<script>" not in page.text
    assert "http" not in page.text
    assert [file.status_code for file in files] == [200] * 4
    assert {file.headers["content-type"].partition(";")[0] for file in files} == {
        "text/css",
        "text/javascript",
        "image/png",
    }
