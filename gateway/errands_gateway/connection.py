"""Connections as streams need them: they tell when they are lost, and can be dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_EXTENSION: Final = "errands.connection"


class Connection(HttpToolsProtocol):
    """A connection of uvicorn's. `lost` is done once there is nobody left to answer.

    ASGI's own way to learn of that costs every stream a task, says nothing to a stream whose
    caller sent a further request behind it, and knows no way to drop who reads nothing.
    """

    lost: asyncio.Future[None]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self.lost = self.loop.create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost.set_result(None)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"connection": self}}

    def drop(self) -> None:
        """Close at once, whatever was not sent yet."""
        self.transport.abort()

    @contextmanager
    def canceling(self) -> Iterator[None]:
        """Cancel the present task when the connection is lost."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (an ASGI application runs in a task)

        def cancel(_: object) -> None:
            task.cancel()

        self.lost.add_done_callback(cancel)
        try:
            yield
        finally:
            self.lost.remove_done_callback(cancel)


def connection(scope: Any) -> Connection:
    """The connection a request came on."""
    found = scope["extensions"][_EXTENSION]["connection"]
    assert isinstance(found, Connection)  # noqa: S101 (no other server runs this application)
    return found
