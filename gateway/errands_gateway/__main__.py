"""`errands gateway`: a gateway in a process of its own, in front of a server."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import grpc
from grpc import aio
from msgspec import Struct

from errands.server_process import (
    address,
    configure_log,
    count,
    event_loop,
    read_settings,
    seconds,
    split_commas,
)

from .settings import MAX_STREAMS, Settings


class Command(Struct, frozen=True, kw_only=True):
    """The options of the command line."""

    server: str = "127.0.0.1:50051"
    server_ca: Path | None = None
    log_level: str = "info"
    settings: Settings


_LEVELS: Final = ("debug", "info", "warning", "error")


def _level(text: str) -> str:
    if text not in _LEVELS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(_LEVELS)}")
    return text


_FLAGS: Final[Mapping[str, tuple[Callable[[str], object], str, str]]] = {
    "server": (address, "HOST:PORT", "the server's gRPC address (127.0.0.1:50051)"),
    "server-ca": (Path, "FILE", "certificates to trust; the server is then asked over TLS"),
    "http": (address, "HOST:PORT", "where HTTP listens (127.0.0.1:8080)"),
    "public-url": (str, "URL", "how callers reach the HTTP address"),
    "request-limit": (seconds, "SECONDS", "what a request may take (60)"),
    "max-streams": (count, "N", f"open streams of one tenant ({MAX_STREAMS})"),
    "log-level": (_level, "LEVEL", f"what is logged: {', '.join(_LEVELS)} (info)"),
    "cors": (split_commas, "ORIGINS", "origins whose pages may call, separated by commas; * is any (none)"),
    "trusted-proxies": (split_commas, "ADDRESSES", "proxies whose X-Forwarded-* headers count (none)"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="errands gateway",
        description="Answer REST and Server-Sent Events in front of a server.",
        epilog="Each flag is also an environment variable, such as ERRANDS_SERVER.",
    )
    for name, (kind, metavar, text) in _FLAGS.items():
        parser.add_argument(f"--{name}", type=kind, metavar=metavar, help=text)
    return parser


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Command:
    """Flags, then the environment, then defaults. Exits 2 on a usage error."""
    found = read_settings(_parser(), arguments, environment)
    own = {name: found.pop(name) for name in Command.__struct_fields__ if name in found}
    if "request_limit" in found:
        found["limit"] = found.pop("request_limit")
    return Command(**own, settings=Settings(**found))


def gateway(arguments: Sequence[str]) -> int:
    """Run a gateway. Returns the exit status: 0 after SIGTERM or SIGINT, 1 if it could not start."""
    command = parse(arguments)
    configure_log(command.log_level)
    try:
        with asyncio.Runner(loop_factory=event_loop()) as runner:
            runner.run(_gateway(command))
    except OSError as error:
        print(f"errands: {error}", file=sys.stderr)  # noqa: T201 (a command speaks to its user)
        return 1
    return 0


async def _gateway(command: Command) -> None:
    from .app import serve_http

    async with (
        _channel(command.server, command.server_ca) as channel,
        serve_http(channel, command.settings) as started,
    ):
        line = f"errands: gateway http={started.address} server={command.server}"
        print(line, flush=True)  # noqa: T201 (a command speaks to its user)
        stopped = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stopped.set)
        await stopped.wait()


def _channel(server: str, authorities: Path | None) -> aio.Channel:
    from .app import CHANNEL_OPTIONS

    if authorities is None:
        return aio.insecure_channel(server, options=CHANNEL_OPTIONS)
    credentials = grpc.ssl_channel_credentials(authorities.read_bytes())
    return aio.secure_channel(server, credentials, options=CHANNEL_OPTIONS)


if __name__ == "__main__":
    sys.exit(gateway(sys.argv[1:]))
