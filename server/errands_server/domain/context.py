"""Reads named values from a run's context: opaque text that may hold JSON or `key=value` pairs."""

from __future__ import annotations

import json
import re
from typing import Any

_PAIR = re.compile(r"""(?:^|[\s,;])([A-Za-z][\w.-]*)\s*[=:]\s*("[^"]*"|'[^']*'|[^\s,;]+)""")


def values(context: str) -> dict[str, Any]:
    """Return the named values of `context`; none where it holds none. Never raises."""
    text = context.strip()
    if text.startswith("{"):
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if isinstance(document, dict):
            return document
    return {key: value.strip("\"'") for key, value in _PAIR.findall(text)}
