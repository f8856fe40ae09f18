"""A server told what to plan, and a desk it calls."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from errands.server_process import configure_log
from errands.v1 import integration_pb2
from errands_server.app import Overrides
from errands_server.environment import Environment
from tests.contract import desk as desks
from tests.contract.desk import Desk
from tests.contract.told import READ, steps
from tests.scripted import Make, ScriptedPlanner
from tests.service import Service, serving

Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Service]]


class Clock:
    """The real time, moved."""

    def __init__(self) -> None:
        self.moved = 0  # milliseconds

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self.moved

    @property
    def environment(self) -> Environment:
        return Environment(now=self.now, jitter=lambda: 0.0)


@pytest.fixture(autouse=True, scope="session")
def _quiet() -> None:
    configure_log("error")


@pytest.fixture
async def desk() -> AsyncGenerator[Desk, None]:
    async with desks.opened() as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def serve(tmp_path: Path, desk: Desk, clock: Clock) -> Serve:
    """Starts a server that plans as told, with the desk as an integration; or goes on with its folder."""

    @asynccontextmanager
    async def started(
        plan: ScriptedPlanner | Make | None = None, *, fresh: bool = True, **settings: Any
    ) -> AsyncGenerator[Service, None]:
        planner = plan if isinstance(plan, ScriptedPlanner) else ScriptedPlanner(plan or steps(READ))
        overrides = Overrides(environment=clock.environment, planner=planner)
        async with serving(tmp_path / "data", overrides, **settings) as service:
            if fresh:
                await add_desk(service, desk)
            yield service

    return started


async def add_desk(service: Service, desk: Desk, name: str = "desk") -> str:
    """The desk as an integration; its id."""
    request = integration_pb2.CreateIntegrationRequest(
        name=name, openapi_document=desk.document(), internal=True
    )
    return str((await service.integrations.CreateIntegration(request)).integration.id)
