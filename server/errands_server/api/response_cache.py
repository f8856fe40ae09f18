"""Answers encoded once: a run up to one event looks the same to all who see as much of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from google.protobuf.message import Message

from ..lru import LruCache
from ..services.runs import RunView
from ..streams import View

MOST: Final = 1_024  # answers kept
LARGEST: Final = 32 << 10  # bytes of one that is kept


class ResponseCache:
    """Keeps the latest answer of each run and view. It is the caller who looked at the log, so what is
    kept is given again only where the log still ends with the same event.
    """

    def __init__(self) -> None:
        self._answers: LruCache[tuple[str, View], tuple[int, bytes]] = LruCache(MOST)

    def answer(self, run_view: RunView, view: View, make: Callable[[], Message]) -> bytes:
        """What `make` gives, encoded; made anew only behind a new event."""
        key = run_view.head.run_id, view
        kept = self._answers.find(key)
        if kept is not None and kept[0] == run_view.run.sequence:
            return kept[1]
        encoded = make().SerializeToString()
        if len(encoded) <= LARGEST:
            self._answers.replace(key, (run_view.run.sequence, encoded))
        return encoded
