"""The cookie that binds a connect flow to one browser, and what the headers say of the sender.

The form of a page has a hash of the cookie. So no other site can send the form, and a reader of the
page does not learn the cookie.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response

from ..http.caller import has_key
from ..http.problems import Problem
from ..rest.dialect import JSON, Call
from ..rest.request import accepts
from . import form_input

_DAY: Final = 86_400  # seconds
_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 random bytes
_PURPOSE: Final = b"errands connect form\n"


def read_cookie(call: Call) -> str:
    """The value of this browser's cookie; empty if it has none."""
    found = call.request.cookies.get(_cookie_name(call), "")
    return found if _VALUE.fullmatch(found) else ""


def cookie_value(call: Call) -> str:
    """The same, or a new value, which `set_cookie` is to send."""
    return read_cookie(call) or secrets.token_urlsafe(32)


def set_cookie(call: Call, response: Response, value: str) -> None:
    """Let the browser keep `value`, for a day and for this host alone."""
    response.set_cookie(
        _cookie_name(call),
        value,
        max_age=_DAY,
        path="/",
        secure=form_input.is_https(call),
        httponly=True,
        # The service sends the browser back from another site, by a link: Lax lets that through.
        samesite="lax",
    )


def csrf_value(value: str) -> str:
    """The hash of a cookie's value, for the form of a page that this browser gets."""
    digest = hashlib.sha256(_PURPOSE + value.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def csrf_problem(call: Call, sent: str) -> Problem | None:
    """FORM_INVALID if a form with the hash `sent` was not sent from a page of this browser."""
    if form_input.is_cross_site(call):
        return form_input.invalid_form("the form was sent from another site")
    value = read_cookie(call)
    if not value or not hmac.compare_digest(csrf_value(value).encode(), sent.encode()):
        return form_input.invalid_form("the form does not fit this browser's cookie; open the link again")
    return None


def _cookie_name(call: Call) -> str:
    # Browsers take a `__Host-` cookie over HTTPS alone, and from no other host (RFC 6265bis, 4.1.3).
    return "__Host-errands-connect" if form_input.is_https(call) else "errands-connect"


# Headers of a request for a page that the person has not opened yet.
_PREFETCH: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_PREFETCH_VALUE: Final = re.compile(r"prefetch|prerender|preview|instant", re.IGNORECASE)


def is_prefetch(headers: Headers) -> bool:
    """Whether a browser fetches a page that the person has not opened yet."""
    return any(_PREFETCH_VALUE.search(headers.get(name, "")) for name in _PREFETCH)


def is_program(headers: Headers) -> bool:
    """Whether a program sends them, which gets problems in JSON."""
    return accepts_json(headers) or has_key(headers)


def accepts_json(headers: Headers) -> bool:
    """Whether `Accept` has JSON itself."""
    return accepts(headers, JSON)
