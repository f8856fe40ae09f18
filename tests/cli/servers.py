"""A real server in a process of its own, which can be killed and comes back."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.cli.command_line import API_KEY, Errands, environment
from tests.databases import ELSEWHERE, database_of

COMMAND: Final = (sys.executable, "-m", "errands_server", "serve")


class Server:
    """`errands serve` on a folder. It keeps its address when it starts again."""

    def __init__(self, data: Path, *flags: str) -> None:
        self._data = data
        self._flags = (*flags, *(("--database", database_of(data)) if ELSEWHERE else ()))
        self.address = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(*COMMAND, "--data", str(self._data), "--grpc", self.address, "--http", "127.0.0.1:0"),
                # Links are made from it when they are shown, and must look the same after a restart.
                *("--public-url", "http://errands.test", *self._flags),
            ],
            env=environment(ERRANDS_API_KEY=API_KEY),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        ready = next(line for line in self._process.stdout if line.startswith("errands: ready"))
        self.address = dict(word.split("=", 1) for word in ready.split()[2:])["grpc"]

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    @property
    def errands(self) -> Errands:
        """The command line, set up for this server."""
        return Errands(environment(ERRANDS_SERVER=self.address, ERRANDS_API_KEY=API_KEY))
