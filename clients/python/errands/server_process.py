"""Settings, event loop, tuning and log of the commands that serve: `serve` and `gateway`."""

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


def read_settings(
    parser: argparse.ArgumentParser, arguments: Sequence[str], environment: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Settings by name, from flags or else from `ERRANDS_<NAME>`. Unset ones are left out.

    Exits 2 on a usage error.
    """
    named = [
        item
        for name in vars(parser.parse_args([]))
        if (value := environment.get(f"ERRANDS_{name.upper()}"))
        for item in (f"--{name.replace('_', '-')}", value)
    ]
    found = vars(parser.parse_args([*named, *arguments]))
    return {name: value for name, value in found.items() if value is not None}


def address(text: str) -> str:
    """Parse HOST:PORT."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return text


def split_commas(text: str) -> tuple[str, ...]:
    """Parse values separated by commas."""
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


def count(text: str) -> int:
    """Parse a whole number from 1."""
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def seconds(text: str) -> float:
    """Parse a time above 0, in seconds."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return number


def event_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """The factory of the fastest event loop of this platform."""
    try:
        import uvloop
    except ImportError:  # there is none for this platform
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def tune_interpreter() -> None:
    """Tune garbage collector and thread switches for a server that is ready."""
    # What is loaded by now stays: the collector does not need to visit it in every pass.
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    # Threads that come back from the disk get the interpreter sooner from a busy event loop.
    sys.setswitchinterval(0.0005)


def configure_log(level: str, sink: BinaryIO = sys.stderr.buffer) -> None:
    """Write the log as one JSON object a line, by default to standard error."""
    import structlog

    structlog.configure(
        processors=[_format_traceback, _encode_line],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.BytesLoggerFactory(sink),
        cache_logger_on_first_use=True,
    )
    access_log.to(sink if getattr(logging, level.upper()) <= logging.INFO else None)


class AccessLog:
    """Log lines about calls: in the form of all others, without structlog's cost for each."""

    def __init__(self) -> None:
        self._write: Callable[[bytes], Any] | None = None

    def to(self, sink: BinaryIO | None) -> None:
        """Set where lines go; None discards them."""
        import structlog

        self._write = None if sink is None else structlog.BytesLogger(sink).msg

    def info(self, event: dict[str, Any]) -> None:
        """Write a line."""
        if self._write is not None:
            self._write(_encode_line(None, "info", event))


access_log = AccessLog()


def _format_traceback(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the traceback of a logged exception into the line, as text."""
    from structlog.processors import format_exc_info

    return format_exc_info(logger, method, event) if event.get("exc_info") else event


# Made once: json.dumps with options of its own makes an encoder for every line.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def _encode_line(_: Any, method: str, event: MutableMapping[str, Any]) -> bytes:
    """Encode a line of the log. One step in place of structlog's three: each call writes a line."""
    event["level"] = "error" if method == "exception" else method
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return _encode(event).encode(errors="replace")
