"""Words, moments and JSON text of the contract as REST has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from errands.v1.approval_pb2 import ApprovalKind, ApprovalStatus, CallEffect, Decision
from errands.v1.connection_pb2 import ConnectionStatus
from errands.v1.event_pb2 import Outcome, RunStatus
from errands.v1.integration_pb2 import IntegrationStatus
from errands.v1.preflight_pb2 import CallAccess
from errands.v1.run_pb2 import ApprovalStrategy

Words = Mapping[int, str]
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _words(enum: Any, prefix: str, *, lower: bool = False) -> Words:
    """The word of every number. Generated enums are wrappers at run time only, hence Any."""
    bare = {number: name.removeprefix(prefix) for name, number in enum.items()}
    return {number: word.lower() if lower else word for number, word in bare.items()}


def numbers(words: Words) -> Mapping[str, Any]:
    """The number of every word."""
    return {word: number for number, word in words.items()}


STATUS: Final = _words(RunStatus, "RUN_STATUS_")
STRATEGY: Final = _words(ApprovalStrategy, "APPROVAL_STRATEGY_")
OUTCOME: Final = _words(Outcome, "OUTCOME_", lower=True)
KIND: Final = _words(ApprovalKind, "APPROVAL_KIND_")
DECISION: Final = _words(Decision, "DECISION_", lower=True)
APPROVAL_STATUS: Final = _words(ApprovalStatus, "APPROVAL_STATUS_", lower=True)
ACCESS: Final = _words(CallAccess, "CALL_ACCESS_")
EFFECT: Final = _words(CallEffect, "CALL_EFFECT_", lower=True)
CONNECTION_STATUS: Final = _words(ConnectionStatus, "CONNECTION_STATUS_")
INTEGRATION_STATUS: Final = _words(IntegrationStatus, "INTEGRATION_STATUS_")


def moment(stamp: Timestamp) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return f"{_second(stamp.seconds)}.{stamp.nanos // 1_000_000:03d}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def parsed_moment(text: str) -> datetime:
    """The moment that RFC 3339 text names, in UTC. ValueError: it names none."""
    if not _MOMENT.fullmatch(text):
        raise ValueError("is no moment of RFC 3339")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside the years 1 to 9999") from error


def raw(text: str) -> msgspec.Raw:
    """JSON text as it stands, to be put into a larger document."""
    return msgspec.Raw(text.encode())


def encoded(document: Any) -> bytes:
    """A document as JSON."""
    return msgspec.json.encode(document)


def json_text(document: Any) -> str:
    """A part of a body as JSON text, for a field named `*_json`."""
    return msgspec.json.encode(document).decode()
