"""Which browser it is: a cookie that a connect flow is bound to from its first page to its end.

The page's form holds a hash of the cookie, so that no other page can press the button, and nobody
who sees the page learns the cookie.
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

from ..http.caller import is_keyed
from ..http.operation import JSON, Call
from ..http.problems import Problem
from ..http.request import names
from . import form_input

_DAY: Final = 86_400  # seconds
_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 random bytes
_PURPOSE: Final = b"errands connect form\n"


def held(call: Call) -> str:
    """What this browser proves itself with; empty where it has nothing."""
    found = call.request.cookies.get(_name(call), "")
    return found if _VALUE.fullmatch(found) else ""


def value(call: Call) -> str:
    """The same, or something new that the browser is still to keep."""
    return held(call) or secrets.token_urlsafe(32)


def keep(call: Call, response: Response, value: str) -> None:
    """Let the browser hold `value`, for a day and for this host alone."""
    response.set_cookie(
        _name(call),
        value,
        max_age=_DAY,
        path="/",
        secure=form_input.is_https(call),
        httponly=True,
        # The service sends the browser back from another site, by a link: Lax lets that through.
        samesite="lax",
    )


def form(value: str) -> str:
    """What a form holds to show that it comes from a page this browser was given."""
    digest = hashlib.sha256(_PURPOSE + value.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def doubt(call: Call, sent: str) -> Problem | None:
    """What is wrong with a form that holds `sent`: it was not sent from a page of this gateway."""
    if form_input.is_from_elsewhere(call):
        return form_input.invalid_form("the form was sent from another site")
    found = held(call)
    if not found or not hmac.compare_digest(form(found).encode(), sent.encode()):
        return form_input.invalid_form("the form does not fit this browser's cookie; open the link again")
    return None


def _name(call: Call) -> str:
    # Browsers take a `__Host-` cookie over HTTPS alone, and from no other host (RFC 6265bis, 4.1.3).
    return "__Host-errands-connect" if form_input.is_https(call) else "errands-connect"


# What browsers send with a page that nobody has asked for yet.
_AHEAD: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_AHEAD_VALUE: Final = re.compile(r"prefetch|prerender|preview|instant", re.IGNORECASE)


def is_ahead(headers: Headers) -> bool:
    """Whether a browser fetches before anybody asked."""
    return any(_AHEAD_VALUE.search(headers.get(name, "")) for name in _AHEAD)


def is_program(headers: Headers) -> bool:
    """Whether problems are better told in JSON."""
    return names_json(headers) or is_keyed(headers)


def names_json(headers: Headers) -> bool:
    """Whether JSON is accepted by its name; wildcards do not count, browsers send them."""
    return names(headers, JSON)
