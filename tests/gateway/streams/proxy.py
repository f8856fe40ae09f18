"""A proxy that cuts streams short."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager


class Cutter:
    """Drops a connection so many bytes behind each request for a stream.

    `sizes` says how many; once it is at its end nothing is cut any more.
    """

    def __init__(self, upstream: str, sizes: Iterator[int]) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._sizes = sizes
        self.address = ""
        self.cuts = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._upstream)
        line = _Line()
        asking = asyncio.create_task(self._ask(line, reader, back))
        try:
            with contextlib.suppress(ConnectionError):
                await self._tell(line, there, writer)
        finally:
            asking.cancel()
            writer.close()
            back.close()

    async def _ask(self, line: _Line, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1 << 16):
            if b"/sse" in piece.partition(b"\r\n")[0]:
                line.left = next(self._sizes, None)
            back.write(piece)
        back.close()

    async def _tell(self, line: _Line, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await there.read(1 << 16):
            writer.write(piece[: line.left])
            if line.left is None:
                continue
            line.left -= len(piece)
            if line.left <= 0:
                await writer.drain()
                writer.transport.abort()
                self.cuts += 1
                return


class _Line:
    """A connection. `left` is how many bytes may still come back."""

    def __init__(self) -> None:
        self.left: int | None = None


@asynccontextmanager
async def cutting(upstream: str, sizes: Iterator[int]) -> AsyncGenerator[Cutter, None]:
    """A cutter on a free port, in front of HOST:PORT."""
    cutter = Cutter(upstream, sizes)
    server = await asyncio.start_server(cutter.answer, "127.0.0.1", 0)
    async with server:
        cutter.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield cutter
