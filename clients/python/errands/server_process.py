"""What commands that run until they are told to stop have in common: flags, event loop and log."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO


def given(
    parser: argparse.ArgumentParser, arguments: Sequence[str], environment: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """What was set, by name: flags win over `ERRANDS_<NAME>`. Exits 2 on a usage error."""
    named = [
        item
        for name in vars(parser.parse_args([]))
        if (value := environment.get(f"ERRANDS_{name.upper()}"))
        for item in (f"--{name.replace('_', '-')}", value)
    ]
    found = vars(parser.parse_args([*named, *arguments]))
    return {name: value for name, value in found.items() if value is not None}


def address(text: str) -> str:
    """HOST:PORT."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return text


def listed(text: str) -> tuple[str, ...]:
    """Values separated by commas."""
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


def count(text: str) -> int:
    """A whole number from 1."""
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def seconds(text: str) -> float:
    """A time above 0, in seconds."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return number


def event_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """Makes the fastest loop there is."""
    try:
        import uvloop
    except ImportError:  # there is none for this platform
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def settle() -> None:
    """Tune the interpreter for a server that is ready."""
    # What is there now stays: the collector need not look at it again and again.
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    # Threads that come back from the disk get the interpreter sooner from a busy event loop.
    sys.setswitchinterval(0.0005)


def configure_log(level: str, sink: BinaryIO = sys.stderr.buffer) -> None:
    """One JSON object per line, on standard error unless told otherwise."""
    import structlog

    structlog.configure(
        processors=[_traced, _line],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.BytesLoggerFactory(sink),
        cache_logger_on_first_use=True,
    )
    access.to(sink if getattr(logging, level.upper()) <= logging.INFO else None)


class Access:
    """The lines about calls: the same form as all others, written without their machinery."""

    def __init__(self) -> None:
        self._write: Callable[[bytes], Any] | None = None

    def to(self, sink: BinaryIO | None) -> None:
        """Where lines go from now on; None is nowhere."""
        import structlog

        self._write = None if sink is None else structlog.BytesLogger(sink).msg

    def info(self, event: dict[str, Any]) -> None:
        """Write a line."""
        if self._write is not None:
            self._write(_line(None, "info", event))


access = Access()


def _traced(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The traceback as text, where an exception is logged."""
    from structlog.processors import format_exc_info

    return format_exc_info(logger, method, event) if event.get("exc_info") else event


# Made once: json.dumps with options of its own makes an encoder for every line.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def _line(_: Any, method: str, event: MutableMapping[str, Any]) -> bytes:
    """A line of the log. One step does what structlog has three for: there is a line for every call."""
    event["level"] = "error" if method == "exception" else method
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return _encode(event).encode(errors="replace")
