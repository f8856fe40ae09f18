"""Interprets HTTP replies: whether the call succeeded, certainly failed, or is of unknown outcome."""

from __future__ import annotations

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
from ..answer_text import decode_json, decode_text, keep_text, read_json, unescape_html
from .request_bodies import bare_type, is_json

_REFUSALS: Final = (401, 403)
_SECONDS: Final = re.compile(r"[0-9]{1,9}")

# Members that hold a message (RFC 9457, OAuth, customs of many services), the most specific first.
_MESSAGE_KEYS: Final = (
    *("message", "Message", "error_description", "detail", "error", "msg", "errors"),
    *("errorMessage", "error_message", "Error", "fault", "faultstring"),
    *("description", "reason", "title", "code"),
)
_DETAIL_KEYS: Final = (
    "errors",
    "detail",
    "details",
    "invalid-params",
    "invalidParams",
    "violations",
    "fieldErrors",
)
_PLACE_KEYS: Final = ("field", "pointer", "path", "loc", "param", "parameter", "property", "name", "source")
_MAX_DETAILS: Final = 3
_DEPTH: Final = 8  # of documents inside documents
_ELEMENT: Final = re.compile(r"<(?:\w+:)?(?:message|faultstring|title)[^<>]*>([^<]+)<", re.IGNORECASE)


class HttpReply(Struct, frozen=True, kw_only=True):
    """A reply as received."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes = b""  # decompressed
    truncated: bool = False  # the service sent more than `body`


def call_result(reply: HttpReply, *, effect: Effect, now: datetime) -> CallResult:
    """The result of a call that was answered with this reply. Messages are not shortened.

    `now` is the time from which a Retry-After date is counted (RFC 9110 §10.2.3).
    """
    message = _message(reply)
    wait = _retry_after(reply.headers.get("retry-after", ""), now)
    match reply.status:
        case status if 200 <= status < 300:
            return _success(reply, effect)
        case 302 | 303 if effect is Effect.WRITE:
            # Forms redirect after the effect, logins before it; the two cannot be distinguished.
            return CallOutcomeUnknown(message=message, retry_after=wait)
        case 408 | 502 | 504 | 520 | 522 | 524:  # the last three are a well-known proxy's 502 and 504
            return CallOutcomeUnknown(message=message, retry_after=wait)
        case 429:
            return _busy(Reason.SERVICE_RATE_LIMITED, reply, message, wait)
        case 425 | 503:
            return _busy(Reason.SERVICE_UNAVAILABLE, reply, message, wait)
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


def _busy(reason: Reason, reply: HttpReply, message: str, wait: float | None) -> CallFailed:
    return CallFailed(reason=reason, message=message, status=reply.status, transient=True, retry_after=wait)


def _success(reply: HttpReply, effect: Effect) -> CallResult:
    if not reply.truncated:
        return CallSucceeded(output=_output(reply), status=reply.status)
    if effect is Effect.WRITE:  # it had its effect, however long the reply
        cut = {"truncated": True, "bytes": len(reply.body)}
        return CallSucceeded(output=msgspec.json.encode(cut), status=reply.status)
    message = f"the service answered {reply.status} with more than {len(reply.body)} bytes"
    return CallFailed(reason=Reason.OUTPUT_TOO_LARGE, message=message, status=reply.status)


def _output(reply: HttpReply) -> bytes:
    if not reply.body:
        return b"null"
    media_type = bare_type(reply.headers.get("content-type", "application/json"))
    about: dict[str, Any] = {"contentType": media_type, "bytes": len(reply.body)}
    if not (is_json(media_type) or media_type.startswith("text/")):
        return msgspec.json.encode(about)
    text = decode_text(reply.body, reply.headers.get("content-type", ""))
    if text is None:
        return msgspec.json.encode(about | {"note": "its text is in a character set that is not known here"})
    found = read_json(text) if is_json(media_type) else None
    return keep_text(text) if found is None else found


def _text(reply: HttpReply) -> str:
    """The text as far as it can be made out, for messages."""
    text = decode_text(reply.body, reply.headers.get("content-type", ""))
    return reply.body.decode(errors="replace") if text is None else text


def _message(reply: HttpReply) -> str:
    location = reply.headers.get("location", "") if 300 <= reply.status < 400 else ""
    message = f"it redirects to {location}" if location else error_message(_text(reply))
    try:
        status = f"{reply.status} ({HTTPStatus(reply.status).phrase})"
    except ValueError:  # one that is not registered
        status = str(reply.status)
    return f"the service answered {status}{f': {message}' if message else ''}"


def _retry_after(value: str, now: datetime) -> float | None:
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        # A date without a zone is in GMT (RFC 9110 §5.6.7).
        return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError, TypeError, IndexError):  # the last two for dates that are half one
        return None


def error_message(text: str) -> str:
    """The message in the text of an error, on one line. "" where it has none."""
    return _json_message(decode_json(text)) or _text_message(text)


def _text_message(text: str) -> str:
    marked = text.lstrip().startswith("<")
    element = _ELEMENT.search(text) if marked else None
    return " ".join((unescape_html(element[1]) if element else text).split())


def _json_message(document: Any) -> str:
    headline = _sentence(document)
    details = list(dict.fromkeys(_details(document, _DEPTH)))
    if headline and not any(headline in detail for detail in details):
        further = [detail for detail in details if detail not in headline]
        return f"{headline} ({_join_details(further)})" if further else headline
    if not details and isinstance(document, dict):  # a map from members to their problems
        details = list(
            _by_member({name: value for name, value in document.items() if isinstance(value, list)})
        )
    return _join_details(details)


def _join_details(details: list[str]) -> str:
    more = f"; and {len(details) - _MAX_DETAILS} more" if len(details) > _MAX_DETAILS else ""
    return "; ".join(details[:_MAX_DETAILS]) + more


def _sentence(document: Any, depth: int = _DEPTH) -> str:
    """The first text in a member that holds messages."""
    if depth and isinstance(document, list):
        return _sentence(document[0], depth - 1) if document else ""
    if depth and isinstance(document, dict):
        return next(filter(None, (_sentence(document.get(key), depth - 1) for key in _MESSAGE_KEYS)), "")
    return " ".join(document.split()) if isinstance(document, str) else ""


def _details(document: Any, depth: int) -> Iterator[str]:
    """The problems of single members, where the document has a list or a map of them."""
    if depth == 0 or not isinstance(document, dict):
        return
    for key in _DETAIL_KEYS:
        found = document.get(key)
        if isinstance(found, list):
            yield from filter(None, map(_detail, found))
        elif isinstance(found, dict) and key != "detail":
            yield from _by_member(found)
    yield from _details(document.get("error"), depth - 1)


def _detail(item: Any) -> str:
    problem = _sentence(item)
    if not isinstance(item, Mapping) or not problem:
        return problem
    place = next((text for name in _PLACE_KEYS if (text := _place(item.get(name)))), "")
    return f"{place}: {problem}" if place and place != problem else problem


def _by_member(found: Mapping[str, Any]) -> Iterator[str]:
    for name, value in found.items():
        if isinstance(value, str | list) and (problem := _sentence(value)):
            yield f"{name}: {problem}"


def _place(value: Any) -> str:
    if isinstance(value, list):
        return ".".join(str(part) for part in value if isinstance(part, str | int))
    if isinstance(value, dict):
        return _place(value.get("pointer") or value.get("parameter"))
    return value if isinstance(value, str) else ""
