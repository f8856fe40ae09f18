"""Carries the messages of one session, and notes how far each came. Knows the SDK, as `connection` does."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from .attempt import Attempt, current
from .configured import StdioServer
from .http import MAX_ANSWER, session_client
from .target import Target


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
async def over_process(server: StdioServer, ended: Callable[[], None]) -> AsyncGenerator[Any]:
    """The streams of messages to and from a process that is started for them, and ended with them."""
    parameters = StdioServerParameters(
        command=server.command,
        args=list(server.args),
        env=dict(server.env),
        cwd=Path(server.cwd) if server.cwd else None,
    )
    async with stdio_client(parameters, errlog=sys.__stderr__ or sys.stderr) as (read, write):
        yield _Ending(read, ended), _Noting(write)


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
        attempt = current.get() or Attempt()
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
