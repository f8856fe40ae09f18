"""Forms by which a server asks a person something in the middle of a call (MCP, elicitation)."""

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
# Forms must not ask for what is secret; whatever is answered stands in the run's log.
_SECRET: Final = re.compile(
    r"pass[ _-]?(word|phrase|code|wd)|secret|(api|access|private)[ _-]?key"
    r"|(access|auth|refresh|bearer)[ _-]?token|card[ _-]?number|\bcv[vc]\b",
    re.IGNORECASE,
)


class Unshowable(Exception):
    """A form that nobody is shown, and why."""


def question(message: str, schema: Mapping[str, Any]) -> Question:
    """What a form asks, its fields written in one way whatever the server's revision. Unshowable."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        raise Unshowable("it has no fields")
    if len(properties) > MAX_FIELDS:
        raise Unshowable(f"it has more than {MAX_FIELDS} fields")
    fields = {_name(name): _field(name, of) for name, of in properties.items()}
    required = schema.get("required")
    needed = [name for name in fields if isinstance(required, list) and name in required]
    read = {
        "type": "object",
        "properties": fields,
        **({"required": needed} if needed else {}),
        "additionalProperties": False,
    }
    if len(msgspec.json.encode(read)) > MAX_BYTES:
        raise Unshowable(f"it is longer than {MAX_BYTES} bytes")
    asked = message[:_MAX_MESSAGE]
    # In the order of the form: JSON keeps it, and a person reads it.
    return Question(message=asked, schema=read, digest=digest([asked, read, list(fields)]))


def _name(name: str) -> str:
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise Unshowable("a field's name is empty, too long or not printable")
    return name


def _field(name: str, of: Any) -> dict[str, Any]:
    if not isinstance(of, Mapping):
        raise Unshowable(f"its field {name} says nothing of its type")
    words = {key: of[key][:_MAX_TEXT] for key in ("title", "description") if isinstance(of.get(key), str)}
    if any(_SECRET.search(text) for text in (name, words.get("title", ""))) or of.get("format") == "password":
        raise Unshowable(f"its field {name} asks for a secret, which forms may not")
    kind = of.get("type")
    read = {**words, **(_selection(name, of) or _plain(name, kind, of))}
    default = of.get("default")
    return {**read, "default": default} if _fits(read, default) else read


def _plain(name: str, kind: Any, of: Mapping[str, Any]) -> dict[str, Any]:
    if kind not in ("string", "number", "integer", "boolean"):
        raise Unshowable(f"its field {name} is of type {str(kind)[:40]}, and forms are flat")
    bounds = {key: of[key] for key in _KEPT.get(kind, ()) if _is_number(of.get(key))}
    formatted = {"format": of["format"]} if kind == "string" and of.get("format") in _FORMATS else {}
    return {"type": kind, **formatted, **bounds}


def _selection(name: str, of: Mapping[str, Any]) -> dict[str, Any]:
    """A field whose values are listed: one of them is chosen, or several; empty where none are."""
    if of.get("type") != "array":
        choices = _choices(name, of)
        return {"type": "string", "oneOf": choices} if choices else {}
    items = of.get("items")
    choices = _choices(name, items) if isinstance(items, Mapping) else []
    if not choices:
        raise Unshowable(f"its field {name} is a list of anything, and forms are flat")
    bounds = {key: of[key] for key in _KEPT["array"] if _is_number(of.get(key))}
    return {"type": "array", "items": {"type": "string", "anyOf": choices}, "uniqueItems": True, **bounds}


def _choices(name: str, of: Mapping[str, Any]) -> list[dict[str, str]]:
    """Values and what they are called: `enum` with or without `enumNames`, or titled `const`s."""
    titled = of.get("oneOf") or of.get("anyOf")
    values, names = of.get("enum"), of.get("enumNames")
    if isinstance(titled, list):
        pairs = [(one.get("const"), one.get("title")) for one in titled if isinstance(one, Mapping)]
    elif isinstance(values, list):
        called = names if isinstance(names, list) and len(names) == len(values) else values
        pairs = list(zip(values, called, strict=True))
    else:
        return []
    if not 0 < len(pairs) <= MAX_CHOICES:
        raise Unshowable(f"its field {name} offers no choice, or more than {MAX_CHOICES}")
    return [_choice(name, value, title) for value, title in pairs]


def _choice(name: str, value: Any, title: Any) -> dict[str, str]:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise Unshowable(f"its field {name} offers choices that are no short texts")
    return {"const": value, "title": (title if isinstance(title, str) and title else value)[:_MAX_TEXT]}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits(field: Mapping[str, Any], default: Any) -> bool:
    """Whether a default can be shown in its field."""
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


# RFC 3986, without what browsers read in another way than they show it.
_URL: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,2048}")


def waiting(
    attempt: Exchange, said: str, target: Target
) -> InputRequired | AuthorizationRequired | CallFailed | None:
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


def _asked(question: Question, said: str, target: Target, resume: str) -> InputRequired | CallFailed:
    shown = msgspec.json.encode([question.message, question.schema])
    if scrub_json(shown, target.secrets()) != shown:
        message = "the tool asks for input by a form that nobody is shown, because it holds a secret"
        return CallFailed(reason=Reason.SERVICE_REFUSED, message=message)
    return InputRequired(question=question, message=said, resume=resume)


def _sent_away(url: str, why: str, target: Target, resume: str) -> AuthorizationRequired | CallFailed:
    if problem := _problem(url, target):
        message = f"the tool sends the user to a page that nobody is shown, because {problem}: {why}"
        return CallFailed(reason=Reason.SERVICE_REFUSED, message=message)
    message = f"the tool wants the user to open {url}: {why}"
    return AuthorizationRequired(message=message, url=url, resume=resume)


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
