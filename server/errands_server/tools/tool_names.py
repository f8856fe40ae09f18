"""Names the tools of a document, alike each time it is read and whatever else stands in it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

MAX_NAME: Final = 64  # characters; what models take as the name of a tool
_MARK: Final = 6  # hexadecimal digits

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")


class Names(dict[tuple[str, str], str]):
    """The name of each operation by method and path.

    It is the operationId, else method and path, in letters every planner takes. Operations
    that would share a name get a mark each, made from method and path: so a name never
    passes from one operation to another because of the order they stand in.
    """

    def __init__(self, operations: Iterable[tuple[str, str, str]]) -> None:
        """Name operations given as (operationId, method, path)."""
        wanted = {(method, path): _clean(said, method, path) for said, method, path in operations}
        counts = Counter(wanted.values())
        super().__init__()
        taken = {name for name, count in counts.items() if count == 1}
        for (method, path), name in wanted.items():
            own = name if counts[name] == 1 else _marked(name, method, path, taken)
            taken.add(own)
            self[method, path] = own


def _clean(said: str, method: str, path: str) -> str:
    name = _UNSAFE.sub("_", said or f"{method.lower()}{path}").strip("_")
    return name[:MAX_NAME] or method.lower()


def _marked(name: str, method: str, path: str, taken: set[str]) -> str:
    digest = hashlib.sha256(f"{method} {path}".encode()).hexdigest()
    for length in range(_MARK, len(digest)):
        marked = f"{name[: MAX_NAME - length - 1]}_{digest[:length]}"
        if marked not in taken:
            return marked
    raise AssertionError("two operations have the same method and path")
