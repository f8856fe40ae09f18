"""A real server in a process of its own, with everything it says kept."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from grpc import aio

from tests.service import Service


class Process:
    """It logs at debug level, into a file that holds the output of every start."""

    def __init__(self, folder: Path, sts: str, key: str, servers: Mapping[str, Any]) -> None:
        """`servers`: the MCP servers it may run, as `--mcp-servers` has them."""
        self.data = folder / "data"
        self.log = folder / "output"
        self.key = key
        self.grpc = "127.0.0.1:0"
        self.http = ""
        self._sts = sts
        self._servers = folder / "servers.json"
        self._servers.write_text(json.dumps(servers))
        self._process: asyncio.subprocess.Process

    async def start(self) -> None:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ERRANDS_", "AWS_"))
        }
        identity = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "of the server"}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.canary.server", "serve", "--data", str(self.data)),
                *("--grpc", self.grpc, "--http", "127.0.0.1:0", "--log-level", "debug"),
                *("--aws-sts-endpoint", self._sts, "--mcp-servers", str(self._servers)),
                env={**kept, **identity, "ERRANDS_API_KEY": self.key},
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        line = ""
        while not line.startswith("errands: ready"):
            line = (await self._process.stdout.readline()).decode()
            assert line, f"the server did not start; see {self.log}"
            with self.log.open("a") as log_file:
                log_file.write(line)
        found = dict(word.split("=", 1) for word in line.split()[2:])
        self.grpc, self.http = found["grpc"], found["http"]

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @asynccontextmanager
    async def asked(self) -> AsyncGenerator[Service, None]:
        """Stubs that ask it."""
        app: Any = SimpleNamespace(grpc_address=self.grpc, http_address=self.http)
        async with aio.insecure_channel(self.grpc) as channel:
            yield Service(app, channel, self.key)

    def files(self) -> dict[str, bytes]:
        """Every file of its folder but the one that holds its sealing key."""
        return {
            path.name: path.read_bytes()
            for path in self.data.iterdir()
            if path.is_file() and path.name != "secret.key"
        }
