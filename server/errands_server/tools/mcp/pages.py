"""Pages at which a server wants its user to do something before it answers a call."""

from __future__ import annotations

import re
from typing import Final

from ...credentials.scrubbing import scrub
from ...domain.errors import Reason
from ...ports import Failed, Unauthorized
from ..node import DocumentError
from ..servers import STDIO, origin_of
from .target import Target

# RFC 3986, without what browsers read in another way than they show it.
_URL: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,2048}")


def sent_away(url: str, why: str, target: Target) -> Unauthorized | Failed:
    """What it means that the server sends the user to a page: it has not done the call."""
    if problem := _problem(url, target):
        message = f"the tool sends the user to a page that nobody is shown, because {problem}: {why}"
        return Failed(reason=Reason.SERVICE_REFUSED, message=message)
    message = f"the tool wants the user to open {url}: {why}"
    return Unauthorized(message=message, url=url)


def _problem(url: str, target: Target) -> str:
    """Why a browser is not sent there; empty where it may be."""
    if not _URL.fullmatch(url):
        return "its address is too long or has characters that no URL has"
    try:
        origin = origin_of(url, "url")
    except DocumentError as error:
        return f"its address cannot be used ({error.message})"
    own = target.internal and not target.place.startswith(STDIO) and origin_of(target.place, "url")
    if not origin.startswith("https:") and origin != own:
        return "its address is not https"
    if scrub(url, target.secrets()) != url:
        return "its address holds a secret"
    return ""
