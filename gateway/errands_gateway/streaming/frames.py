"""Events as frames of an event stream (WHATWG HTML, Server-sent events)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from errands.v1 import event_pb2

from ..v1 import values
from ..v1.documents import events

PIECE: Final = 1 << 16  # bytes sent together, which is what a reader who reads nothing costs
COMMENT: Final = b":\n\n"  # keeps a silent stream alive
Frame: TypeAlias = tuple[int, bytes]
"""The text of an event, or of several, and the sequence of the last."""


def frames(found: Iterable[event_pb2.RunEvent]) -> Iterator[Frame]:
    """A frame for each event that this release knows."""
    for one in found:
        made = events.event(one)
        if made is None:
            continue
        kind, document = made
        data = values.encoded(document)
        if b"\n" in data or b"\r" in data:
            # A line break in JSON stands between tokens, never in a string.
            data = data.replace(b"\n", b" ").replace(b"\r", b" ")
        yield one.sequence, b"id: %d\nevent: %s\ndata: %s\n\n" % (one.sequence, kind.encode(), data)


def joined(found: Iterable[Frame]) -> Iterator[Frame]:
    """The same frames in fewer pieces, none larger than PIECE unless one frame is."""
    waiting: list[bytes] = []
    size = last = 0
    for sequence, text in found:
        if waiting and size + len(text) > PIECE:
            yield last, b"".join(waiting)
            waiting, size = [], 0
        waiting.append(text)
        size += len(text)
        last = sequence
    if waiting:
        yield last, b"".join(waiting)
