"""Elicitation (MCP): forms and pages by which a server asks a person something during a call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ...credentials.redaction import scrub, scrub_json
from ...domain.approval import digest
from ...domain.errors import Reason
from ...domain.question import Question
from ...ports import AuthorizationRequired, CallFailed, InputRequired
from ..openapi.json_node import DocumentError
from ..origins import STDIO, origin_of
from .endpoint import Target
from .exchange import Exchange

MAX_FIELDS: Final = 50
MAX_CHOICES: Final = 200
MAX_BYTES: Final = 64 << 10
_MAX_NAME: Final = 100  # characters
_MAX_TEXT: Final = 1_000  # of a title, a description, a choice or a default
_MAX_MESSAGE: Final = 2_000
_FORMATS: Final = frozenset({"email", "uri", "date", "date-time"})
_KEPT: Final = {
    "string": ("minLength", "maxLength"),
    "number": ("minimum", "maximum"),
    "integer": ("minimum", "maximum"),
    "array": ("minItems", "maxItems"),
}
# Forms must not ask for secrets: answers are stored in the run's log.
_SECRET: Final = re.compile(
    r"pass[ _-]?(word|phrase|code|wd)|secret|(api|access|private)[ _-]?key"
    r"|(access|auth|refresh|bearer)[ _-]?token|card[ _-]?number|\bcv[vc]\b",
    re.IGNORECASE,
)

# Characters of RFC 3986, without those that browsers read in another way than they show them.
_URL: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,2048}")


class FormRejected(Exception):
    """A form that people cannot be shown, and why."""


def read_form(message: str, schema: Mapping[str, Any]) -> Question:
    """The question of a form, normalized over the revisions of the protocol. FormRejected."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        raise FormRejected("it has no fields")
    if len(properties) > MAX_FIELDS:
        raise FormRejected(f"it has more than {MAX_FIELDS} fields")
    fields = {_name(name): _field(name, of) for name, of in properties.items()}
    required = schema.get("required")
    mandatory = [name for name in fields if isinstance(required, list) and name in required]
    normalized = {
        "type": "object",
        "properties": fields,
        **({"required": mandatory} if mandatory else {}),
        "additionalProperties": False,
    }
    if len(msgspec.json.encode(normalized)) > MAX_BYTES:
        raise FormRejected(f"it is longer than {MAX_BYTES} bytes")
    text = message[:_MAX_MESSAGE]
    # The digest covers the order of the fields too, in which a person reads them.
    return Question(message=text, schema=normalized, digest=digest([text, normalized, list(fields)]))


def _name(name: str) -> str:
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise FormRejected("a field's name is empty, too long or not printable")
    return name


def _field(name: str, of: Any) -> dict[str, Any]:
    if not isinstance(of, Mapping):
        raise FormRejected(f"its field {name} says nothing of its type")
    texts = {key: of[key][:_MAX_TEXT] for key in ("title", "description") if isinstance(of.get(key), str)}
    if any(_SECRET.search(text) for text in (name, texts.get("title", ""))) or of.get("format") == "password":
        raise FormRejected(f"its field {name} asks for a secret, which forms may not")
    kind = of.get("type")
    field = {**texts, **(_selection(name, of) or _scalar(name, kind, of))}
    default = of.get("default")
    return {**field, "default": default} if _fits(field, default) else field


def _scalar(name: str, kind: Any, of: Mapping[str, Any]) -> dict[str, Any]:
    if kind not in ("string", "number", "integer", "boolean"):
        raise FormRejected(f"its field {name} is of type {str(kind)[:40]}, and forms are flat")
    bounds = {key: of[key] for key in _KEPT.get(kind, ()) if _is_number(of.get(key))}
    formatted = {"format": of["format"]} if kind == "string" and of.get("format") in _FORMATS else {}
    return {"type": kind, **formatted, **bounds}


def _selection(name: str, of: Mapping[str, Any]) -> dict[str, Any]:
    """A field with listed values, of which one is chosen, or several; empty where none are listed."""
    if of.get("type") != "array":
        choices = _choices(name, of)
        return {"type": "string", "oneOf": choices} if choices else {}
    items = of.get("items")
    choices = _choices(name, items) if isinstance(items, Mapping) else []
    if not choices:
        raise FormRejected(f"its field {name} is a list of anything, and forms are flat")
    bounds = {key: of[key] for key in _KEPT["array"] if _is_number(of.get(key))}
    return {"type": "array", "items": {"type": "string", "anyOf": choices}, "uniqueItems": True, **bounds}


