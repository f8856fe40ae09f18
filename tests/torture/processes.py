"""A server in a process of its own that is killed and comes back at the same address."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
from pathlib import Path

from tests.databases import ELSEWHERE, database_of

KEY = "torture-key"
_SEALS = base64.urlsafe_b64encode(bytes(32)).decode()


def environment(folder: Path) -> dict[str, str]:
    """What servers are told that share the database of this folder, where the tests have a PostgreSQL."""
    if not ELSEWHERE:
        return {}
    return {"ERRANDS_DATABASE": database_of(folder), "ERRANDS_SECRET_KEY": _SEALS}


class Server:
    """`errands serve`, or another module that prints the same line when it is ready."""

    def __init__(
        self, data: Path, *, module: str = "errands_server", environment: dict[str, str] | None = None
    ):
        self._data = data
        self._module = module
        self._environment = {**os.environ, "ERRANDS_API_KEY": KEY, **(environment or {})}
        self.address = "127.0.0.1:0"
        self.process: asyncio.subprocess.Process

    async def start(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        with (self._data / "server.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self._module, "serve", "--data", str(self._data)),
                *("--grpc", self.address, "--http", "127.0.0.1:0", "--log-level", "warning"),
                env=self._environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode():
            if line.startswith("errands: ready"):
                self.address = dict(word.split("=", 1) for word in line.split()[2:])["grpc"]
                return
        raise RuntimeError(f"the server did not start; see {self._data / 'server.log'}")

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)
