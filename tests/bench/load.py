"""Processes under test, and native load on them with h2load."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

KEY = "bench-key"


def allow_many_files() -> None:
    """Let this process and those it starts hold as many sockets as the system lets them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def processor_seconds(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Process:
    """A process that prints `ready NAME=ADDRESS ...` and takes commands on standard input."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        told = dict(word.split("=", 1) for word in self._read().split()[1:])
        self.address = told.get("grpc", "")
        self.http = told.get("http", "")

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu(self) -> float:
        """Seconds of processor time it has used."""
        return processor_seconds(self.pid)

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended: {self._process.wait(20)}")
        return line

    def ask(self, *words: object) -> Any:
        self.tell(*words)
        return self.hear()

    def tell(self, *words: object) -> None:
        """Give a command and do not wait for its answer."""
        assert self._process.stdin is not None
        print(*words, file=self._process.stdin, flush=True)

    def hear(self) -> Any:
        """The answer to the command given last."""
        return json.loads(self._read())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()


@contextmanager
def process(module: str, *arguments: str) -> Iterator[Process]:
    started = Process(module, *arguments)
    try:
        yield started
    finally:
        started.close()


class Load:
    """h2load with these arguments: so many requests, and every one of them answered with 200."""

    def __init__(self, requests: int, *arguments: str) -> None:
        self._requests = requests
        self._command = ["h2load", "-n", str(requests), "-t", "1", "-H", f"x-api-key: {KEY}", *arguments]

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
        if int(_find(r"(\d+) 2xx", output)) != self._requests:
            raise RuntimeError(f"not all of {self._requests} requests succeeded\n{output}")
        return output


class Calls(Load):
    """One gRPC method with one prepared message."""

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
        super().__init__(
            requests,
            *("-c", str(clients), "-m", str(streams), "-d", self._body.name),
            *("-H", "content-type: application/grpc", "-H", "te: trailers", f"http://{address}{method}"),
        )


class Gets(Load):
    """GET of one URL over HTTP/1.1, on connections that stay open."""

    def __init__(self, url: str, *, requests: int, clients: int) -> None:
        super().__init__(requests, "--h1", "-c", str(clients), url)


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"no {pattern!r} in\n{text}")
    return found[1]


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text.strip()).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[unit]
