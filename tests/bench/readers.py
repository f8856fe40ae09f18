"""Readers of one event stream: raw sockets that keep what they are sent, cheaper than their server.

`python -m tests.bench.readers HOST:PORT PATH`; commands come on standard input, one a line, and
each is answered with one line of JSON.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from tests.bench.load import KEY

PATIENCE: Final = 60.0  # seconds without a byte for anybody; then something was lost
_NAP: Final = 0.002  # seconds
_AT_ONCE: Final = 64  # streams that open together
_ROOM: Final = memoryview(bytearray(1 << 18))  # one for all: a buffer for each read costs more than the read
_END: Final = b"0\r\n\r\n"  # of a chunked answer; a chunk of frames ends with two line feeds before its CRLF
_ID: Final = b"\nid: "
_FRAME: Final = re.compile(rb"\nid: (\d+)\nevent: [a-z.]+\ndata: {[^\r\n]*}\n(?=\n)")


class Reader:
    """One stream: all its bytes, and the last sequence among them."""

    __slots__ = ("_pieces", "ended", "last", "socket")

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self.socket = socket.create_connection(address)
        self.socket.sendall(request)
        self.socket.setblocking(False)
        self._pieces: list[bytes] = []
        self.last = 0
        self.ended = False

    def read(self) -> None:
        piece = bytes(_ROOM[: self.socket.recv_into(_ROOM)])
        if not self._pieces and not piece.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"refused: {piece[:1_000]!r}")
        self._pieces.append(piece)
        self.ended = not piece or piece.endswith(_END)
        at = piece.rfind(_ID)
        if at >= 0:
            self.last = int(piece[at + len(_ID) : piece.index(b"\n", at + len(_ID))])

    def sequences(self) -> tuple[int, ...]:
        """Of every whole frame, in the order they came."""
        text = b"".join(self._pieces)
        found = tuple(int(one) for one in _FRAME.findall(text))
        if len(found) != text.count(_ID):
            raise RuntimeError("a frame is torn")
        return found


class Readers:
    """Any number of readers of one path."""

    def __init__(self, address: str, path: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._request = f"GET {path} HTTP/1.1\r\nhost: {address}\r\nx-api-key: {KEY}\r\n\r\n".encode()
        self._readers: dict[int, Reader] = {}
        self._epoll = select.epoll()

    def open(self, count: str, sequence: str) -> int:
        """Open more streams, and wait until each was sent everything up to a sequence."""
        for opened in range(0, int(count), _AT_ONCE):
            for _ in range(min(_AT_ONCE, int(count) - opened)):
                self._open()
            self.reach(sequence)
        return len(self._readers)

    def _open(self) -> None:
        reader = Reader(self._address, self._request)
        self._readers[reader.socket.fileno()] = reader
        self._epoll.register(reader.socket, select.EPOLLIN)

    def reach(self, sequence: str) -> int:
        """Wait until every stream was sent this sequence."""
        wanted = int(sequence)
        return self._read_until(lambda reader: reader.last >= wanted)

    def finish(self) -> int:
        """Wait until every stream has ended."""
        return self._read_until(lambda reader: reader.ended)

    def seen(self) -> list[tuple[int, ...]]:
        """The sequences that were sent: one list, where every stream was sent the same."""
        return sorted({reader.sequences() for reader in self._readers.values()})

    def _read_until(self, done: Callable[[Reader], bool]) -> int:
        """How many reads it took."""
        waiting = {number for number, reader in self._readers.items() if not done(reader)}
        count = 0
        while waiting:
            ready = self._epoll.poll(PATIENCE)
            if not ready:
                raise TimeoutError(f"{len(waiting)} of {len(self._readers)} streams got nothing more")
            count += len(ready)
            for number, _ in ready:
                self._read(self._readers[number])
                if done(self._readers[number]):
                    waiting.discard(number)
            # A reader that is woken for every frame costs the sender's time, as no reader far away does.
            time.sleep(_NAP)
        return count

    def _read(self, reader: Reader) -> None:
        reader.read()
        if reader.ended:
            self._epoll.unregister(reader.socket)


def main(address: str, path: str) -> None:
    readers = Readers(address, path)
    print("ready", flush=True)
    while words := sys.stdin.readline().split():
        command: Callable[..., Any] = getattr(readers, words[0])
        print(json.dumps(command(*words[1:])), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
