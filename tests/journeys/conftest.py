"""A service with a scripted planner and a shop whose answers can be spoiled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import pytest

from errands_server.app import Overrides
from tests.demo.shops import open_shop
from tests.scripted import Scene, ScriptedPlanner, plan_of
from tests.service import Service, serving

Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Service]]


class Shop:
    """A real shop in a process of its own."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self.document = str(client.base_url.join("/openapi.json"))

    def spoil(self, operation: str, **fault: Any) -> None:
        """What goes wrong with the next requests; see the shop's `Fault`."""
        self._client.post("/_faults", json={"operation": operation, **fault}).raise_for_status()

    def heal(self) -> None:
        self._client.delete("/_faults").raise_for_status()

    def effects(self, kind: str = "") -> list[dict[str, Any]]:
        """Everything that ever changed, of one kind."""
        answer = self._client.get("/_journal").json()
        return [effect for effect in answer["effects"] if effect["kind"].startswith(kind)]

    async def wait_for_effects(self, count: int) -> None:
        """Wait until there are so many effects, while the server in this process goes on."""
        query = {"effects": count}
        await asyncio.to_thread(self._client.get, "/_journal", params=query, timeout=30)


@pytest.fixture
def open_a_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    with ExitStack() as stack:
        yield lambda *flags: Shop(stack.enter_context(open_shop(tmp_path / "shop.db", *flags)))


@pytest.fixture
def shop(open_a_shop: Callable[..., Shop]) -> Shop:
    """A shop that honours idempotency keys."""
    return open_a_shop()


@pytest.fixture
def keyless(open_a_shop: Callable[..., Shop]) -> Shop:
    """A shop that knows no idempotency keys."""
    return open_a_shop("--no-keys")


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Starts a server whose planner gives these steps; again on the same folder, it resumes."""

    @asynccontextmanager
    async def started(
        *scenes: Scene, shop: Shop | None = None, overrides: Any = None, **settings: Any
    ) -> AsyncGenerator[Service, None]:
        chosen = overrides or Overrides(planner=ScriptedPlanner(plan_of(*scenes)))
        async with serving(tmp_path / "data", chosen, **settings) as service:
            if shop is not None:
                await service.add_integration(shop.document)
            yield service

    return started
