"""A server of today's code on a copy of a folder, at the moment the folder was made."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from errands.v1 import event_pb2
from errands_server.app import Overrides
from tests.contract.conftest import _quiet
from tests.gateway.callers import asking
from tests.releases.folder import Folder, environment_of, folders
from tests.releases.office import Office, open_office
from tests.releases.plans import planner as planner_of
from tests.scripted import ScriptedPlanner
from tests.service import Service, serving

__all__ = ["_quiet"]


class Today:
    """The server, the services that its runs call, and what a caller of that day holds."""

    def __init__(self, folder: Folder, service: Service, office: Office, planner: ScriptedPlanner) -> None:
        self.folder = folder
        self.facts: Any = folder.facts
        self.service = service
        self.office = office
        self.planner = planner

    def run(self, intent: str) -> str:
        """The run of that day with this intent."""
        return str(self.facts["runs"][intent])

    def approval(self, intent: str) -> str:
        """What that run asked a person."""
        return str(self.facts["approvals"][intent])

    def key(self, name: str) -> Service:
        """The server, asked with a key of that day."""
        return self.service.speaking_as(self.facts["keys"][name])

    async def decide(self, intent: str, decision: int, **said: str) -> event_pb2.RunEvent:
        """Decide what the run asked; the last event of the run."""
        await self.service.decide(self.approval(intent), decision, **said)
        return (await self.service.events(self.run(intent)))[-1]

    def asking(self) -> Any:
        """An HTTP client with the operator's key."""
        return asking(self.service)

    async def look(self, client: httpx2.AsyncClient, url: str, **options: Any) -> httpx2.Response:
        """What stands where a link of that day leads."""
        return await client.get(urlsplit(url)._replace(scheme="", netloc="").geturl(), **options)


@pytest.fixture(params=folders(), ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Folder:
    found: Folder = request.param
    return found


@pytest.fixture
async def office() -> AsyncGenerator[Office]:
    try:
        async with open_office() as opened:
            yield opened
    except OSError as error:
        pytest.skip(f"the services of the folder need an address: {error}")


@pytest.fixture
async def today(folder: Folder, office: Office, tmp_path: Path) -> AsyncGenerator[Today]:
    folder.unpack(tmp_path / "data")
    planner = planner_of()
    overrides = Overrides(environment=environment_of(folder.facts["moment"]), planner=planner)
    async with serving(tmp_path / "data", overrides, public_url=folder.facts["publicUrl"]) as served:
        service = served.speaking_as(folder.facts["keys"]["operator"])
        yield Today(folder, service, office, planner)
