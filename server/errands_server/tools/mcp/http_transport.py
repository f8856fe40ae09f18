"""The HTTP transport of one MCP session: one origin, one credential, each request noted in its Exchange."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any, Final

import httpx2

from ...credentials.credential import Credential
from ...outbound.guard import AddressForbidden
from ..origins import origin_of
from .exchange import Exchange, current_exchange

MAX_ANSWER: Final = 4 << 20  # bytes of one HTTP answer; JSON-RPC says a result twice
_CONNECT: Final = 10.0  # seconds
_ENCODINGS: Final = ("", "identity")
# Responses are counted as they are read, so they must not be compressed.
_HEADERS: Final = {"accept-encoding": "identity", "user-agent": "errands"}


def session_client(
    transport: httpx2.AsyncBaseTransport, url: str, credential: Credential
) -> httpx2.AsyncClient:
    """A client for one session. It follows no redirect and reads nothing from the environment."""
    return httpx2.AsyncClient(
        transport=SessionTransport(transport, origin_of(url, "url"), credential),
        headers=_HEADERS,
        timeout=httpx2.Timeout(_CONNECT, read=None),  # reading ends with the call's own deadline
        max_redirects=0,
        trust_env=False,
    )


class SessionTransport(httpx2.AsyncBaseTransport):
    """Adds the credential, below everything that logs requests. It never raises for what a network does.

    One broken request would otherwise end the session, with every other call that uses it. So
    it becomes a response of status 502, and the request's Exchange holds the failure.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport, origin: str, credential: Credential) -> None:
        self._transport = transport
        self._origin = origin
        self._credential = credential

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = current_exchange.get()
        bounded, exchange = exchange is not None, exchange or Exchange()
        if origin_of(str(request.url), "url") != self._origin:
            return _failed_response(exchange, "the session's credential belongs to another origin")
        try:
            response = await self._transport.handle_async_request(self._authenticated(request, exchange))
        except AddressForbidden as refusal:
            exchange.forbidden = True
            return _failed_response(exchange, str(refusal))
        except (httpx2.HTTPError, OSError) as error:
            return _failed_response(exchange, str(error) or type(error).__name__)
        if response.headers.get("content-encoding", "") not in _ENCODINGS:
            await response.aclose()
            return _failed_response(exchange, "the answer is compressed, which was not asked for")
        exchange.status, exchange.headers = response.status_code, dict(response.headers)
        body = _BoundedStream(response, exchange, MAX_ANSWER if bounded else None)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=body, extensions=response.extensions
        )

    async def aclose(self) -> None:
        """Do nothing: the connections belong to all sessions."""

    def _authenticated(self, request: httpx2.Request, exchange: Exchange) -> httpx2.Request:
        async def trace(event: str, _: Mapping[str, Any]) -> None:
            # Everything before (DNS, connecting, TLS, waiting for a connection) sends no request.
            exchange.sent = exchange.sent or event.endswith("send_request_headers.started")

        headers = httpx2.Headers(request.headers)
        headers.update(self._credential.headers)
        cookies = [f"{name}={value}" for name, value in self._credential.cookies.items()]
        if cookies:
            headers["cookie"] = "; ".join(filter(None, (headers.get("cookie", ""), *cookies)))
        return httpx2.Request(
            request.method,
            request.url.copy_merge_params(self._credential.query),
            headers=headers,
            stream=request.stream,
            extensions={**request.extensions, "trace": trace},
        )


def _failed_response(exchange: Exchange, why: str) -> httpx2.Response:
    exchange.failure = why
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": why}}
    return httpx2.Response(502, json=error)


class _BoundedStream(httpx2.AsyncByteStream):
    """A body that ends where it breaks off or exceeds the limit, and notes that in its Exchange."""

    def __init__(self, response: httpx2.Response, exchange: Exchange, limit: int | None) -> None:
        self._response = response
        self._exchange = exchange
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        stream = self._response.stream
        assert isinstance(stream, AsyncIterable)  # noqa: S101 (an asynchronous transport has no other)
        try:
            async for part in stream:
                size += len(part)
                if self._limit is not None and size > self._limit:
                    self._exchange.truncated = True
                    return
                yield part
        except (httpx2.HTTPError, OSError) as error:
            self._exchange.failure = str(error) or type(error).__name__

    async def aclose(self) -> None:
        await self._response.aclose()
