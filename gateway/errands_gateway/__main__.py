"""`errands gateway`: a gateway by itself, in front of a server elsewhere."""

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

from .settings import MAX_STREAMS, Settings


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return text


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


_FLAGS: Final[Mapping[str, tuple[Callable[[str], object], str, str]]] = {
    "server": (_address, "HOST:PORT", "the server's gRPC address (127.0.0.1:50051)"),
    "server-ca": (Path, "FILE", "certificates to trust; the server is then asked over TLS"),
    "http": (_address, "HOST:PORT", "where HTTP listens (127.0.0.1:8080)"),
    "public-url": (str, "URL", "how callers reach the HTTP address"),
    "request-limit": (_positive, "SECONDS", "what a request may take (60)"),
    "max-streams": (lambda text: int(_positive(text)), "N", f"open streams of one tenant ({MAX_STREAMS})"),
    "cors": (_listed, "ORIGINS", "origins whose pages may call, separated by commas; * is any (none)"),
    "trusted-proxies": (_listed, "ADDRESSES", "proxies whose X-Forwarded-* headers count (none)"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="errands gateway",
        description="Answer REST and Server-Sent Events in front of a server.",
        epilog="Each flag is also an environment variable, such as ERRANDS_SERVER.",
    )
    for name, (kind, shown, text) in _FLAGS.items():
        parser.add_argument(f"--{name}", type=kind, metavar=shown, help=text)
    return parser


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> argparse.Namespace:
    """Flags, then the environment. Exits 2 on a usage error."""
    named = [
        item
        for name in _FLAGS
        if (value := environment.get(f"ERRANDS_{name.upper().replace('-', '_')}"))
        for item in (f"--{name}", value)
    ]
    return _parser().parse_args([*named, *arguments])


def settings(found: argparse.Namespace) -> Settings:
    """The settings that were given, and the usual ones."""
    given = {
        "http": found.http,
        "public_url": found.public_url,
        "limit": found.request_limit,
        "max_streams": found.max_streams,
        "cors": found.cors,
        "trusted_proxies": found.trusted_proxies,
    }
    return Settings(**{name: value for name, value in given.items() if value is not None})


def gateway(arguments: Sequence[str]) -> int:
    """Run a gateway; the exit status: 0 after SIGTERM, 1 where it could not start."""
    found = parse(arguments)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_gateway(found))
    except OSError as error:
        print(f"errands: {error}", file=sys.stderr)  # noqa: T201 (a command speaks to its user)
        return 1
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # there is none for this platform
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _gateway(found: argparse.Namespace) -> None:
    from .app import listening

    server = found.server or "127.0.0.1:50051"
    async with _channel(server, found.server_ca) as channel, listening(channel, settings(found)) as started:
        line = f"errands: gateway http={started.address} server={server}"
        print(line, flush=True)  # noqa: T201 (a command speaks to its user)
        asked = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, asked.set)
        await asked.wait()


def _channel(server: str, authorities: Path | None) -> aio.Channel:
    from .app import CHANNEL_OPTIONS

    if authorities is None:
        return aio.insecure_channel(server, options=CHANNEL_OPTIONS)
    credentials = grpc.ssl_channel_credentials(authorities.read_bytes())
    return aio.secure_channel(server, credentials, options=CHANNEL_OPTIONS)


if __name__ == "__main__":
    sys.exit(gateway(sys.argv[1:]))
