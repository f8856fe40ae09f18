"""HTTP under the address policy: a bounded connection pool, and bodies read up to a limit."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Final

import httpcore2
import httpx2

from .guard import GuardedNetwork

# Many servers close an idle connection after 5 s; one that closes while a request is on its
# way leaves that request's outcome unknown. So the pool closes its idle connections well before.
_IDLE: Final = 2.0  # seconds
_YIELD_AFTER: Final = 1 << 20  # bytes decompressed before the event loop runs others
_MAX_IDLE: Final = 32  # connections; the pool looks at each of them with every request

_FAULTS: Final = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
)


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends every request once: no retries, proxies, cookies, redirects or environment.

    One pool serves either internal or public addresses, never both: a connection opened for
    an operator's internal integration must not carry a stranger's request to the same host.
    """

    def __init__(self, *, internal: bool, connections: int, tls: ssl.SSLContext) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=connections,
            max_keepalive_connections=min(connections, _MAX_IDLE),
            keepalive_expiry=_IDLE,
            retries=0,
            network_backend=GuardedNetwork(internal=internal),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. AddressForbidden: its host may not be reached. httpx2.HTTPError: it failed."""
        url = request.url
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        with _translate_faults():
            response = await self._pool.handle_async_request(
                httpcore2.Request(
                    method=request.method,
                    url=target,
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx2.Response(
            response.status,
            headers=response.headers,
            stream=_ResponseStream(response),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _ResponseStream(httpx2.AsyncByteStream):
    """The body of a response of the pool; its faults are raised as those of httpx2."""

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream = self._response.stream
        assert isinstance(stream, AsyncIterable)  # noqa: S101 (an asynchronous pool has no other)
        with _translate_faults():
            async for part in stream:
                yield part

    async def aclose(self) -> None:
        await self._response.aclose()


@contextmanager
def _translate_faults() -> Iterator[None]:
    try:
        yield
    except _FAULTS as fault:
        # httpx2 has an error of the same name for each of httpcore2's.
        raise getattr(httpx2, type(fault).__name__)(str(fault)) from fault


async def read_bounded(response: httpx2.Response, limit: int) -> tuple[bytes, bool]:
    """The decompressed body, and whether there was more than `limit` bytes of it.

    DecodingError: it cannot be decompressed, or is compressed more than once: a few kilobytes
    may become gigabytes between two layers, where no limit is checked.
    """
    codings = response.headers.get_list("content-encoding", split_commas=True)
    if len(codings) > 1:
        raise httpx2.DecodingError("it is compressed more than once")
    body = bytearray()
    async with aclosing(response.aiter_bytes()) as parts:
        async for part in parts:
            body += part
            if len(body) > limit:
                return bytes(body), True
            if len(body) > _YIELD_AFTER:
                await asyncio.sleep(0)  # one packet may hold all of this
    return bytes(body), False
