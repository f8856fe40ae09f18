"""What a service says of a credential it refused (RFC 6750 §3)."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

_ERROR: Final = re.compile(r'\berror\s*=\s*"?([a-z_]{1,64})"?', re.IGNORECASE)
_SCOPE: Final = re.compile(r'\bscope\s*=\s*"([\x20-\x7e]{1,2000}?)"', re.IGNORECASE)
_SCHEME: Final = re.compile(r"\bBearer\b", re.IGNORECASE)
_MOST: Final = 100  # scopes


class Challenge(Struct, frozen=True):
    """The error, and the scopes that would do; empty where it does not say."""

    error: str = ""
    scopes: tuple[str, ...] = ()


def challenge_of(header: str) -> Challenge:
    """What a WWW-Authenticate header says to bearers of tokens."""
    scheme = _SCHEME.search(header)
    if scheme is None:
        return Challenge()
    said = header[scheme.end() :]
    error, scope = _ERROR.search(said), _SCOPE.search(said)
    return Challenge(
        error=error[1].lower() if error else "",
        scopes=tuple(dict.fromkeys(scope[1].split()))[:_MOST] if scope else (),
    )
