"""Keeps encoded responses: a run up to one event looks the same to every caller with the same view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from google.protobuf.message import Message

from ..lru import LruCache
from ..services.runs import RunView
from ..streams import View

MOST: Final = 1_024  # responses kept
LARGEST: Final = 32 << 10  # bytes of one that is kept


class ResponseCache:
    """Keeps the latest response for each run and view.

    Every caller has read the run's head first, so a response is used only while the log ends with the
    same event.
    """

    def __init__(self) -> None:
        self._responses: LruCache[tuple[str, View], tuple[int, bytes]] = LruCache(MOST)

    def encode(self, run_view: RunView, view: View, make: Callable[[], Message]) -> bytes:
        """What `make` returns, encoded; it is called only after a new event."""
        key = run_view.head.run_id, view
        kept = self._responses.find(key)
        if kept is not None and kept[0] == run_view.run.sequence:
            return kept[1]
        encoded = make().SerializeToString()
        if len(encoded) <= LARGEST:
            self._responses.replace(key, (run_view.run.sequence, encoded))
        return encoded
