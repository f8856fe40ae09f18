"""Streams opened with a ticket: each has an upstream of its own, because a ticket opens one, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import structlog
from grpc import aio

from errands.v1 import run_pb2 as pb

from .fanout import TENANT
from .frames import COMMENT, frames, joined

TICKET: Final = "x-stream-ticket"
_END: Final = "errands-end"  # initial metadata of a stream with nothing in it

_log = structlog.get_logger("errands.streams")


class Ticketed:
    """A stream that a ticket may open. aio.AioRpcError: it is refused, and the ticket stays good."""

    def __init__(self, runs: Any, ticket: str, request_id: str, request: pb.StreamRunEventsRequest) -> None:
        self._runs = runs
        self._request = request
        self._metadata = ((TICKET, ticket), ("x-request-id", request_id))

    async def tenant(self) -> str | None:
        """Whose run it is, which a ticket says to nobody but the server; None at the run's end."""
        told = await self._looked()
        if TENANT not in told:
            # gRPC gave its end, which is good, before what it began with: looking spends nothing.
            told = await self._looked()
        return None if _END in told else told[TENANT]

    async def _looked(self) -> Mapping[str, str]:
        look = pb.StreamRunEventsRequest(validate_only=True)
        look.MergeFrom(self._request)
        call = self._runs.StreamRunEvents(look, metadata=self._metadata)
        try:
            told = await _told(call)
            await call.read()  # its end
        finally:
            call.cancel()
        return told

    async def redeem(self) -> Any:
        """The upstream, open. The ticket is spent."""
        call = self._runs.StreamRunEvents(self._request, metadata=self._metadata)
        try:
            await _told(call)
        except BaseException:
            call.cancel()
            raise
        return call


async def _told(call: Any) -> Mapping[str, str]:
    """Initial metadata of a stream that is accepted."""
    told = dict(await call.initial_metadata())
    if TENANT not in told:
        await call.read()  # raises what the call was refused with
    return told


async def pieces(call: Any, heartbeat: float) -> AsyncGenerator[bytes, None]:
    """Frames of an upstream until it ends; a comment after every `heartbeat` seconds of silence."""
    reading: asyncio.Task[Any] = asyncio.create_task(call.read())
    try:
        while True:
            # Cancelling a read would end the call, so silence is told from the outside.
            await asyncio.wait({reading}, timeout=heartbeat)
            if not reading.done():
                yield COMMENT
                continue
            if (message := reading.result()) is aio.EOF:
                return
            for _, piece in joined(frames(message.events)):
                yield piece
            reading = asyncio.create_task(call.read())
    except aio.AioRpcError as failure:
        _log.info("a stream was cut", code=failure.code().name)
    finally:
        call.cancel()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
