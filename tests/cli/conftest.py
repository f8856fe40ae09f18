"""One server and one shop for all tests of the command line; a test that kills takes its own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.cli.command_line import Errands
from tests.cli.servers import Server
from tests.demo import shops


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    yield started
    started.kill()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    with shops.open_shop(tmp_path_factory.mktemp("shop") / "shop.db") as client:
        yield client


@pytest.fixture(scope="session")
def errands(server: Server) -> Errands:
    return server.errands


@pytest.fixture(scope="session")
def shop_id(errands: Errands, shop: httpx2.Client) -> str:
    """The shop as an integration of the server, named `shop`."""
    document = str(shop.base_url.join("/openapi.json"))
    found: str = errands.json("integrations", "add", "shop", "--openapi", document, "--internal")["id"]
    return found
