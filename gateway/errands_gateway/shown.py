"""JSON made once for each answer of the server: the same bytes are shown the same way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST: Final = 512  # answers kept
LARGEST: Final = 32 << 10  # bytes of one that is kept


class Shown:
    """Keeps what was shown last. Every answer comes from the server; only its second making is spared."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()

    def of(self, answer: bytes, make: Callable[[bytes], bytes]) -> bytes:
        """What `make` gives for this answer."""
        kept = self._kept.get(answer)
        if kept is not None:
            self._kept.move_to_end(answer)
            return kept
        made = make(answer)
        if len(answer) + len(made) <= LARGEST:
            self._kept[answer] = made
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
        return made
