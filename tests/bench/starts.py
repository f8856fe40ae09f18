"""How long commands and servers take to start: `python -m tests.bench.starts [--rounds 7]`."""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.load import KEY, process

_ERRANDS = str(Path(sys.executable).parent / "errands")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.starts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = range(parser.parse_args().rounds)
    helped = [_command("--help") for _ in rounds]
    with process("tests.bench.server") as server:
        asked = [_command("ls", "--server", server.address, "--api-key", KEY) for _ in rounds]
    with tempfile.TemporaryDirectory() as folder:
        _served(folder)  # the first start makes the database
        ready = [_served(folder) for _ in rounds]
    print("| what | median | goal | stretch |\n|---|--:|--:|--:|")
    for what, times, goal in (
        ("`errands --help`", helped, "150 ms | 80 ms"),
        ("one RPC from the command line", asked, "250 ms | 150 ms"),
        ("`errands serve` ready", ready, "900 ms | 500 ms"),
    ):
        print(f"| {what} | {statistics.median(times) * 1_000:.0f} ms | {goal} |")
    return 0


def _command(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([_ERRANDS, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _served(folder: str) -> float:
    began = time.perf_counter()
    command = [_ERRANDS, "serve", "--data", folder, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=dict(os.environ)
    )
    assert server.stdout is not None
    while not server.stdout.readline().startswith("errands: ready"):
        if server.poll() is not None:
            raise RuntimeError("the server did not start")
    seconds = time.perf_counter() - began
    server.send_signal(signal.SIGTERM)
    server.wait(20)
    return seconds


if __name__ == "__main__":
    raise SystemExit(main())
