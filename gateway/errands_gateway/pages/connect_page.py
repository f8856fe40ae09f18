"""The pages of connect links: what is asked, the way to another site, and how it ended."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlsplit

from msgspec import Struct
from starlette.responses import Response

from errands.v1 import connection_pb2 as pb

from ..http.problems import Problem
from ..rest.dialect import Call
from . import approval_page, browser_binding
from .rendering import page, render_template

# Fields of the form for several keys, and so the most that a link can ask for.
KEY_FIELDS: Final = ("secret", *(f"secret{number}" for number in range(2, 11)))
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
    """A scope that a link asks for."""

    name: str  # of the service
    text: str  # in words; empty if there are none


class FlowResult(Struct, frozen=True, kw_only=True):
    """How a connect flow ended."""

    outcome: pb.ConnectOutcome
    integration: str  # its name
    user: str  # its id
    return_url: str  # of the application's page for it; empty if it has none
    elsewhere: bool = False  # the user acted at a page of the service, and nothing was connected here


def render(call: Call, link: pb.GetConnectLinkResponse) -> Response:
    """The page of what a link asks for. It sets the cookie that binds the flow to this browser."""
    value = browser_binding.cookie_value(call)
    html = render_template(
        "visit.html" if link.type == "page" else "connect.html",
        link=link,
        host=urlsplit(link.page_url).netloc,
        until=approval_page.time_of(link.expires_at),
        scopes=[_scope(link, name) for name in link.scopes],
        secrets=_secrets(link),
        typed=link.type in _TYPED,
        form=browser_binding.csrf_value(value),
    )
    response = page(html)
    browser_binding.set_cookie(call, response, value)
    return response


def _secrets(link: pb.GetConnectLinkResponse) -> list[tuple[str, str, str]]:
    """The secrets to type in: the field, its label, and the name that the service has for it."""
    if link.type == "apiKeys":
        return [(field, key.name, key.scheme) for field, key in zip(KEY_FIELDS, link.keys, strict=False)]
    return [("secret", _ASKED_FOR[link.type], "")] if link.type in _ASKED_FOR else []


def _scope(link: pb.GetConnectLinkResponse, name: str) -> Scope:
    """A scope in the words of the service, or in ours for those of OpenID Connect."""
    return Scope(name, link.scope_texts.get(name, "") or _SCOPES.get(name, ""))


def render_redirect(url: str, text: str) -> Response:
    """A page that leads to another site at once.

    It is no redirect: Chromium checks every hop of one against the form-action of the page with the
    form, and the sites to which a service sends its users are not known here.
    """
    address = quote(url, safe=_URL)
    html = render_template("onward.html", url=address, host=urlsplit(url).netloc, text=text)
    response = page(html)
    response.headers["Refresh"] = f"0;url={address}"
    return response


def render_result(found: FlowResult) -> Response:
    """How a flow ended: on the page of the application if it has one, otherwise on ours."""
    if found.return_url:
        return render_redirect(found.return_url, "You come back to your application.")
    outcome = _OUTCOMES.get(found.outcome, "refused")
    if found.elsewhere:
        outcome = "done" if outcome == "connected" else "declined"
    return page(
        render_template("connected.html", outcome=outcome, integration=found.integration, user=found.user),
    )


def render_problem(found: Problem, request_id: str, again: str = "") -> Response:
    """The page of a problem. `again`: the token of a link that can be opened again."""
    title, text = _texts(found)
    html = render_template(
        "connect_problem.html", problem=found, title=title, text=text, request_id=request_id, again=again
    )
    response = page(html, found.status)
    response.headers.update(found.headers)
    return response


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


def _texts(found: Problem) -> tuple[str, str]:
    if found.reason in _TEXTS:
        return _TEXTS[found.reason]
    if found.status >= HTTPStatus.INTERNAL_SERVER_ERROR or found.status in (408, 429):
        return "That did not work", "Nothing was connected. Try again in a moment."
    return "That did not work", f"Nothing was connected: {found.detail}."
