"""Finds what a refusal says to people: the service's own words, whatever form it gives them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

# RFC 9457's, OAuth's and the customs of many services, the most telling first.
_WORDS: Final = (
    *("message", "Message", "error_description", "detail", "error", "msg", "errors"),
    *("errorMessage", "error_message", "Error", "fault", "faultstring"),
    *("description", "reason", "title", "code"),
)
_DETAILS: Final = (
    "errors",
    "detail",
    "details",
    "invalid-params",
    "invalidParams",
    "violations",
    "fieldErrors",
)
_PLACES: Final = ("field", "pointer", "path", "loc", "param", "parameter", "property", "name", "source")
_MAX_DETAILS: Final = 3
_DEPTH: Final = 8  # of documents inside documents
_ELEMENT: Final = re.compile(r"<(?:\w+:)?(?:message|faultstring|title)[^<>]*>([^<]+)<", re.IGNORECASE)


def own_words(body: bytes, text: str) -> str:
    """What a body says, on one line; `text` is the body decoded. "" where it says nothing."""
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return _of_text(text)
    return _of_json(document) or _of_text(text)


def _of_text(text: str) -> str:
    marked = text.lstrip().startswith("<")
    element = _ELEMENT.search(text) if marked else None
    return " ".join((html.unescape(element[1]) if element else text).split())


def _of_json(document: Any) -> str:
    headline = _sentence(document)
    details = list(dict.fromkeys(_details(document, _DEPTH)))
    if headline and not any(headline in detail for detail in details):
        further = [detail for detail in details if detail not in headline]
        return f"{headline} ({_listed(further)})" if further else headline
    if not details and isinstance(document, dict):  # nothing but what is wrong with each member
        details = list(_by_member({name: said for name, said in document.items() if isinstance(said, list)}))
    return _listed(details)


def _listed(details: list[str]) -> str:
    more = f"; and {len(details) - _MAX_DETAILS} more" if len(details) > _MAX_DETAILS else ""
    return "; ".join(details[:_MAX_DETAILS]) + more


def _sentence(document: Any, depth: int = _DEPTH) -> str:
    """The first sentence meant for people."""
    if depth and isinstance(document, list):
        return _sentence(document[0], depth - 1) if document else ""
    if depth and isinstance(document, dict):
        return next(filter(None, (_sentence(document.get(key), depth - 1) for key in _WORDS)), "")
    return " ".join(document.split()) if isinstance(document, str) else ""


def _details(document: Any, depth: int) -> Iterator[str]:
    """What is wrong with which member, where the document has a list or a map of that."""
    if depth == 0 or not isinstance(document, dict):
        return
    for key in _DETAILS:
        found = document.get(key)
        if isinstance(found, list):
            yield from filter(None, map(_detail, found))
        elif isinstance(found, dict) and key != "detail":
            yield from _by_member(found)
    yield from _details(document.get("error"), depth - 1)


def _detail(item: Any) -> str:
    words = _sentence(item)
    if not isinstance(item, Mapping) or not words:
        return words
    place = next((text for name in _PLACES if (text := _place(item.get(name)))), "")
    return f"{place}: {words}" if place and place != words else words


def _by_member(found: Mapping[str, Any]) -> Iterator[str]:
    for name, said in found.items():
        if isinstance(said, str | list) and (words := _sentence(said)):
            yield f"{name}: {words}"


def _place(value: Any) -> str:
    if isinstance(value, list):
        return ".".join(str(part) for part in value if isinstance(part, str | int))
    if isinstance(value, dict):
        return _place(value.get("pointer") or value.get("parameter"))
    return value if isinstance(value, str) else ""
