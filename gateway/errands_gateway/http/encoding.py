"""JSON and times of RFC 3339, as every dialect reads and writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def format_time(stamp: Timestamp) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return f"{_second(stamp.seconds)}.{stamp.nanos // 1_000_000:03d}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def parse_time(text: str) -> datetime:
    """The time in UTC that RFC 3339 text names. ValueError: it names none."""
    if not _TIME.fullmatch(text):
        raise ValueError("is no moment of RFC 3339")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside the years 1 to 9999") from error


def raw_json(text: str) -> msgspec.Raw:
    """JSON text as a value of a larger document; it is not parsed."""
    return msgspec.Raw(text.encode())


def encode_json(document: Any) -> bytes:
    """A JSON value as UTF-8."""
    return msgspec.json.encode(document)


def json_text(document: Any) -> str:
    """A JSON value as text, for a field of the contract named `*_json`."""
    return msgspec.json.encode(document).decode()
