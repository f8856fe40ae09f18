"""Fetches a description and the documents of its own origin that it refers to."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import httpx2
import msgspec
from msgspec import Struct

from ...domain.errors import Invalid, Reason, Violation
from ...outbound.guard import AddressForbidden
from ...outbound.transport import GuardedTransport, read_bounded
from ..origins import origin_of
from .import_limits import run_in_thread
from .json_node import DocumentError, JsonDocument, UnresolvedDocument, join_url
from .text import MAX_TEXT, parse

MAX_DOCUMENTS: Final = 50  # that one description may refer to
_LOAD_TIMEOUT: Final = 60.0  # seconds for all of them
_FETCH_TIMEOUT: Final = 30.0  # seconds for one document, with its redirects
_MAX_REDIRECTS: Final = 5
_FIELD: Final = "openapi_url"
_HEADERS: Final = {
    "accept": "application/json, application/yaml, */*;q=0.5",
    "accept-encoding": "gzip, deflate",
    "user-agent": "errands",
}
_ZLIB_MAGIC: Final = b"x\x9c"  # no UTF-8 text begins so


class LoadedDocument(Struct, frozen=True, kw_only=True):
    """A description with the documents it refers to, as text. Stored in msgpack."""

    url: str  # where it came from; "" where it was given as text
    texts: Mapping[str, str]  # by URL
    base_url: str = ""  # where requests go, as the caller gave it; "" leaves it to the document


async def fetch_document(
    url: str, *, internal: bool, tls: ssl.SSLContext | None = None, timeout: float = _FETCH_TIMEOUT
) -> str:
    """The text at an http or https URL, at most 32 MiB.

    `internal` permits loopback and private addresses for the URL's own origin; a redirect to
    another origin must lead to a public one. Invalid: ADDRESS_FORBIDDEN, DOCUMENT_UNREACHABLE
    or DOCUMENT_INVALID.
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
        at_start = origin_of(url, _FIELD) == start
        transport = GuardedTransport(internal=internal and at_start, connections=1, tls=tls)
        try:
            target = await _get(transport, url)
        finally:
            await transport.aclose()
        if isinstance(target, str):
            return target
        url = str(target)
    raise _invalid(Reason.DOCUMENT_UNREACHABLE, f"redirected more than {_MAX_REDIRECTS} times")


async def _get(transport: GuardedTransport, url: str) -> str | httpx2.URL:
    """The text, or the URL of a redirect."""
    request = httpx2.Request("GET", url, headers=_HEADERS)
    response = await transport.handle_async_request(request)
    try:
        if response.has_redirect_location:
            return request.url.join(response.headers["location"])
        if not response.is_success:
            raise _invalid(Reason.DOCUMENT_UNREACHABLE, f"the server answered {response.status_code}")
        return _decode(*await read_bounded(response, MAX_TEXT))
    finally:
        await response.aclose()


def _decode(body: bytes, truncated: bool) -> str:
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


async def load(text: str, url: str, *, internal: bool) -> tuple[LoadedDocument, JsonDocument]:
    """Parse a description, and fetch and parse what it refers to.

    Only a description that came from a URL may refer to others, of that URL's origin, at
    most MAX_DOCUMENTS and 32 MiB together, under the same address policy. One that cannot be
    loaded matters only where it is needed. DocumentError: the text is neither JSON nor YAML.
    """
    value = await run_in_thread(parse, text)
    loader = _Loader(text, url, internal=internal)
    if url:
        await loader.follow_references(value)
    return LoadedDocument(url=url, texts=loader.texts), JsonDocument(value, url, loader.values, url)


class _Loader:
    """Loads the documents that one description refers to, directly and through others."""

    def __init__(self, text: str, url: str, *, internal: bool) -> None:
        self.texts = {url: text}
        self.values: dict[str, Any] = {}  # parsed, or an UnresolvedDocument, by URL
        self._url = url
        self._internal = internal
        self._tls: ssl.SSLContext | None = None
        self._left = MAX_TEXT - len(text)  # characters

    async def follow_references(self, value: Any) -> None:
        self.values[self._url] = value
        waiting = deque([(self._url, value)])
        deadline = asyncio.get_running_loop().time() + _LOAD_TIMEOUT
        while waiting:
            base, value = waiting.popleft()
            for url in await run_in_thread(_external_references, value, base):
                if url not in self.values:
                    self.values[url] = await self._load_one(url, deadline)
                    waiting.append((url, self.values[url]))

    async def _load_one(self, url: str, deadline: float) -> Any:
        """The parsed text at a URL, or why there is none."""
        try:
            if origin_of(url, "$ref") != origin_of(self._url, "$ref"):
                return UnresolvedDocument("points to another origin; bundle the documents into one file")
            if len(self.texts) > MAX_DOCUMENTS:
                return UnresolvedDocument(
                    f"is one of more than {MAX_DOCUMENTS}; bundle the documents into one file"
                )
            seconds = max(deadline - asyncio.get_running_loop().time(), 0)
            self._tls = self._tls or httpx2.create_ssl_context(trust_env=False)
            text = await fetch_document(url, internal=self._internal, tls=self._tls, timeout=seconds)
            self._left -= len(text)
            if self._left < 0:
                return UnresolvedDocument(
                    "makes the documents too long together; bundle what is needed into one file"
                )
            self.texts[url] = text
            return await run_in_thread(parse, text)
        except Invalid as refusal:
            return UnresolvedDocument(f"cannot be had: {refusal.violations[0].message}")
        except DocumentError as error:
            return UnresolvedDocument(f"cannot be read: {error}")


def _external_references(value: Any, base: str) -> list[str]:
    """The URLs of other documents that a parsed text refers to."""
    found: dict[str, None] = {}
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str) and not reference.startswith("#"):
                found[join_url(base, reference)] = None
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return [url for url in found if url not in ("", base)]


def pack(loaded: LoadedDocument) -> bytes:
    """The texts as they are stored, so that they can be read again without being fetched."""
    return zlib.compress(msgspec.msgpack.encode(loaded))


def unpack(stored: bytes) -> LoadedDocument:
    """What was packed, or the bare text that earlier revisions hold."""
    if not stored.startswith(_ZLIB_MAGIC):
        return LoadedDocument(url="", texts={"": stored.decode()})
    return msgspec.msgpack.decode(zlib.decompress(stored), type=LoadedDocument)


def parse_texts(loaded: LoadedDocument) -> JsonDocument:
    """The parsed description with the documents it refers to."""
    values = {url: parse(text) for url, text in loaded.texts.items()}
    return JsonDocument(values[loaded.url], loaded.url, values, loaded.url)
