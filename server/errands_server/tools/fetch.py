"""Fetches a description by URL, under the same address policy as the calls it leads to."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

import httpx2

from ..domain.errors import Invalid, Reason, Violation
from ..outbound.guard import AddressForbidden
from ..outbound.transport import GuardedTransport, read_bounded
from .node import DocumentError
from .notation import MAX_TEXT
from .servers import origin_of

_TIMEOUT: Final = 30.0  # seconds for everything
_MAX_REDIRECTS: Final = 5
_FIELD: Final = "openapi_url"
_HEADERS: Final = {
    "accept": "application/json, application/yaml, */*;q=0.5",
    "accept-encoding": "gzip, deflate",
    "user-agent": "errands",
}


async def fetch_document(
    url: str, *, internal: bool, tls: ssl.SSLContext | None = None, timeout: float = _TIMEOUT
) -> str:
    """The text at an http or https URL, at most 32 MiB.

    `internal` opens loopback and private addresses for the URL's own origin; a redirect
    elsewhere must lead to a public one. Invalid: ADDRESS_FORBIDDEN, DOCUMENT_UNREACHABLE or
    DOCUMENT_INVALID; nothing was changed, and the latter two may be worth another try.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _fetch(url, internal=internal, tls=tls or httpx2.create_ssl_context(trust_env=False))
    except AddressForbidden as refusal:
        raise _invalid(Reason.ADDRESS_FORBIDDEN, str(refusal)) from None
    except TimeoutError:
        raise _invalid(Reason.DOCUMENT_UNREACHABLE, f"no answer within {timeout:g} seconds") from None
    except (httpx2.HTTPError, OSError) as error:
        raise _invalid(Reason.DOCUMENT_UNREACHABLE, str(error) or type(error).__name__) from error
    except DocumentError as error:
        raise _invalid(Reason.DOCUMENT_INVALID, error.message) from None
    except httpx2.InvalidURL as error:
        raise _invalid(Reason.DOCUMENT_INVALID, str(error)) from None


async def _fetch(url: str, *, internal: bool, tls: ssl.SSLContext) -> str:
    start = origin_of(url, _FIELD)
    for _ in range(_MAX_REDIRECTS + 1):
        home = origin_of(url, _FIELD) == start
        transport = GuardedTransport(internal=internal and home, connections=1, tls=tls)
        try:
            target = await _get(transport, url)
        finally:
            await transport.aclose()
        if isinstance(target, str):
            return target
        url = str(target)
    raise _invalid(Reason.DOCUMENT_UNREACHABLE, f"redirected more than {_MAX_REDIRECTS} times")


async def _get(transport: GuardedTransport, url: str) -> str | httpx2.URL:
    """The text, or where it is to be found."""
    request = httpx2.Request("GET", url, headers=_HEADERS)
    response = await transport.handle_async_request(request)
    try:
        if response.has_redirect_location:
            return request.url.join(response.headers["location"])
        if not response.is_success:
            raise _invalid(Reason.DOCUMENT_UNREACHABLE, f"the server answered {response.status_code}")
        return _decoded(*await read_bounded(response, MAX_TEXT))
    finally:
        await response.aclose()


def _decoded(body: bytes, truncated: bool) -> str:
    if truncated:
        raise _invalid(Reason.DOCUMENT_INVALID, f"the document is longer than {MAX_TEXT >> 20} MiB")
    try:
        if b"\0" in body[:4]:  # UTF-16 or 32 without a mark, which passes for UTF-8
            raise UnicodeError
        return body.decode("utf-8-sig")
    except UnicodeError:
        raise _invalid(Reason.DOCUMENT_INVALID, "the document is not UTF-8; save it as UTF-8") from None


def _invalid(reason: Reason, message: str) -> Invalid:
    return Invalid([Violation(_FIELD, message)], reason=reason)
