"""Names of a document's tools, the same each time it is read, whatever else the document holds."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

MAX_NAME: Final = 64  # characters; what models take as the name of a tool
_DIGEST: Final = 6  # hexadecimal digits, more where names still collide

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")


class ToolNames(dict[tuple[str, str], str]):
    """The name of each operation by method and path.

    It is the operationId, else method and path, in letters every planner takes. Operations
    that would share a name each get a digest of method and path added: so a name never passes
    from one operation to another because their order changes.
    """

    def __init__(self, operations: Iterable[tuple[str, str, str]]) -> None:
        """Name operations given as (operationId, method, path)."""
        wanted = {(method, path): _sanitize(id_, method, path) for id_, method, path in operations}
        counts = Counter(wanted.values())
        super().__init__()
        taken = {name for name, count in counts.items() if count == 1}
        for (method, path), name in wanted.items():
            unique = name if counts[name] == 1 else _add_digest(name, method, path, taken)
            taken.add(unique)
            self[method, path] = unique


def _sanitize(operation_id: str, method: str, path: str) -> str:
    name = _UNSAFE.sub("_", operation_id or f"{method.lower()}{path}").strip("_")
    return name[:MAX_NAME] or method.lower()


def _add_digest(name: str, method: str, path: str, taken: set[str]) -> str:
    digest = hashlib.sha256(f"{method} {path}".encode()).hexdigest()
    for length in range(_DIGEST, len(digest)):
        unique = f"{name[: MAX_NAME - length - 1]}_{digest[:length]}"
        if unique not in taken:
            return unique
    raise AssertionError("two operations have the same method and path")
