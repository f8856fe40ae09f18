"""Requests to authorization servers, under the address policy. No redirects, no retries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

import httpx2
from msgspec import Struct

from .guard import AddressForbidden
from .transport import GuardedTransport, read_bounded

TIMEOUT: Final = 15.0  # seconds for everything
_CONNECTIONS: Final = 32
_MAX_BODY: Final = 256 * 1024  # bytes after decompression
_HEADERS: Final = {"accept": "application/json", "accept-encoding": "gzip, deflate", "user-agent": "errands"}


class Unreachable(Exception):
    """No readable reply came. Another try may help."""


class Reply(Struct, frozen=True):
    """The reply of a server."""

    status: int
    body: bytes  # decompressed

    def document(self) -> dict[str, Any]:
        """The JSON object in the body. Unreachable: there is none, as in the reply of a proxy."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Unreachable(f"the server answered {self.status} without a JSON object")
        return found


class Web:
    """Two bounded connection pools, for internal and for public addresses, opened when first needed."""

    def __init__(self) -> None:
        self._pools: dict[bool, GuardedTransport] = {}

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()

    async def get(self, url: str, *, internal: bool) -> Reply:
        """The reply to a GET. Raises as `post` does."""
        return await self._exchange(self._request("GET", url), internal=internal)

    async def post(self, url: str, headers: Mapping[str, str], body: str, *, internal: bool) -> Reply:
        """The reply to a form. Unreachable. AddressForbidden: the host may not be reached."""
        return await self._exchange(self._request("POST", url, headers, body.encode()), internal=internal)

    def _request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> httpx2.Request:
        given = {name.lower(): value for name, value in (headers or {}).items()}
        try:
            return httpx2.Request(method, url, headers=_HEADERS | given, content=body)
        except httpx2.InvalidURL as error:
            raise Unreachable(f"the URL is not valid: {error}") from None

    async def _exchange(self, request: httpx2.Request, *, internal: bool) -> Reply:
        try:
            async with asyncio.timeout(TIMEOUT):
                response = await self._pool(internal).handle_async_request(request)
                try:
                    body, truncated = await read_bounded(response, _MAX_BODY)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise Unreachable(f"no answer within {TIMEOUT:g} seconds") from None
        except (httpx2.HTTPError, OSError) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        if truncated:
            raise Unreachable(f"the server answered more than {_MAX_BODY >> 10} KiB")
        return Reply(response.status_code, body)

    def _pool(self, internal: bool) -> GuardedTransport:
        if internal not in self._pools:
            tls = httpx2.create_ssl_context(trust_env=False)
            self._pools[internal] = GuardedTransport(internal=internal, connections=_CONNECTIONS, tls=tls)
        return self._pools[internal]


__all__ = ["AddressForbidden", "Reply", "Unreachable", "Web"]
