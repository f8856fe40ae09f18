"""Forms of approval pages: read by their component, and protected against forgery by other sites.

The proof is a value in the form that the page's cookie repeats (double submit), because the gateway
has no secret. The token of the link authorizes the decision; the proof keeps another site from
sending the form in a browser that has the token.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.responses import Response

from ..http.problems import Problem, Violation, invalid, problem
from ..http.validation import shorten
from ..rest.dialect import FORM, Body, Call
from ..rest.request import read_body

_MOST: Final = 10  # names given twice that are reported
_DAY: Final = 86_400  # seconds
_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_OWN_SITES: Final = ("same-origin", "none")


async def read_pairs(call: Call, declared: Body) -> list[tuple[str, str]]:
    """The fields of a form as they were sent.

    Problems: BODY_TOO_LARGE, BODY_TOO_SLOW, MEDIA_TYPE_UNSUPPORTED.
    """
    media_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM:
        raise problem("MEDIA_TYPE_UNSUPPORTED", "INVALID_ARGUMENT", f"send a form as {FORM}")
    raw = await read_body(call.request, declared.limit, call.backend.settings.limit)
    return parse_qsl(raw.decode("latin-1"), keep_blank_values=True)


def check_fields(call: Call, declared: Body, pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """The fields by name, if they fit their component. Problem FIELD_INVALID with all that is wrong."""
    counts = Counter(name for name, _ in pairs)
    errors = call.dialect.validator.violations(declared.component, dict(pairs))
    twice = [name for name, count in counts.items() if count > 1]
    errors += [Violation(shorten(name), "is given more than once") for name in twice[:_MOST]]
    if errors:
        raise invalid(errors)
    return dict(pairs)


def csrf_value(call: Call) -> str:
    """The value for the form and its cookie: the one the browser has, so that all its open pages work."""
    value = _cookie(call)
    return value if _VALUE.fullmatch(value) else secrets.token_urlsafe(32)


def set_cookie(call: Call, response: Response, value: str, path: str) -> None:
    """Let the browser keep `value` for the pages at `path`, for a day."""
    response.set_cookie(
        _cookie_name(call),
        value,
        max_age=_DAY,
        path=path,
        secure=is_https(call),
        httponly=True,
        samesite="lax",
    )


def csrf_problem(call: Call, sent: str) -> Problem | None:
    """FORM_INVALID if a form with the value `sent` was not sent from a page of this gateway."""
    if is_cross_site(call):
        return invalid_form("the form was sent from another site")
    kept = _cookie(call)
    if not kept or not hmac.compare_digest(kept.encode(), sent.encode()):
        return invalid_form("the form does not fit this browser's cookie; open the link again")
    return None


def invalid_form(detail: str) -> Problem:
    """FORM_INVALID: nothing was done."""
    return problem("FORM_INVALID", "INVALID_ARGUMENT", detail)


def _cookie(call: Call) -> str:
    return call.request.cookies.get(_cookie_name(call), "")


def _cookie_name(call: Call) -> str:
    # Browsers take a `__Secure-` cookie over HTTPS alone (RFC 6265bis, 4.1.3).
    return "__Secure-errands-form" if is_https(call) else "errands-form"


def is_https(call: Call) -> bool:
    """Whether browsers reach this gateway over HTTPS."""
    return call.request.url.scheme == "https" or call.backend.settings.public_url.startswith("https://")


def is_cross_site(call: Call) -> bool:
    """Whether the browser says that another site sent it. Schemes are not compared: proxies change them."""
    request, public_url = call.request, call.backend.settings.public_url
    if request.headers.get("sec-fetch-site", "none").lower() not in _OWN_SITES:
        return True
    origin = request.headers.get("origin")
    own = {_host(request.headers.get("host", "")), _host(urlsplit(public_url).netloc)} - {""}
    return origin is not None and _host(origin.partition("://")[2]) not in own


def _host(netloc: str) -> str:
    return re.sub(r":(80|443)$", "", netloc.lower())
