"""The headers of a create, Idempotency-Key and Prefer, which have a syntax of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from .schemas.builders import MAX_ID

_MAX_WAIT: Final = 60  # seconds
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WAIT: Final = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=$|[,;])", re.IGNORECASE)


def idempotency_key(given: Sequence[str]) -> str:
    """The key: quoted as in the draft of the IETF, or bare as most callers send it. ValueError."""
    if len(given) > 1:
        raise ValueError("is given more than once")
    quoted = _QUOTED.fullmatch(given[0])
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else given[0]
    if not 1 <= len(key) <= MAX_ID or not (key.isascii() and key.isprintable()):
        raise ValueError(f"must be 1 to {MAX_ID} printable ASCII characters")
    return key


def plan_wait(given: Sequence[str]) -> int | None:
    """Seconds of `wait`, at most 60. Other preferences are ignored (RFC 7240)."""
    wait = _WAIT.search(", ".join(given))
    return min(int(wait[1]), _MAX_WAIT) if wait else None
