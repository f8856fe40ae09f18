"""Says what an HTTP reply means for a call: done, certainly failed, or not known."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec
from msgspec import Struct

from ...domain.errors import Reason
from ...domain.tool import Effect
from ...ports import CallFailed, CallOutcomeUnknown, CallResult, CallSucceeded

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


_REFUSALS: Final = (401, 403)
_SECONDS: Final = re.compile(r"[0-9]{1,9}")


class HttpReply(Struct, frozen=True, kw_only=True):
    """A reply as received: header names in lower case, the body decompressed and perhaps cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    truncated: bool = False


def answer_of(reply: HttpReply, *, effect: Effect, now: datetime) -> CallResult:
    """What the reply means; messages are as long as the service made them.

    `now` is what a Retry-After that is a date counts from (RFC 9110 §10.2.3).
    """
    message = _message(reply)
    wait = _retry_after(reply.headers.get("retry-after", ""), now)
    match reply.status:
        case status if 200 <= status < 300:
            return _success(reply, effect)
        case 302 | 303 if effect is Effect.WRITE:
            # How forms answer after the deed, and how logins refuse before it: nobody can tell.
            return CallOutcomeUnknown(message=message, retry_after=wait)
        case 408 | 502 | 504 | 520 | 522 | 524:  # the last three are a well-known proxy's 502 and 504
            return CallOutcomeUnknown(message=message, retry_after=wait)
        case 429:
            return _not_now(Reason.SERVICE_RATE_LIMITED, reply, message, wait)
        case 425 | 503:
            return _not_now(Reason.SERVICE_UNAVAILABLE, reply, message, wait)
        case status if 300 <= status < 600:
            again = status >= 500 and effect is Effect.READ
            return CallFailed(
                reason=Reason.SERVICE_REFUSED,
                message=message,
                status=status,
                transient=again,
                challenge=reply.headers.get("www-authenticate", "") if status in _REFUSALS else "",
            )
    return CallOutcomeUnknown(message=message)


def _not_now(reason: Reason, reply: HttpReply, message: str, wait: float | None) -> CallFailed:
    return CallFailed(reason=reason, message=message, status=reply.status, transient=True, retry_after=wait)


def _success(reply: HttpReply, effect: Effect) -> CallResult:
    if not reply.truncated:
        return CallSucceeded(output=_output(reply), status=reply.status)
    if effect is Effect.WRITE:  # it happened, however much the service has to say about it
        cut = {"truncated": True, "bytes": len(reply.body)}
        return CallSucceeded(output=msgspec.json.encode(cut), status=reply.status)
    message = f"the service answered {reply.status} with more than {len(reply.body)} bytes"
    return CallFailed(reason=Reason.OUTPUT_TOO_LARGE, message=message, status=reply.status)


def _output(reply: HttpReply) -> bytes:
    if not reply.body:
        return b"null"
    media_type = _media_type(reply)
    if _is_json(media_type) and _is_valid_json(reply.body):
        return reply.body
    if _is_json(media_type) or media_type.startswith("text/"):
        return msgspec.json.encode(_text(reply))
    return msgspec.json.encode({"contentType": media_type, "bytes": len(reply.body)})


def _media_type(reply: HttpReply) -> str:
    return reply.headers.get("content-type", "application/json").partition(";")[0].strip().lower()


def _is_json(media_type: str) -> bool:
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


def _is_valid_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return False
    return True


def _text(reply: HttpReply) -> str:
    _, _, charset = reply.headers.get("content-type", "").lower().partition("charset=")
    try:
        return reply.body.decode(charset.partition(";")[0].strip(' "') or "utf-8", "replace")
    except LookupError:  # a charset nobody knows
        return reply.body.decode("utf-8", "replace")


def _message(reply: HttpReply) -> str:
    location = reply.headers.get("location", "") if 300 <= reply.status < 400 else ""
    said = f"it redirects to {location}" if location else own_words(reply.body, _text(reply))
    return f"the service answered {_named(reply.status)}{f': {said}' if said else ''}"


def _named(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:  # one that nobody has registered
        return str(status)


def _retry_after(value: str, now: datetime) -> float | None:
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # A date without a zone is in GMT (RFC 9110 §5.6.7).
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())
