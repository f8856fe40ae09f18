"""Typed access to untrusted JSON: a value of the wrong shape is an error that names its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote, urljoin

from msgspec import Struct

MAX_VALUES: Final = 2_000_000  # of one document, with YAML aliases written out

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_/{}$-]+")


class DocumentError(Exception):
    """A description that cannot be used: the place in it, such as `paths./pets.get`, and what to change."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place
        self.message = message


class UnresolvedDocument(Struct, frozen=True):
    """A document that could not be loaded."""

    why: str  # ends the sentence that begins with the `$ref`


class JsonDocument(Struct, frozen=True, eq=False):
    """A parsed text with the other texts it may refer to."""

    value: Any
    url: str = ""  # where it came from; "" where it was given as text
    others: Mapping[str, Any] = {}  # by URL: parsed texts, and an UnresolvedDocument for each that is missing
    main: str = ""  # URL of the description, which refers to all others

    def find(self, url: str) -> JsonDocument:
        """The document at a URL, which may be relative. LookupError: there is none; the message says why."""
        absolute = join_url(self.url, url)
        if absolute in ("", self.url):
            return self
        found = self.others.get(absolute, _NOT_LOADED)
        if isinstance(found, UnresolvedDocument):
            raise LookupError(found.why)
        return JsonDocument(found, absolute, self.others, self.main)

    def place_prefix(self) -> str:
        """The URL that places in this document begin with; "" in the description itself."""
        return "" if self.url == self.main else self.url


_NOT_LOADED = UnresolvedDocument("points outside this document; bundle it into one file")


def join_url(base: str, reference: str) -> str:
    """The absolute URL of a reference, without its fragment; "" where it is no URL."""
    try:
        return urljoin(base, reference).partition("#")[0]
    except ValueError:
        return ""


class JsonNode(Struct, frozen=True):
    """One JSON value in a document. It is false where the document holds no such value."""

    value: Any  # None where there is none
    place: str  # such as `paths./pets.get`
    root: JsonDocument

    def __bool__(self) -> bool:
        return self.value is not None

    def at(self, key: str) -> JsonNode:
        """The member `key`. DocumentError: this is a value that is no object."""
        part = key if _PLAIN_KEY.fullmatch(key) else repr(key)
        place = f"{self.place}.{part}" if self.place else part
        return JsonNode(self._object().get(key), place, self.root)

    def members(self) -> Iterator[tuple[str, JsonNode]]:
        """Every member of this object; none where there is no value. DocumentError: it is no object."""
        for key in self._object():
            yield key, self.at(key)

    def items(self) -> Iterator[JsonNode]:
        """Every item of this list; none where there is no value. DocumentError: it is no list."""
        if not isinstance(self.value, list | None):
            raise self.error("must be a list")
        for index, item in enumerate(self.value or ()):
            yield JsonNode(item, f"{self.place}[{index}]", self.root)

    def text(self, key: str, default: str = "") -> str:
        """The member `key` as text, `default` where it is absent. DocumentError: it is no text."""
        node = self.at(key)
        if not isinstance(node.value, str | None):
            raise node.error("must be a string")
        return default if node.value is None else node.value

    def flag(self, key: str) -> bool:
        """The member `key` as a boolean, false where it is absent. DocumentError: it is no boolean."""
        node = self.at(key)
        if not isinstance(node.value, bool | None):
            raise node.error("must be true or false")
        return bool(node.value)

    def follow(self) -> JsonNode:
        """The value behind every `$ref`. DocumentError: they form a circle, or one names nothing."""
        node, seen = self, set()
        while (reference := node.reference()) is not None:
            node = node.locate(reference)
            if node.place in seen:
                raise self.error(f"$ref {reference!r} leads back to itself")
            seen.add(node.place)
        return node

    def reference(self) -> str | None:
        """The `$ref` of this object; None where it has none. DocumentError: it is no text."""
        if not isinstance(self.value, dict) or "$ref" not in self.value:
            return None
        reference = self.value["$ref"]
        if not isinstance(reference, str):
            raise self.error("$ref must be a string")
        return reference

    def locate(self, reference: str) -> JsonNode:
        """The value that a URL with a JSON pointer (RFC 6901) names. DocumentError: it names nothing."""
        url, _, pointer = reference.partition("#")
        try:
            root = self.root.find(url) if url else self.root
        except LookupError as problem:
            raise self.error(f"$ref {reference!r} {problem}") from None
        if pointer and not pointer.startswith("/"):
            raise self.error(f"$ref {reference!r} is not a JSON pointer, such as #/components/schemas/Pet")
        value = root.value
        for token in pointer.split("/")[1:]:
            try:
                value = _step(value, unquote(token).replace("~1", "/").replace("~0", "~"))
            except (LookupError, ValueError):
                raise self.error(f"$ref {reference!r} names nothing in this document") from None
        return JsonNode(value, f"{root.place_prefix()}#{pointer}", root)

    def error(self, message: str) -> DocumentError:
        """An error at this place."""
        return DocumentError(self.place, message)

    def _object(self) -> dict[str, Any]:
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise self.error("must be an object")
        return self.value


def _step(value: Any, token: str) -> Any:
    if isinstance(value, dict):
        return value[token]
    if isinstance(value, list):
        return value[int(token)]
    raise KeyError(token)
