"""The same small run on other engines and here, in turns: `python -m tests.bench.others --folder DIR`.

A run is one plan, three steps that do nothing, and five events, with 64 runs in flight. DBOS is installed
with pip into an environment of its own, Restate with npm; both stay in the folder for the next time. What
cannot be installed is said and left out. Under `python -m tests.postgres --durable` DBOS and we are
measured over PostgreSQL too.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import make_url

from tests.bench.load import Load, process, processor_seconds
from tests.bench.served import Served
from tests.databases import ELSEWHERE, empty_database

IN_FLIGHT: Final = 64
_SCRIPTS: Final = Path(__file__).parent / "engines"


class Figure(Struct, frozen=True):
    """Runs a second, and processor seconds of everything the engine needs, for each."""

    rate: float
    cpu: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.others", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "errands-others")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=300, help="runs of the slowest; the others do more")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    engines: dict[str, Callable[[], Figure]] = {}
    where = "PostgreSQL" if ELSEWHERE else "SQLite"
    engines[f"Errands, {where}"] = lambda: _errands(options.runs * 6)
    if python := _installed_dbos(options.folder):
        engines[f"DBOS, {where}"] = lambda: _dbos(python, options.runs)
    if not ELSEWHERE and (server := _installed_restate(options.folder)):
        engines["Restate, its own store"] = lambda: _restate(server, options.folder, options.runs * 6)
    found: dict[str, list[Figure]] = {name: [] for name in engines}
    for _ in range(options.rounds):
        for name, measure in engines.items():
            found[name].append(measure())
    print("| engine | runs a second | CPU of a run |\n|---|--:|--:|")
    for name, figures in found.items():
        rate, cpu = (statistics.median(getattr(f, field) for f in figures) for field in ("rate", "cpu"))
        print(f"| {name} | {rate:,.0f} | {cpu * 1_000:,.1f} ms |")
    return 0


def _errands(runs: int) -> Figure:
    with process("tests.bench.server") as server:
        served = Served(server)
        served.calls("CreateRun", served.new_run(), IN_FLIGHT * 2).rate()
        while server.ask("unfinished"):
            time.sleep(0.01)
        before, began = server.cpu(), time.perf_counter()
        served.calls("CreateRun", served.new_run(), runs).rate()
        while server.ask("unfinished"):
            time.sleep(0.01)
        return Figure(runs / (time.perf_counter() - began), (server.cpu() - before) / runs)


def _installed_dbos(folder: Path) -> str:
    """A Python that has DBOS; empty where that cannot be had."""
    python = folder / "dbos" / "bin" / "python"
    wanted = ["dbos", "psycopg[binary]"]
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "dbos"], check=True)
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *wanted], capture_output=True, text=True
    )
    if done.returncode:
        print(f"DBOS could not be installed: {done.stderr.strip()[-200:]}", file=sys.stderr)
    return "" if done.returncode else str(python)


def _dbos(python: str, runs: int) -> Figure:
    with tempfile.TemporaryDirectory(dir=".", prefix=".errands-bench-") as folder:
        url = f"sqlite:///{Path(folder).absolute() / 'dbos.db'}"
        if ELSEWHERE:
            located = make_url(empty_database(Path(folder)))
            url = located.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        command = [python, str(_SCRIPTS / "dbos_runs.py"), url, str(runs), str(IN_FLIGHT)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Figure(**json.loads(said.splitlines()[-1]))


def _installed_restate(folder: Path) -> str:
    """The program of the Restate server; empty where that cannot be had."""
    wanted = ["@restatedev/restate-server", "@restatedev/restate-sdk"]
    done = subprocess.run(["npm", "install", "--prefix", folder, *wanted], capture_output=True, text=True)
    if done.returncode:
        print(f"Restate could not be installed: {done.stderr.strip()[-200:]}", file=sys.stderr)
        return ""
    return str(folder / "node_modules" / ".bin" / "restate-server")


def _restate(server: str, folder: Path, runs: int) -> Figure:
    ingress, admin, node, service = (_free_port() for _ in range(4))
    script = folder / "restate_runs.mjs"
    script.write_text((_SCRIPTS / "restate_runs.mjs").read_text())
    with tempfile.TemporaryDirectory(dir=".", prefix=".errands-bench-") as data, ExitStack() as stack:
        environment = os.environ | {
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_LOG_FILTER": "error",
        }
        started = [
            _started(stack, [server, "--no-logo", "--base-dir", data], environment),
            _started(stack, ["node", str(script), str(service)], environment),
        ]
        _register(f"http://127.0.0.1:{admin}/deployments", f"http://127.0.0.1:{service}")
        body = Path(data) / "body.json"
        body.write_text('{"number": 1}')
        url = f"http://127.0.0.1:{ingress}/Runner/run"
        usual = ("--h1", "-c", str(IN_FLIGHT), "-d", str(body), "-H", "content-type: application/json", url)
        Load(IN_FLIGHT * 2, *usual).rate()
        before = sum(map(processor_seconds, started))
        rate = Load(runs, *usual).rate()
        return Figure(rate, (sum(map(processor_seconds, started)) - before) / runs)


def _started(stack: ExitStack, command: list[str], environment: dict[str, str]) -> int:
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(child.wait, 20)
    stack.callback(child.terminate)
    return child.pid


def _register(admin: str, service: str) -> None:
    """Tell the server of the service, once both answer."""
    request = urllib.request.Request(
        admin, json.dumps({"uri": service}).encode(), {"content-type": "application/json"}
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer.read()
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: Any = found.getsockname()[1]
        return int(port)


if __name__ == "__main__":
    raise SystemExit(main())
