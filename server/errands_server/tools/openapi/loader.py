"""Gathers a description and the documents it refers to, where they lie at its own origin."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx2
import msgspec
from msgspec import Struct

from ...domain.errors import Invalid, Reason, Violation
from ...outbound.guard import AddressForbidden
from ...outbound.transport import GuardedTransport, read_bounded
from ..origins import origin_of
from .import_limits import in_thread
from .json_node import DocumentError, JsonDocument, UnresolvedDocument, joined
from .text import MAX_TEXT, parse

_FETCH_TIMEOUT: Final = 30.0  # seconds for everything
_MAX_REDIRECTS: Final = 5
_FIELD: Final = "openapi_url"
_HEADERS: Final = {
    "accept": "application/json, application/yaml, */*;q=0.5",
    "accept-encoding": "gzip, deflate",
    "user-agent": "errands",
}


async def fetch_document(
    url: str, *, internal: bool, tls: ssl.SSLContext | None = None, timeout: float = _FETCH_TIMEOUT
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


MAX_DOCUMENTS: Final = 50
_LOAD_TIMEOUT: Final = 60.0  # seconds for all that is referred to
_PACKED: Final = b"x\x9c"  # how zlib begins; no UTF-8 text does


class LoadedDocument(Struct, frozen=True, kw_only=True):
    """A description as given: the URL it came from ("" is nowhere) and every text by its URL.

    `base_url` is what the caller said about where requests go; "" leaves it to the document.
    """

    url: str
    texts: Mapping[str, str]
    base_url: str = ""


async def gather(text: str, url: str, *, internal: bool) -> tuple[LoadedDocument, JsonDocument]:
    """Parse a description, and fetch and parse what it refers to.

    Only a description that came from a URL may refer to others, of that URL's origin, at
    most MAX_DOCUMENTS and 32 MiB together, under the same address policy. What cannot be had
    matters only where it is needed. DocumentError: the text is neither JSON nor YAML.
    """
    value = await in_thread(parse, text)
    gathering = _Gathering(text, url, internal=internal)
    if url:
        await gathering.follow(value)
    return LoadedDocument(url=url, texts=gathering.texts), JsonDocument(value, url, gathering.values, url)


class _Gathering:
    def __init__(self, text: str, url: str, *, internal: bool) -> None:
        self.texts = {url: text}
        self.values: dict[str, Any] = {}
        self._url = url
        self._internal = internal
        self._tls: ssl.SSLContext | None = None
        self._left = MAX_TEXT - len(text)

    async def follow(self, value: Any) -> None:
        self.values[self._url] = value
        waiting = deque([(self._url, value)])
        deadline = asyncio.get_running_loop().time() + _LOAD_TIMEOUT
        while waiting:
            base, value = waiting.popleft()
            for url in await in_thread(_referred, value, base):
                if url not in self.values:
                    self.values[url] = await self._have(url, deadline)
                    waiting.append((url, self.values[url]))

    async def _have(self, url: str, deadline: float) -> Any:
        """The parsed text at a URL, or why it is missing."""
        try:
            if origin_of(url, "$ref") != origin_of(self._url, "$ref"):
                return UnresolvedDocument("points to another origin; bundle the documents into one file")
            if len(self.texts) > MAX_DOCUMENTS:
                return UnresolvedDocument(
                    f"is one of more than {MAX_DOCUMENTS}; bundle the documents into one file"
                )
            return await self._fetch(url, deadline - asyncio.get_running_loop().time())
        except Invalid as refusal:
            return UnresolvedDocument(f"cannot be had: {refusal.violations[0].message}")
        except DocumentError as error:
            return UnresolvedDocument(f"cannot be read: {error}")

    async def _fetch(self, url: str, seconds: float) -> Any:
        self._tls = self._tls or httpx2.create_ssl_context(trust_env=False)
        text = await fetch_document(url, internal=self._internal, tls=self._tls, timeout=max(seconds, 0))
        self._left -= len(text)
        if self._left < 0:
            return UnresolvedDocument(
                "makes the documents too long together; bundle what is needed into one file"
            )
        self.texts[url] = text
        return await in_thread(parse, text)


def _referred(value: Any, base: str) -> list[str]:
    """The URLs of other documents that a parsed text refers to."""
    found = dict.fromkeys(joined(base, reference) for reference in _references(value))
    return [url for url in found if url not in ("", base)]


def _references(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str) and not reference.startswith("#"):
                yield reference
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def pack(gathered: LoadedDocument) -> bytes:
    """The texts as they are stored, so that they can be read anew without being fetched."""
    return zlib.compress(msgspec.msgpack.encode(gathered))


def unpack(stored: bytes) -> LoadedDocument:
    """What was packed, or the bare text that earlier revisions hold."""
    if not stored.startswith(_PACKED):
        return LoadedDocument(url="", texts={"": stored.decode()})
    return msgspec.msgpack.decode(zlib.decompress(stored), type=LoadedDocument)


def document(gathered: LoadedDocument) -> JsonDocument:
    """The texts, parsed again."""
    values = {url: parse(text) for url, text in gathered.texts.items()}
    return JsonDocument(values[gathered.url], gathered.url, values, gathered.url)
