"""What a service says of a credential it refused (RFC 6750 §3)."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

_PARAMETER: Final = re.compile(r'([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s",]+))')
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
    found = _PARAMETER.findall(header[scheme.end() :])
    said = {name.lower(): quoted or plain for name, quoted, plain in found}
    scopes = said.get("scope", "").split()
    return Challenge(said.get("error", "").lower(), tuple(dict.fromkeys(scopes))[:_MOST])
