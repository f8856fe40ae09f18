"""Forms: read by their component, and known to come from a page this gateway showed.

The proof is a value that the page's cookie repeats (double submit), because the gateway holds no
secret. What decides is the link's token; this keeps other pages from pressing the button in a
browser that has one.
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

from ..http import validation
from ..http.operation import FORM, Body, Call
from ..http.problems import Problem, Violation, invalid, problem
from ..http.request import read_body

_MOST: Final = 10  # names given twice that are told
_DAY: Final = 86_400  # seconds
_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_OWN_SITES: Final = ("same-origin", "none")


async def read(call: Call, declared: Body) -> Mapping[str, str]:
    """The fields of a form, as its component says. Problems as of `pairs` and `checked`."""
    return checked(declared, await pairs(call, declared))


async def pairs(call: Call, declared: Body) -> list[tuple[str, str]]:
    """The fields of a form as they were sent.

    Problems: BODY_TOO_LARGE, BODY_TOO_SLOW, MEDIA_TYPE_UNSUPPORTED.
    """
    media_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM:
        raise problem("MEDIA_TYPE_UNSUPPORTED", "INVALID_ARGUMENT", f"send a form as {FORM}")
    raw = await read_body(call.request, declared.limit, call.gateway.settings.limit)
    return parse_qsl(raw.decode("latin-1"), keep_blank_values=True)


def checked(declared: Body, pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """The fields, each once, as their component says. Problem FIELD_INVALID with all that is wrong."""
    counts = Counter(name for name, _ in pairs)
    errors = validation.violations(declared.component, dict(pairs))
    twice = [name for name, count in counts.items() if count > 1]
    errors += [Violation(validation.shown(name), "is given more than once") for name in twice[:_MOST]]
    if errors:
        raise invalid(errors)
    return dict(pairs)


def value(call: Call) -> str:
    """What the form and its cookie hold: the browser's value, so that all its open pages work."""
    held = _held(call)
    return held if _VALUE.fullmatch(held) else secrets.token_urlsafe(32)


def keep(call: Call, response: Response, value: str, path: str) -> None:
    """Let the browser hold `value` for the pages at `path`, for a day."""
    response.set_cookie(
        _name(call),
        value,
        max_age=_DAY,
        path=path,
        secure=is_https(call),
        httponly=True,
        samesite="lax",
    )


def doubt(call: Call, sent: str) -> Problem | None:
    """What is wrong with a form that holds `sent`: it was not sent from a page of this gateway."""
    if is_from_elsewhere(call):
        return invalid_form("the form was sent from another site")
    held = _held(call)
    if not held or not hmac.compare_digest(held.encode(), sent.encode()):
        return invalid_form("the form does not fit this browser's cookie; open the link again")
    return None


def invalid_form(detail: str) -> Problem:
    """FORM_INVALID: nothing was done."""
    return problem("FORM_INVALID", "INVALID_ARGUMENT", detail)


def _held(call: Call) -> str:
    return call.request.cookies.get(_name(call), "")


def _name(call: Call) -> str:
    # Browsers take a `__Secure-` cookie over HTTPS alone (RFC 6265bis, 4.1.3).
    return "__Secure-errands-form" if is_https(call) else "errands-form"


def is_https(call: Call) -> bool:
    """Whether browsers reach this gateway over HTTPS."""
    return call.request.url.scheme == "https" or call.gateway.settings.public_url.startswith("https://")


def is_from_elsewhere(call: Call) -> bool:
    """Whether the browser says so. Hosts are compared and not schemes, which proxies change."""
    request, public_url = call.request, call.gateway.settings.public_url
    if request.headers.get("sec-fetch-site", "none").lower() not in _OWN_SITES:
        return True
    origin = request.headers.get("origin")
    own = {_host(request.headers.get("host", "")), _host(urlsplit(public_url).netloc)} - {""}
    return origin is not None and _host(origin.partition("://")[2]) not in own


def _host(netloc: str) -> str:
    return re.sub(r":(80|443)$", "", netloc.lower())
