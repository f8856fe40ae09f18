"""Real counterparts that are not ours: npm packages, pinned, installed once outside the repository."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "errands-tests"


def node_modules(*packages: str) -> Path:
    """The `node_modules` with these packages (`name@version`). Skips the test where there can be none."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
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
                pytest.skip(f"npm cannot install {' '.join(packages)}: {installed.stderr[-200:]}")
            done.touch()
    return folder / "node_modules"