def _choices(name: str, of: Mapping[str, Any]) -> list[dict[str, str]]:
    """Values with their titles, from `enum` with or without `enumNames`, or from titled `const`s."""
    titled = of.get("oneOf") or of.get("anyOf")
    values, names = of.get("enum"), of.get("enumNames")
    if isinstance(titled, list):
        pairs = [(one.get("const"), one.get("title")) for one in titled if isinstance(one, Mapping)]
    elif isinstance(values, list):
        titles = names if isinstance(names, list) and len(names) == len(values) else values
        pairs = list(zip(values, titles, strict=True))
    else:
        return []
    if not 0 < len(pairs) <= MAX_CHOICES:
        raise FormRejected(f"its field {name} offers no choice, or more than {MAX_CHOICES}")
    return [_choice(name, value, title) for value, title in pairs]


def _choice(name: str, value: Any, title: Any) -> dict[str, str]:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise FormRejected(f"its field {name} offers choices that are no short texts")
    return {"const": value, "title": (title if isinstance(title, str) and title else value)[:_MAX_TEXT]}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits(field: Mapping[str, Any], default: Any) -> bool:
    """Whether a default is a value of its field."""
    match field["type"]:
        case "string":
            offered = [one["const"] for one in field.get("oneOf", [])]
            known = not offered or default in offered
            return isinstance(default, str) and len(default) <= _MAX_TEXT and known
        case "boolean":
            return isinstance(default, bool)
        case "array":
            offered = [one["const"] for one in field["items"]["anyOf"]]
            return isinstance(default, list) and all(one in offered for one in default)
        case _:
            return _is_number(default) and (field["type"] == "number" or default == int(default))


def elicitation_result(
    exchange: Exchange, text: str, target: Target
) -> InputRequired | AuthorizationRequired | CallFailed | None:
    """The result of a call that the server has not made, because a person must do something first.

    None: the server waits for no person. `text` is the message of its reply.
    """
    if exchange.unanswerable:
        return None
    resume = b"" if exchange.next_resume is None else msgspec.json.encode(exchange.next_resume)
    if resume and scrub_json(resume, target.secrets()) != resume:
        resume = b""  # secrets are not stored; the call begins again
    if exchange.page_url is not None:
        return _page_result(exchange.page_url, exchange.page_message, target, resume.decode())
    if exchange.question is not None:
        return _form_result(exchange.question, text, target, resume.decode())
    return None


def _form_result(question: Question, text: str, target: Target, resume: str) -> InputRequired | CallFailed:
    shown = msgspec.json.encode([question.message, question.schema])
    if scrub_json(shown, target.secrets()) != shown:
        message = "the tool asks for input by a form that nobody is shown, because it holds a secret"
        return CallFailed(reason=Reason.SERVICE_REFUSED, message=message)
    return InputRequired(question=question, message=text, resume=resume)


def _page_result(url: str, why: str, target: Target, resume: str) -> AuthorizationRequired | CallFailed:
    if problem := _url_problem(url, target):
        message = f"the tool sends the user to a page that nobody is shown, because {problem}: {why}"
        return CallFailed(reason=Reason.SERVICE_REFUSED, message=message)
    message = f"the tool wants the user to open {url}: {why}"
    return AuthorizationRequired(message=message, url=url, resume=resume)


def _url_problem(url: str, target: Target) -> str:
    """Why a browser must not be sent to this URL; "" where it may be."""
    if not _URL.fullmatch(url):
        return "its address is too long or has characters that no URL has"
    try:
        origin = origin_of(url, "url")
    except DocumentError as error:
        return f"its address cannot be used ({error.message})"
    own = target.internal and not target.address.startswith(STDIO) and origin_of(target.address, "url")
    if not origin.startswith("https:") and origin != own:
        return "its address is not https"
    if scrub(url, target.secrets()) != url:
        return "its address holds a secret"
    return ""
