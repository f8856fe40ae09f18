"""The stage: a shop and a server on data of their own, and a session that talks to the server."""

from __future__ import annotations

import json
import secrets
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from errands.cli.options import Settings
from errands.cli.session import Session

from .processes import Process
from .warehouse import shipments

_SHOP: Final = "errands_server.demo.shop"
_SERVER: Final = "errands_server"
_WAREHOUSE: Final = "errands_server.demo.warehouse"
_WAIT: Final = 40.0  # seconds; the shop's journal waits 30


class Server:
    """`errands serve`, which can be killed and comes back at the same address on the same data."""

    def __init__(self, folder: Path, api_key: str, *, mcp_servers: Path) -> None:
        self._folder = folder
        self._mcp_servers = mcp_servers
        self._api_key = api_key
        self._changing = Lock()  # crash and return come from another thread than the end
        self._closed = False
        self._process = self._start("127.0.0.1:0")
        self.address: Final = self._process.ready["address"]

    def crash(self) -> None:
        """Kill it and start it again, unless the story is over."""
        with self._changing:
            if not self._closed:
                self._process.kill()
                self._process = self._start(self.address)

    def close(self) -> None:
        with self._changing:
            self._closed = True
            self._process.stop()

    def _start(self, address: str) -> Process:
        return Process(
            _SERVER,
            *("serve", "--data", str(self._folder / "data"), "--grpc", address, "--http", "127.0.0.1:0"),
            *("--mcp-servers", str(self._mcp_servers)),
            says=r"errands: ready grpc=(?P<address>\S+)",
            log=self._folder / "server.log",
            env={"ERRANDS_API_KEY": self._api_key},
        )


class ShopProcess:
    """The shop's other side, which only a test may touch."""

    def __init__(self, folder: Path) -> None:
        self._process = Process(
            _SHOP,
            *("--db", str(folder / "shop.db")),
            says=r"shop: ready (?P<url>\S+)",
            log=folder / "shop.log",
            env={},
        )
        self.url: Final = self._process.ready["url"]
        self._http = httpx2.Client(base_url=self.url, timeout=_WAIT)

    def hold_back_answer(self, operation: str) -> None:
        """Let the next `operation` have its effect, and keep its answer from whoever asked."""
        fault = {"operation": operation, "delay_after": 3600, "times": 1}
        self._http.post("/_faults", json=fault).raise_for_status()

    def effects(self, *, at_least: int = 0) -> list[dict[str, Any]]:
        """The journal; waits up to half a minute for so many entries."""
        found: list[dict[str, Any]] = self._http.get("/_journal", params={"effects": at_least}).json()[
            "effects"
        ]
        return found

    def close(self) -> None:
        self._http.close()
        self._process.stop()


class Warehouse:
    """An MCP server that the server starts by itself, as an operator configured it."""

    name: Final = "warehouse"

    def __init__(self, folder: Path) -> None:
        self._journal = folder / "warehouse.jsonl"
        self.configuration: Final = folder / "mcp-servers.json"
        arguments = ["-m", _WAREHOUSE, "--journal", str(self._journal)]
        servers = {self.name: {"command": sys.executable, "args": arguments}}
        self.configuration.write_text(json.dumps(servers))

    def shipments(self) -> list[dict[str, Any]]:
        """Every shipment that was booked."""
        return shipments(self._journal)


class Stage:
    """Everything the story needs. A context: at its end all processes are gone."""

    def __init__(self, folder: Path) -> None:
        """Start it all. Raises NotReady."""
        api_key = f"ek_{secrets.token_urlsafe(32)}"
        with ExitStack() as stack:
            self.shop: Final = stack.enter_context(closing(ShopProcess(folder)))
            self.warehouse: Final = Warehouse(folder)
            server = Server(folder, api_key, mcp_servers=self.warehouse.configuration)
            self.server: Final = stack.enter_context(closing(server))
            settings = Settings(server=self.server.address, api_key=api_key)
            self.session: Final = stack.enter_context(closing(Session(settings)))
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
