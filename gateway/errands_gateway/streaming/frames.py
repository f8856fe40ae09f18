"""Events as frames of an event stream (WHATWG HTML, Server-sent events)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from errands.v1.event_pb2 import RunEvent

from ..http.encoding import encode_json

PIECE: Final = 1 << 16  # bytes sent together, which is what a reader who reads nothing costs
COMMENT: Final = b":\n\n"  # keeps a silent stream alive
Frame: TypeAlias = tuple[int, bytes]
"""The text of an event, or of several, and the sequence of the last."""
EventDocument: TypeAlias = Callable[[RunEvent], tuple[str, Mapping[str, Any]] | None]
"""The type and the JSON value of an event in a dialect. None: the dialect does not know the event."""


def frames(events: Iterable[RunEvent], document: EventDocument) -> Iterator[Frame]:
    """A frame for each event that the dialect knows."""
    for event in events:
        made = document(event)
        if made is None:
            continue
        kind, value = made
        data = encode_json(value)
        if b"\n" in data or b"\r" in data:
            # A line break in JSON is between tokens, never in a string.
            data = data.replace(b"\n", b" ").replace(b"\r", b" ")
        yield event.sequence, b"id: %d\nevent: %s\ndata: %s\n\n" % (event.sequence, kind.encode(), data)


def pack(found: Iterable[Frame]) -> Iterator[Frame]:
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
