"""Real counterparts that are not ours: npm packages, pinned, installed once outside the repository."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "errands-tests"


def absent(why: str) -> NoReturn:
    """Skip a test whose counterpart cannot be had; where everything must be had, fail it."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def node_modules(*packages: str) -> Path:
    """The `node_modules` with these packages (`name@version`). Skips the test where there can be none."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        absent("node and npm are not installed")
    folder = CACHE / hashlib.sha256(" ".join(packages).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers of one test run share the cache
        done = folder / "done"
        if not done.exists():
            command = [
                "npm",
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--prefix",
                str(folder),
                *packages,
            ]
            installed = subprocess.run(command, check=False, capture_output=True, text=True, timeout=110)
            if installed.returncode:
                absent(f"npm cannot install {' '.join(packages)}: {installed.stderr[-200:]}")
            done.touch()
    return folder / "node_modules"


@contextmanager
def node(script: Path, *arguments: str) -> Iterator[str]:
    """A script running in Node, and the first line it prints."""
    command = ["node", str(script), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        assert line, f"{script.name} did not start"
        yield line
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
