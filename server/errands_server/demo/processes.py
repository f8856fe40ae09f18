"""The demonstration's processes: a shop and a server, each told apart by its one line when ready."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

_START: Final = 60.0  # seconds a process may take until it is ready
_STOP: Final = 5.0


class NotReady(Exception):
    """A process ended, or took too long, before it said that it was ready."""


class Process:
    """One child process that said it was ready. `ready` is what it said."""

    def __init__(self, module: str, *arguments: str, says: str, log: Path, env: Mapping[str, str]) -> None:
        """Start `python -m module` and wait for a line that `says` matches. Raises NotReady."""
        with log.open("ab") as errors:
            self._child = subprocess.Popen(  # noqa: S603 (our own modules)
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,  # so that select sees all there is to read
                env={**_clean_environment(), **env},
            )
        try:
            self.ready = self._await(re.compile(says))
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL, as a crash would: nothing is flushed and nobody is told."""
        self._child.kill()
        self._child.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what does not heed it."""
        self._child.terminate()
        try:
            self._child.wait(_STOP)
        except subprocess.TimeoutExpired:
            self.kill()

    def _await(self, pattern: re.Pattern[str]) -> re.Match[str]:
        deadline = time.monotonic() + _START
        assert self._child.stdout is not None  # noqa: S101 (PIPE was asked for)
        while line := _line(self._child.stdout, deadline):
            if found := pattern.match(line):
                return found
        raise NotReady(f"{self._child.args!r} did not become ready")


def _line(source: IO[bytes], deadline: float) -> str:
    """The next line, or nothing at the end of the source or the deadline."""
    readable, _, _ = select.select([source], [], [], max(0.0, deadline - time.monotonic()))
    return source.readline().decode() if readable else ""


def _clean_environment() -> dict[str, str]:
    """This environment without the settings of a server or client the caller may have of their own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ERRANDS_")}
