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

from ..domain.errors import Invalid
from .fetch import fetch_document
from .node import Document, DocumentError, Missing, joined
from .notation import MAX_TEXT, parse
from .servers import origin_of
from .turns import in_thread

MAX_DOCUMENTS: Final = 50
_TIMEOUT: Final = 60.0  # seconds for all that is referred to
_PACKED: Final = b"x\x9c"  # how zlib begins; no UTF-8 text does


class Gathered(Struct, frozen=True, kw_only=True):
    """A description as given: the URL it came from ("" is nowhere) and every text by its URL.

    `base_url` is what the caller said about where requests go; "" leaves it to the document.
    """

    url: str
    texts: Mapping[str, str]
    base_url: str = ""


async def gather(text: str, url: str, *, internal: bool) -> tuple[Gathered, Document]:
    """Parse a description, and fetch and parse what it refers to.

    Only a description that came from a URL may refer to others, of that URL's origin, at
    most MAX_DOCUMENTS and 32 MiB together, under the same address policy. What cannot be had
    matters only where it is needed. DocumentError: the text is neither JSON nor YAML.
    """
    value = await in_thread(parse, text)
    gathering = _Gathering(text, url, internal=internal)
    if url:
        await gathering.follow(value)
    return Gathered(url=url, texts=gathering.texts), Document(value, url, gathering.values, url)


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
        deadline = asyncio.get_running_loop().time() + _TIMEOUT
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
                return Missing("points to another origin; bundle the documents into one file")
            if len(self.texts) > MAX_DOCUMENTS:
                return Missing(f"is one of more than {MAX_DOCUMENTS}; bundle the documents into one file")
            return await self._fetch(url, deadline - asyncio.get_running_loop().time())
        except Invalid as refusal:
            return Missing(f"cannot be had: {refusal.violations[0].message}")
        except DocumentError as error:
            return Missing(f"cannot be read: {error}")

    async def _fetch(self, url: str, seconds: float) -> Any:
        self._tls = self._tls or httpx2.create_ssl_context(trust_env=False)
        text = await fetch_document(url, internal=self._internal, tls=self._tls, timeout=max(seconds, 0))
        self._left -= len(text)
        if self._left < 0:
            return Missing("makes the documents too long together; bundle what is needed into one file")
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


def pack(gathered: Gathered) -> bytes:
    """The texts as they are stored, so that they can be read anew without being fetched."""
    return zlib.compress(msgspec.msgpack.encode(gathered))


def unpack(stored: bytes) -> Gathered:
    """What was packed, or the bare text that earlier revisions hold."""
    if not stored.startswith(_PACKED):
        return Gathered(url="", texts={"": stored.decode()})
    return msgspec.msgpack.decode(zlib.decompress(stored), type=Gathered)


def document(gathered: Gathered) -> Document:
    """The texts, parsed again."""
    values = {url: parse(text) for url, text in gathered.texts.items()}
    return Document(values[gathered.url], gathered.url, values, gathered.url)
