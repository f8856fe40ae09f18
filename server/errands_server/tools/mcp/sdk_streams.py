"""The SDK's message streams of one session, with a note in the Exchange of each message that was sent."""

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
from .exchange import Exchange, current_exchange
from .http_transport import MAX_ANSWER, session_client

_LINE: Final = 64 << 10  # bytes of a line on standard error
_MAX_LOGGED: Final = 2_000  # characters of it that are logged
_DRAIN: Final = 1.0  # seconds for the last lines of a process to arrive
_log = structlog.get_logger("errands.mcp")


@asynccontextmanager
async def over_http(target: Target, transport: httpx2.AsyncBaseTransport | None) -> AsyncGenerator[Any]:
    """The streams of messages to and from a URL."""
    assert transport is not None  # noqa: S101 (the pool gives one to every URL)
    async with (
        session_client(transport, target.address, target.credential) as client,
        streamable_http_client(target.address, http_client=client, max_sse_event_size=MAX_ANSWER) as streams,
    ):
        yield streams


@asynccontextmanager
async def over_process(
    target: Target, server: StdioServer, on_end: Callable[[], None]
) -> AsyncGenerator[Any]:
    """The streams of messages to and from a process, which is started and ended with them."""
    parameters = StdioServerParameters(
        command=server.command,
        args=list(server.args),
        env=dict(server.env),
        cwd=Path(server.cwd) if server.cwd else None,
    )
    async with _stderr_log(target) as errors, stdio_client(parameters, errlog=errors) as (read, write):
        yield _ProcessReader(read, on_end), _ProcessWriter(write)


@asynccontextmanager
async def _stderr_log(target: Target) -> AsyncGenerator[TextIO]:
    """A file for the standard error of a process: each line is logged, without the target's secrets."""
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
        with anyio.move_on_after(_DRAIN, shield=True):
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
        text = scrub(line.decode(errors="replace").rstrip(), secrets) if whole else "(a line too long)"
        _log.info("a process wrote", server=target.address, line=text[:_MAX_LOGGED])
        whole = True


class _ProcessReader:
    """A stream of messages from a process. It calls `on_end` at its end, which the SDK does not report."""

    def __init__(self, stream: Any, on_end: Callable[[], None]) -> None:
        self._stream = stream
        self._on_end = on_end

    async def receive(self) -> Any:
        try:
            return await self._stream.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._on_end()
            raise

    def __aiter__(self) -> _ProcessReader:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> _ProcessReader:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _ProcessWriter:
    """A stream of messages to a process. It notes in the Exchange of each that it was sent."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def send(self, message: SessionMessage) -> None:
        exchange = current_exchange.get() or Exchange()
        before, exchange.sent = exchange.sent, True
        try:
            await self._stream.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            exchange.sent = before
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> _ProcessWriter:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
