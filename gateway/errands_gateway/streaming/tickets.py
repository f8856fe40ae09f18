"""Streams opened by tickets. Each has an upstream of its own, because a ticket opens one stream, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import structlog
from grpc import aio

from errands.v1 import run_pb2 as pb

from .fanout import TENANT
from .frames import COMMENT, EventDocument, frames, pack

TICKET: Final = "x-stream-ticket"
_END: Final = "errands-end"  # initial metadata of a stream with nothing in it

_log = structlog.get_logger("errands.streams")


class TicketedStream:
    """A stream that a ticket may open. aio.AioRpcError: it is refused, and the ticket stays good."""

    def __init__(self, runs: Any, ticket: str, request_id: str, request: pb.StreamRunEventsRequest) -> None:
        self._runs = runs
        self._request = request
        self._metadata = ((TICKET, ticket), ("x-request-id", request_id))

    async def tenant(self) -> str | None:
        """The tenant of the run, which only the server reads from a ticket; None at the run's end."""
        metadata = await self._peek()
        if TENANT not in metadata:
            # gRPC reported the good end of the call before its initial metadata; peeking spends no ticket.
            metadata = await self._peek()
        return None if _END in metadata else metadata[TENANT]

    async def _peek(self) -> Mapping[str, str]:
        """The initial metadata of the stream, without opening it."""
        request = pb.StreamRunEventsRequest(validate_only=True)
        request.MergeFrom(self._request)
        call = self._runs.StreamRunEvents(request, metadata=self._metadata)
        try:
            metadata = await _initial_metadata(call)
            await call.read()  # its end
        finally:
            call.cancel()
        return metadata

    async def redeem(self) -> Any:
        """The upstream, open. The ticket is spent."""
        call = self._runs.StreamRunEvents(self._request, metadata=self._metadata)
        try:
            await _initial_metadata(call)
        except BaseException:
            call.cancel()
            raise
        return call


async def _initial_metadata(call: Any) -> Mapping[str, str]:
    """Initial metadata of a stream that is accepted. aio.AioRpcError: it is refused."""
    metadata = dict(await call.initial_metadata())
    if TENANT not in metadata:
        await call.read()  # raises the refusal
    return metadata


async def pieces(call: Any, document: EventDocument, heartbeat: float) -> AsyncGenerator[bytes, None]:
    """Frames of an upstream until it ends; a comment after every `heartbeat` seconds of silence."""
    reading: asyncio.Task[Any] = asyncio.create_task(call.read())
    try:
        while True:
            # Cancelling a read would end the call, so the wait for it has the timeout.
            await asyncio.wait({reading}, timeout=heartbeat)
            if not reading.done():
                yield COMMENT
                continue
            if (message := reading.result()) is aio.EOF:
                return
            for _, piece in pack(frames(message.events, document)):
                yield piece
            reading = asyncio.create_task(call.read())
    except aio.AioRpcError as failure:
        _log.info("a stream was cut", code=failure.code().name)
    finally:
        call.cancel()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
