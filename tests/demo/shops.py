"""A shop in a process of its own, as the demonstration and the crash tests run it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import httpx2

OpenShop: TypeAlias = Callable[..., httpx2.Client]


@contextmanager
def open_shop(database: Path, *flags: str) -> Iterator[httpx2.Client]:
    """A client of a new shop; its header `x-pid` tells the process."""
    command = [sys.executable, "-m", "errands_server.demo.shop", "--db", str(database), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().removeprefix("shop: ready ").strip()
            with httpx2.Client(base_url=url, timeout=20, headers={"x-pid": str(process.pid)}) as client:
                yield client
        finally:
            process.kill()
