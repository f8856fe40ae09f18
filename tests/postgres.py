"""A PostgreSQL of the tests' own: `python -m tests.postgres COMMAND…` runs a command over one.

The command finds it in ERRANDS_TEST_DATABASE. It speaks over a socket in a folder of its own and
is gone with the command. With `--durable` in front of the command it waits for its disk.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

VARIABLE = "ERRANDS_TEST_DATABASE"
_OWNER = "postgres"  # PostgreSQL refuses to be run by root


class Cluster:
    """A server whose data is in `folder`. `url` is that of its first database."""

    def __init__(self, folder: Path, settings: Sequence[str] = ()) -> None:
        self._folder = folder
        self._settings = [
            "listen_addresses=",
            f"unix_socket_directories={folder}",
            "max_connections=300",
            "client_min_messages=warning",
            *settings,
        ]
        self.url = f"postgresql://{_OWNER}@/postgres?host={folder}"

    def create(self) -> None:
        self._run("initdb", "-A", "trust", "-U", _OWNER, "-E", "UTF8", "--locale=C.UTF-8")

    def start(self) -> None:
        options = " ".join(f"-c {setting}" for setting in self._settings)
        self._run("pg_ctl", "-w", "-t", "60", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """End it: `immediate` as a crash would, `fast` in order."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(binaries() / program), "-D", str(self._folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._folder, **_as_owner())


def _as_owner() -> dict[str, object]:
    return {"user": _OWNER} if os.geteuid() == 0 else {}


def binaries() -> Path:
    """Where PostgreSQL's programs are. LookupError: it is not installed."""
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda p: int(p.parts[-3]))
    if not versions:
        raise LookupError("PostgreSQL is not installed")
    return versions[-1].parent


@contextlib.contextmanager
def cluster(*settings: str, folder: Path | None = None) -> Iterator[Cluster]:
    """A cluster that runs, in a new folder (in `folder`) that is deleted at the end.

    LookupError: PostgreSQL is not installed.
    """
    binaries()
    folder = Path(tempfile.mkdtemp(prefix="errands-pg-", dir=folder))
    try:
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam(_OWNER).pw_uid, -1)
        made = Cluster(folder, settings)
        made.create()
        made.start()
        try:
            yield made
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):  # a test may have ended it
                made.stop()
    finally:
        shutil.rmtree(folder)


def main(command: Sequence[str]) -> int:
    # What tests ask is whether it is right; that PostgreSQL keeps what it committed is its own promise.
    # Benchmarks pay for that.
    settings = [] if command[:1] == ["--durable"] else ["fsync=off"]
    command = command[1:] if command[:1] == ["--durable"] else command
    with cluster(*settings) as made:
        return subprocess.run(command, env=os.environ | {VARIABLE: made.url}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
