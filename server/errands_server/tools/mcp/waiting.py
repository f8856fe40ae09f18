"""What a server wants of a person before it answers a call: to open a page, or to answer a question."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from ...credentials.redaction import scrub, scrub_json
from ...domain.errors import Reason
from ...domain.question import Question
from ...ports import Asked, Failed, Unauthorized
from ..node import DocumentError
from ..servers import STDIO, origin_of
from .attempt import Attempt
from .target import Target

# RFC 3986, without what browsers read in another way than they show it.
_URL: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,2048}")


def waiting(attempt: Attempt, said: str, target: Target) -> Asked | Unauthorized | Failed | None:
    """What it means that the server waits for a person: it has not done the call. None where it does not."""
    if attempt.asked:
        return None
    stopped = b"" if attempt.stopped is None else msgspec.json.encode(attempt.stopped)
    if stopped and scrub_json(stopped, target.secrets()) != stopped:
        stopped = b""  # the call is begun anew
    resume = stopped.decode()
    if attempt.page is not None:
        return _sent_away(attempt.page, attempt.why, target, resume)
    return None if attempt.question is None else _asked(attempt.question, said, target, resume)


def _asked(question: Question, said: str, target: Target, resume: str) -> Asked | Failed:
    shown = msgspec.json.encode([question.message, question.schema])
    if scrub_json(shown, target.secrets()) != shown:
        message = "the tool asks for input by a form that nobody is shown, because it holds a secret"
        return Failed(reason=Reason.SERVICE_REFUSED, message=message)
    return Asked(question=question, message=said, resume=resume)


def _sent_away(url: str, why: str, target: Target, resume: str) -> Unauthorized | Failed:
    if problem := _problem(url, target):
        message = f"the tool sends the user to a page that nobody is shown, because {problem}: {why}"
        return Failed(reason=Reason.SERVICE_REFUSED, message=message)
    message = f"the tool wants the user to open {url}: {why}"
    return Unauthorized(message=message, url=url, resume=resume)


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
