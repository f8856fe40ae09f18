"""Chromium, and what people do and see in it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.service import PATIENCE

playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
needed = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@pytest.fixture
async def chromium() -> AsyncGenerator[Any, None]:
    async with playwright.async_playwright() as started:
        browser = await started.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        await browser.close()


@asynccontextmanager
async def person(chromium: Any, *, guest_of: str = "", **settings: Any) -> AsyncGenerator[Any, None]:
    """A page of a new browser profile; what it complains about is an error, but not at `guest_of`."""
    context = await chromium.new_context(**settings)
    context.set_default_timeout(PATIENCE * 1_000)
    page = await context.new_page()
    complaints: list[str] = []

    def complain(message: Any) -> None:
        if not guest_of or not message.location["url"].startswith(guest_of):
            complaints.append(message.text)

    page.on("console", complain)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    await context.close()
    assert not [one for one in complaints if "Failed to load resource" not in one], complaints


async def heading(page: Any) -> str:
    return str(await page.get_by_role("heading", level=1).inner_text())


async def press(page: Any, name: str) -> str:
    """Press a button, and the heading behind it."""
    async with page.expect_navigation():
        await page.get_by_role("button", name=name).click()
    return await heading(page)


@asynccontextmanager
async def elsewhere(html: str) -> AsyncGenerator[str, None]:
    """A page of another site; its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(html.encode())}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n{html}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://localhost:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def sight(page: Any, path: Path) -> dict[str, Any]:
    """How the page lies on its screen."""
    await page.screenshot(path=path)
    return {
        # A phone's window grows with what is too wide for it, so its screen is what counts.
        "overflows": await page.evaluate("document.documentElement.scrollWidth")
        > page.viewport_size["width"],
        "buttons": [await one.bounding_box() for one in await page.get_by_role("button").all()],
        "ground": await page.evaluate("getComputedStyle(document.body).backgroundColor"),
    }


CONTRAST = """() => {
  const number = color => color.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let one = element; one; one = one.parentElement) {
      const found = number(getComputedStyle(one).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const texts = [...document.body.querySelectorAll("*")]
    .filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  return texts.map(one => {
    const [a, b] = [light(number(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
    return [one.innerText.slice(0, 40), (a + 0.05) / (b + 0.05)];
  });
}"""
