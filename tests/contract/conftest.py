"""A server that plans by a script, and the service it calls."""

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
from tests.contract import target as targets
from tests.contract.plans import READ, steps
from tests.contract.target import Target
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
async def target() -> AsyncGenerator[Target, None]:
    async with targets.opened() as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def serve(tmp_path: Path, target: Target, clock: Clock) -> Serve:
    """Starts a server with this plan, and the target as an integration; or goes on with its folder."""

    @asynccontextmanager
    async def started(
        plan: ScriptedPlanner | Make | None = None, *, fresh: bool = True, **settings: Any
    ) -> AsyncGenerator[Service, None]:
        planner = plan if isinstance(plan, ScriptedPlanner) else ScriptedPlanner(plan or steps(READ))
        overrides = Overrides(environment=clock.environment, planner=planner)
        async with serving(tmp_path / "data", overrides, **settings) as service:
            if fresh:
                await add_target(service, target)
            yield service

    return started


async def add_target(service: Service, target: Target, name: str = "desk") -> str:
    """The target as an integration; its id."""
    request = integration_pb2.CreateIntegrationRequest(
        name=name, openapi_document=target.document(), internal=True
    )
    return str((await service.integrations.CreateIntegration(request)).integration.id)
