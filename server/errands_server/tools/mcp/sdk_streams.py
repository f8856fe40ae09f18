"""Carries the messages of one session, and notes how far each came. Knows the SDK, as `connection` does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TextIO

import anyio
import httpx2
import structlog
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from ...credentials.redaction import scrub
from .endpoint import StdioServer, Target
from .exchange import Exchange, current
from .http_transport import MAX_ANSWER, session_client

_LINE: Final = 64 << 10  # bytes of a line on standard error
_SHOWN: Final = 2_000  # characters of it that are logged
_LAST_WORDS: Final = 1.0  # seconds for what a process said at its end to arrive
_log = structlog.get_logger("errands.mcp")


@asynccontextmanager
async def over_http(target: Target, transport: httpx2.AsyncBaseTransport | None) -> AsyncGenerator[Any]:
    """The streams of messages to and from a URL."""
    assert transport is not None  # noqa: S101 (the pool gives one to every URL)
    async with (
        session_client(transport, target.place, target.credential) as client,
        streamable_http_client(target.place, http_client=client, max_sse_event_size=MAX_ANSWER) as streams,
    ):
        yield streams


@asynccontextmanager
async def over_process(target: Target, server: StdioServer, ended: Callable[[], None]) -> AsyncGenerator[Any]:
    """The streams of messages to and from a process that is started for them, and ended with them."""
    parameters = StdioServerParameters(
        command=server.command,
        args=list(server.args),
        env=dict(server.env),
        cwd=Path(server.cwd) if server.cwd else None,
    )
    async with _logged(target) as errors, stdio_client(parameters, errlog=errors) as (read, write):
        yield _Ending(read, ended), _Noting(write)


@asynccontextmanager
async def _logged(target: Target) -> AsyncGenerator[TextIO]:
    """Where a process may write: each line is logged, without the target's secrets."""
    reading, writing = os.pipe()
    reader = asyncio.StreamReader(limit=_LINE)
    protocol = asyncio.StreamReaderProtocol(reader)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(reading, "rb", buffering=0))
    logging = asyncio.create_task(_log_lines(target, reader), name="errands mcp errors")
    try:
        with os.fdopen(writing, "w") as file:
            yield file
    finally:
        with anyio.move_on_after(_LAST_WORDS, shield=True):
            await asyncio.wait({logging})  # a child of the process may keep the pipe open
        logging.cancel()
        transport.close()


async def _log_lines(target: Target, reader: asyncio.StreamReader) -> None:
    secrets = target.secrets()
    whole = True
    while True:
        try:
            line = await reader.readuntil()
        except asyncio.LimitOverrunError as long:  # longer than can be searched; its end comes next
            await reader.readexactly(long.consumed)
            whole = False
            continue
        except asyncio.IncompleteReadError as end:
            line = end.partial
            if not line:
                return
        said = scrub(line.decode(errors="replace").rstrip(), secrets) if whole else "(a line too long)"
        _log.info("a process wrote", server=target.place, line=said[:_SHOWN])
        whole = True


class _Ending:
    """A stream of messages from a process that tells of its end, which the SDK takes note of in silence."""

    def __init__(self, stream: Any, ended: Callable[[], None]) -> None:
        self._stream = stream
        self._ended = ended

    async def receive(self) -> Any:
        try:
            return await self._stream.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._ended()
            raise

    def __aiter__(self) -> _Ending:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> _Ending:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _Noting:
    """A stream of messages to a process that notes in their Attempt that they left."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def send(self, message: SessionMessage) -> None:
        attempt = current.get() or Exchange()
        before, attempt.left = attempt.left, True
        try:
            await self._stream.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            attempt.left = before
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> _Noting:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
