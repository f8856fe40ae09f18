"""The command line as a shell runs it, and the server and shop it talks to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

API_KEY: Final = "ek_test_operator_0123456789abcdefghijklmnop"
ERRANDS: Final = str(Path(sys.executable).with_name("errands"))


def environment(**more: str) -> dict[str, str]:
    """This environment without settings of the developer's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ERRANDS_")}
    return {**kept, "COLUMNS": "200", **more}


@dataclass(frozen=True)
class Errands:
    """Runs `errands` with a server and a key in its environment."""

    env: Mapping[str, str] = field(default_factory=environment)

    def __call__(
        self, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end and insist on the exit code."""
        done = subprocess.run(
            [ERRANDS, *arguments],
            env={**self.env, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (
            f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
        return done

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The one JSON document a command prints."""
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def events(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        """The JSON objects a command prints, one to a line."""
        return [json.loads(line) for line in self(*arguments, "--json", code=code).stdout.splitlines()]

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command under way; killed at the end if it is still there."""
        with subprocess.Popen(
            [ERRANDS, *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()
