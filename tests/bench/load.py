"""Processes under test, and native load on them with h2load."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from google.protobuf.message import Message

KEY = "bench-key"


class Process:
    """A server that prints `ready grpc=ADDRESS` and takes commands on standard input."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self._read().split("grpc=")[1].strip()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def ask(self, *words: object) -> Any:
        assert self._process.stdin is not None
        print(*words, file=self._process.stdin, flush=True)
        return json.loads(self._read())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()


@contextmanager
def process(module: str) -> Iterator[Process]:
    started = Process(module)
    try:
        yield started
    finally:
        started.close()


class Load:
    """h2load on one method with one prepared message."""

    def __init__(
        self,
        address: str,
        method: str,
        message: Message | bytes,
        *,
        requests: int,
        clients: int,
        streams: int,
    ):
        body = message if isinstance(message, bytes) else message.SerializeToString()
        self._body = tempfile.NamedTemporaryFile()  # noqa: SIM115 (h2load reads it later)
        self._body.write(b"\0" + len(body).to_bytes(4, "big") + body)
        self._body.flush()
        self._command = [
            *("h2load", "-n", str(requests), "-c", str(clients), "-m", str(streams), "-t", "1"),
            *("-d", self._body.name, "-H", "content-type: application/grpc", "-H", "te: trailers"),
            *("-H", f"x-api-key: {KEY}", f"http://{address}{method}"),
        ]
        self._requests = requests

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)

    def rate(self) -> float:
        """Requests per second."""
        return float(_find(r"finished in [^,]*, ([\d.]+) req/s", self.report(self.start())))

    def seconds(self) -> float:
        return _seconds(_find(r"finished in ([^,]*),", self.report(self.start())))

    def p50(self) -> float:
        """Median seconds of a request: h2load prints the mean, so with one client it is time over count."""
        return self.seconds() / self._requests

    def report(self, running: subprocess.Popen[str]) -> str:
        output, _ = running.communicate(timeout=300)
        failed = int(_find(r"(\d+) failed", output))
        if failed:
            raise RuntimeError(f"{failed} requests failed\n{output}")
        return output


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"no {pattern!r} in\n{text}")
    return found[1]


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text.strip()).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[unit]
