"""HTTP connections: limits on what comes before a request, and a signal when one is lost."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD: Final = 64 << 10  # bytes of a request line with its headers
HEAD_TIME: Final = 30.0  # seconds for them
MAX_WAITING: Final = 500  # requests behind the one that is answered; one read may hold many thousands
_EXTENSION: Final = "errands.connection"


class HttpProtocol(HttpToolsProtocol):
    """A connection of uvicorn's. `lost` is done when it is closed.

    ASGI's `http.disconnect` costs every stream a task, does not come to a stream whose caller sent
    a further request behind it, and there is no event to drop a reader that reads nothing.

    The parser has no limits: it keeps lines and headers until they are complete. So a connection
    whose bytes complete nothing for MAX_HEAD bytes or HEAD_TIME seconds is refused.
    """

    lost: asyncio.Future[None]
    _pending_bytes: int  # bytes since the parser last completed something
    _deadline: asyncio.TimerHandle | None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self.lost = self.loop.create_future()
        self._pending_bytes = 0
        self._deadline = self.loop.call_later(HEAD_TIME, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._advance()
        self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._pending_bytes += len(data)
        try:
            self._feed(memoryview(data))
        except HttpParserError:
            self.send_400_response("this is no HTTP request")
        else:
            self._check()

    def _feed(self, data: memoryview) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                self._ignore_upgrade()
                data = data[upgrade.args[0] :]
            else:
                return

    def _check(self) -> None:
        if self._pending_bytes > MAX_HEAD:
            self.send_400_response(f"the head of a request may have {MAX_HEAD} bytes")
        elif self._pending_bytes and self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_TIME, self._expire)

    def _advance(self) -> None:
        self._pending_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        # A request that is handled may take longer than what comes behind it.
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _ignore_upgrade(self) -> None:
        """Ignore a request's Upgrade header (RFC 9110, 7.8).

        This parser takes the body for the other protocol's, so a new one reads the head again.
        """
        line = self.parser.get_method(), self.url, self.parser.get_http_version().encode()
        lines = [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        self.parser.feed_data(b"\r\n".join([b"%s %s HTTP/%s" % line, *lines, b"", b""]))

    @property
    def _has_upgrade(self) -> bool:
        # CONNECT is refused for its target.
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    @property
    def _is_responding(self) -> bool:
        """Whether a response has begun and is not complete."""
        cycle = self.cycle
        return bool(self.pipeline) or (
            cycle is not None and cycle.response_started and not cycle.response_complete
        )

    def send_400_response(self, msg: str) -> None:
        """Refuse and close; close only, if another response has begun."""
        if self._is_responding:
            self.drop()
        elif not self.transport.is_closing():
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"connection": self}}

    def on_headers_complete(self) -> None:
        self._advance()
        if len(self.pipeline) == MAX_WAITING:
            raise HttpParserError("too many requests wait")
        if not self._has_upgrade:
            super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._advance()

    def on_body(self, body: bytes) -> None:
        self._advance()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._advance()
        if not self._has_upgrade:
            super().on_message_complete()

    def disable_chunks(self) -> None:
        """Send the next response without chunks, as HTTP/1.0 needs it; it ends with the connection."""
        self.cycle.chunked_encoding = False
        self.cycle.expected_content_length = sys.maxsize

    def drop(self) -> None:
        """Close at once, without what was not sent yet."""
        self.transport.abort()

    @contextmanager
    def cancel_when_lost(self) -> Iterator[None]:
        """Cancel the current task if the connection is lost."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (an ASGI application runs in a task)

        def cancel(_: object) -> None:
            task.cancel()

        self.lost.add_done_callback(cancel)
        try:
            yield
        finally:
            self.lost.remove_done_callback(cancel)


def connection(scope: Any) -> HttpProtocol:
    """The connection a request came on."""
    found = scope["extensions"][_EXTENSION]["connection"]
    assert isinstance(found, HttpProtocol)  # noqa: S101 (no other server runs this application)
    return found
