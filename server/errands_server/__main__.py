"""`errands serve`: run the service until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence

from errands.server_process import configure_log, event_loop, tune_interpreter

from . import config as configuration
from .config import Config


def serve(arguments: Sequence[str]) -> int:
    """Run a server; the exit status: 0 after a drain, 1 where it could not start."""
    config = configuration.parse(arguments)
    # What is forked here runs another program at once. gRPC's handlers would prepare it for gRPC,
    # in some other thread's midst, and now and then break it. They are read when gRPC begins.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    configure_log(config.log_level)
    gc.disable()  # until it is ready: nearly all that is made while a server starts stays
    with asyncio.Runner(loop_factory=event_loop()) as runner:
        return runner.run(_serve(config))


def migrate(arguments: Sequence[str]) -> int:
    """Bring a database to this release's schema; the exit status: 1 where that could not be done."""
    from .domain.errors import Unavailable
    from .store.schema.migrate import HEAD, SchemaOutdated
    from .store.store import migrate_schema

    config = configuration.parse_migrate(arguments)
    if not config.database:
        config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        changed = migrate_schema(config.database_url)
    except (SchemaOutdated, OSError, ValueError, Unavailable) as error:
        print(f"errands: {error}", file=sys.stderr)  # noqa: T201 (a command speaks to its user)
        return 1
    _say(f"errands: the database {'now has' if changed else 'already had'} schema {HEAD}")
    return 0


async def _serve(config: Config) -> int:
    from .app import FolderInUse, running
    from .domain.errors import Unavailable
    from .store.schema.migrate import SchemaOutdated

    try:
        async with running(config) as app:
            if app.operator_key:
                _say(f"errands: operator key {app.operator_key} (shown once)")
            tune_interpreter()
            _say(f"errands: ready grpc={app.grpc_address} http={app.http_address} data={config.data}")
            await _until_signal(app.hurry)
            await app.drain()
    except (FolderInUse, SchemaOutdated, OSError, ValueError, Unavailable) as error:
        print(f"errands: {error}", file=sys.stderr)  # noqa: T201 (a command speaks to its user)
        return 1
    return 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 (a command speaks to its user)


async def _until_signal(hurry: object) -> None:
    """Wait for SIGTERM or SIGINT; another one later makes the drain hurry."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def on_signal() -> None:
        if asked.is_set() and callable(hurry):
            hurry()
        asked.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, on_signal)
    await asked.wait()


if __name__ == "__main__":
    sys.exit(serve(sys.argv[2:] if sys.argv[1:2] == ["serve"] else sys.argv[1:]))
