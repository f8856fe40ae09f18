"""Real counterparts from PyPI, pinned, in environments of their own outside the repository."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

from tests.counterparts import CACHE, absent


def python_with(*packages: str) -> Path:
    """A Python that has these packages (`name==version`). Skips the test where there can be none."""
    folder = CACHE / hashlib.sha256(" ".join((sys.version, *packages)).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    uv = (sys.executable, "-m", "uv")
    python = folder / "venv" / "bin" / "python"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers of one test run share the cache
        done = folder / "done"
        if not done.exists():
            for command in (
                [*uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
                [*uv, "pip", "install", "--quiet", "--python", str(python), *packages],
            ):
                made = subprocess.run(command, check=False, capture_output=True, text=True, timeout=110)
                if made.returncode:
                    absent(f"{' '.join(packages)} cannot be installed: {made.stderr[-200:]}")
            done.touch()
    return python
