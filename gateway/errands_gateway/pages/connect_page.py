"""The pages of connect links: what is asked, where it goes on, and how it ended."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlsplit

from msgspec import Struct
from starlette.responses import Response

from errands.v1 import connection_pb2 as pb

from ..http.operation import Call
from ..http.problems import Problem
from ..v1.schemas.connections import KEY_FIELDS
from . import approval_page, browser_binding
from .rendering import page, rendered

_ASKED_FOR: Final = {"apiKey": "API key", "bearer": "Access token", "basic": "Password"}
_TYPED: Final = (*_ASKED_FOR, "apiKeys")
_SCOPES: Final = {
    "openid": "Know which account you have there",
    "profile": "Read your name and profile",
    "email": "Read your email address",
    "phone": "Read your phone number",
    "address": "Read your postal address",
    "offline_access": "Keep this access while you are away, until you take it back",
}
_OUTCOMES: Final = {
    pb.CONNECT_OUTCOME_CONNECTED: "connected",
    pb.CONNECT_OUTCOME_REFUSED: "refused",
    pb.CONNECT_OUTCOME_UNCONFIRMED: "unconfirmed",
}
_URL: Final = "%!#$&'()*+,/:;=?@[]~"  # what a URL is written with, besides letters and digits


class Scope(Struct, frozen=True):
    """A scope in words, where there are some, and as the service calls it."""

    name: str
    text: str


class Ended(Struct, frozen=True, kw_only=True):
    """How a flow ended. `return_url` is empty where nobody else has a page for that.

    `elsewhere`: the user did something at a page of the service, and nothing was connected here.
    """

    outcome: pb.ConnectOutcome
    integration: str
    user: str
    return_url: str
    elsewhere: bool = False


def asked(call: Call, link: pb.GetConnectLinkResponse) -> Response:
    """What a link asks for. The browser is given what it will prove itself with."""
    value = browser_binding.value(call)
    html = rendered(
        "visit.html" if link.type == "page" else "connect.html",
        link=link,
        host=urlsplit(link.page_url).netloc,
        until=approval_page.moment(link.expires_at),
        scopes=[_scope(link, name) for name in link.scopes],
        secrets=_secrets(link),
        typed=link.type in _TYPED,
        form=browser_binding.form(value),
    )
    answer = page(html)
    browser_binding.keep(call, answer, value)
    return answer


def _secrets(link: pb.GetConnectLinkResponse) -> list[tuple[str, str, str]]:
    """What is typed in and shown to nobody: the field, what it is called, and how the service calls it."""
    if link.type == "apiKeys":
        return [(field, key.name, key.scheme) for field, key in zip(KEY_FIELDS, link.keys, strict=False)]
    return [("secret", _ASKED_FOR[link.type], "")] if link.type in _ASKED_FOR else []


def _scope(link: pb.GetConnectLinkResponse, name: str) -> Scope:
    """In the service's own words, or in ours for what OpenID Connect has named."""
    return Scope(name, link.scope_texts.get(name, "") or _SCOPES.get(name, ""))


def onward(url: str, text: str) -> Response:
    """A page that leads to another site at once.

    A redirect would still belong to the form before it, and Chromium holds every hop of one against
    that page's form-action. Where a service sends its users is not ours to list.
    """
    address = quote(url, safe=_URL)
    html = rendered("onward.html", url=address, host=urlsplit(url).netloc, text=text)
    answer = page(html)
    answer.headers["Refresh"] = f"0;url={address}"
    return answer


def ended(found: Ended) -> Response:
    """How a flow ended: on a page of the application's where it has one, otherwise on ours."""
    if found.return_url:
        return onward(found.return_url, "You come back to your application.")
    outcome = _OUTCOMES.get(found.outcome, "refused")
    if found.elsewhere:
        outcome = "done" if outcome == "connected" else "declined"
    return page(
        rendered("connected.html", outcome=outcome, integration=found.integration, user=found.user),
    )


def problem(found: Problem, request_id: str, again: str = "") -> Response:
    """What went wrong. `again`: where the link can be opened again."""
    title, text = _said(found)
    html = rendered(
        "connect_problem.html", problem=found, title=title, text=text, request_id=request_id, again=again
    )
    answer = page(html, found.status)
    answer.headers.update(found.headers)
    return answer


_TEXTS: Final = {
    "LINK_INVALID": (
        "This link does not work",
        "Nothing was connected. The link may be incomplete: open it again from where you received it, or "
        "copy all of it.",
    ),
    "LINK_EXPIRED": (
        "This link has run out",
        "Nothing was connected. Go back to the application that gave you the link and ask for a new one.",
    ),
    "LINK_USED": (
        "This link is in use or has done its work",
        "Nothing was changed. A link works in the browser that used it first, and once. If you were told "
        "that you are connected, you are. Otherwise ask the application for a new link.",
    ),
    "CONNECT_FAILED": (
        "The service did not let us connect",
        "Nothing was connected, because the service answered with something that cannot be used. Ask the "
        "application for a new link, and tell its makers if it happens again.",
    ),
    "CANNOT_CONNECT": (
        "This service cannot be connected",
        "Nothing was connected, because the service was not set up for it. Tell the makers of "
        "the application.",
    ),
    "QUOTA_EXCEEDED": (
        "The application cannot connect more accounts",
        "Nothing was connected, because the application has as many accounts connected as it may. Tell "
        "its makers.",
    ),
    "FORM_INVALID": (
        "Please press the button once more",
        "Nothing was connected, because your browser did not show that you pressed the button on our page. "
        "That happens when the page was open for more than a day, or when cookies are off.",
    ),
}


def _said(found: Problem) -> tuple[str, str]:
    if found.reason in _TEXTS:
        return _TEXTS[found.reason]
    if found.status >= HTTPStatus.INTERNAL_SERVER_ERROR or found.status in (408, 429):
        return "That did not work", "Nothing was connected. Try again in a moment."
    return "That did not work", f"Nothing was connected: {found.detail}."
