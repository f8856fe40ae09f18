"""What many tests stand on: a server, a shop, and the shop as an integration."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.databases import ELSEWHERE, drop_databases
from tests.demo.shops import open_shop
from tests.service import ENGINES, Service, serving

# Shells start background commands, such as a whole CI, with SIGINT ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _databases(request: pytest.FixtureRequest) -> Iterator[None]:
    """On PostgreSQL no test leaves its databases to the next."""
    folder = request.getfixturevalue("tmp_path") if ELSEWHERE else None
    yield
    if folder is not None:
        drop_databases(folder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is about execution is true of every engine."""
    if metafunc.definition.get_closest_marker("execution"):
        metafunc.parametrize("_engine", list(ENGINES), indirect=True)


@pytest.fixture(autouse=True)
def _engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of the test have the engine it is about, else the one a server has."""
    monkeypatch.setattr("tests.service.engine", getattr(request, "param", "embedded"))


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[Service, None]:
    """A server on an empty folder."""
    async with serving(tmp_path / "data") as started:
        yield started


@pytest.fixture(scope="session")
def _one_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    with open_shop(tmp_path_factory.mktemp("shop") / "shop.db") as client:
        yield client


@pytest.fixture
async def shop_id(service: Service, _one_shop: httpx2.Client) -> str:
    """A shop that works, as an integration of `service`."""
    return await service.add_integration(str(_one_shop.base_url.join("/openapi.json")))
