"""The demonstration itself: what it claims must be true, and it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-c", "import sys; from errands_server.demo import demo; sys.exit(demo([]))"]


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        COMMAND,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_demonstration_proves_what_it_claims_and_cleans_up(tmp_path: Path) -> None:
    with start(tmp_path) as demo:
        said, _ = demo.communicate(timeout=120)

    assert demo.returncode == 0, said
    assert "the server went away" in said
    assert "has exactly one" in said
    assert "exactly one shipment, by MCP" in said
    assert "✗" not in said
    assert list(tmp_path.iterdir()) == []
    assert not processes_in(tmp_path)


def test_an_interrupted_demonstration_cleans_up_too(tmp_path: Path) -> None:
    with start(tmp_path) as demo:
        assert demo.stdout is not None
        next(line for line in demo.stdout if "A shop with an OpenAPI document" in line)
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=120)

    assert demo.returncode == 130
    assert list(tmp_path.iterdir()) == []
    assert not processes_in(tmp_path)


def processes_in(folder: Path) -> list[str]:
    """Command lines of processes that work on the folder."""
    lines = [entry.read_bytes().decode(errors="replace") for entry in Path("/proc").glob("[0-9]*/cmdline")]
    return [line for line in lines if str(folder) in line]
