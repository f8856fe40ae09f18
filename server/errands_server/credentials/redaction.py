"""Keeps the secrets of a call out of everything that is said about it."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Final, TypeVar

from msgspec import Struct, structs

from ..ports import CallResult, CallSucceeded
from .credential import Credential

_UNTOUCHED: Final = frozenset("-._~")  # like letters and digits, left alone by encoders (RFC 3986 §2.3)
_AMBIGUOUS: Final = frozenset("%&")  # begin an escape as well as being what is escaped


class Spelled(Struct, frozen=True):
    """One secret's spellings: texts to look for as they are, and a pattern where there are too many."""

    texts: tuple[str, ...]
    pattern: re.Pattern[str] | None

    def found_in(self, text: str) -> bool:
        return any(form in text for form in self.texts) or bool(self.pattern and self.pattern.search(text))

    def hidden_in(self, text: str, instead: str) -> str:
        """The text with `instead` in the place of each spelling."""
        if self.pattern is not None:
            text = self.pattern.sub(instead, text)
        for form in self.texts:
            text = text.replace(form, instead)
        return text


@lru_cache(maxsize=1024)
def spelled(secret: str) -> Spelled:
    """Every way in which a service may write a secret back."""
    data = secret.encode(errors="replace")
    digits = [_sextets(data, offset) for offset in range(3)]
    texts = (*(form for one in digits for form in _alphabets(one)), data.hex(), data.hex().upper())
    if _is_untouched(secret):
        return Spelled((secret, *texts), None)
    return Spelled(texts, re.compile("".join(_characters(secret))))


def _sextets(data: bytes, offset: int) -> str:
    """The base64 digits that `data` alone decides where it begins `offset` bytes into a group of three."""
    digits = base64.b64encode(b"\0" * offset + data).decode()
    return digits[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]


def _alphabets(digits: str) -> set[str]:
    """Base64 digits in both alphabets of RFC 4648, and as URLs and JSON escape the first."""
    return {
        digits,
        digits.replace("+", "-").replace("/", "_"),
        digits.replace("/", "\\/"),
        digits.replace("+", "%2B").replace("/", "%2F"),
        digits.replace("+", "%2b").replace("/", "%2f"),
    }


def _is_untouched(text: str) -> bool:
    return all(character.isascii() and (character.isalnum() or character in _UNTOUCHED) for character in text)


def _characters(secret: str) -> Iterator[str]:
    # Escaping makes more backslashes of one, so how many there are says nothing.
    previous = ""
    for character in re.sub(r"\\+", r"\\", secret):
        yield _character(character, follows_backslash=previous == "\\")
        previous = character


@cache
def _character(character: str, *, follows_backslash: bool = False) -> str:
    """A pattern of every way one character is written in JSON, URLs and HTML, also twice escaped."""
    if _is_untouched(character):
        return re.escape(character)
    percent = "".join(f"%(?:25){{0,3}}(?i:{byte:02x})" for byte in character.encode(errors="replace"))
    if character == "\\":
        return rf"(?>(?:{percent}|\\){{1,16}})"
    # Each level of JSON in JSON doubles the backslashes. Those of a backslash before it are taken.
    slashes = rf"\\{{{0 if follows_backslash else 1},16}}"
    ways = [
        re.escape(character),
        percent,
        *(f"{slashes}{escape}" for escape in _escapes(character)),
        f"&#(?:0{{0,4}}{ord(character)}|[xX]0{{0,4}}(?i:{ord(character):x}));",
    ]
    if (entity := html.escape(character)) != character:
        ways.append(re.escape(entity))
    if character == " ":
        ways.append(r"\+")
    # Atomic, so that no text makes a match take long: a character is written in one way at a time.
    return f"(?{':' if character in _AMBIGUOUS else '>'}{'|'.join(ways)})"


def _escapes(character: str) -> Iterator[str]:
    """What stands behind the backslash of JSON's escapes (RFC 8259 §7)."""
    units = character.encode("utf-16-be", errors="replace").hex()
    yield "u" + r"\\{1,16}u".join(f"(?i:{units[at : at + 4]})" for at in range(0, len(units), 4))
    yield re.escape(json.dumps(character, ensure_ascii=False)[1:-1].removeprefix("\\"))


HIDDEN: Final = "[secret]"
_SHORTEST: Final = 4  # characters; anything shorter appears by chance and would hide plain words


def scrub(text: str, credential: Credential) -> str:
    """`text` without the credential's values, however they are encoded."""
    return _hide(text, _spellings(credential))


def scrub_json(document: bytes, credential: Credential) -> bytes:
    """JSON text without the credential's values; the very same bytes where there are none."""
    spellings = _spellings(credential)
    if not spellings:
        return document
    text = document.decode()
    # Where nothing is escaped, text without a secret is a document without one.
    if "\\" not in text and not any(one.found_in(text) for one in spellings):
        return document
    value = json.loads(text)
    scrubbed = _scrub_value(value, spellings)
    return document if scrubbed == value else json.dumps(scrubbed, ensure_ascii=False).encode()


def secrets_of(credential: Credential) -> frozenset[str]:
    """The values that must not come back."""
    return frozenset(secret for secret in _secrets(credential) if len(secret) >= _SHORTEST)


def _spellings(credential: Credential) -> list[Spelled]:
    """Longest first, so that no part of a secret is left over behind another."""
    return [spelled(secret) for secret in sorted(secrets_of(credential), key=len, reverse=True)]


def _hide(text: str, spellings: list[Spelled]) -> str:
    for one in spellings:
        text = one.hidden_in(text, HIDDEN)
    return text


def _scrub_value(value: Any, spellings: list[Spelled]) -> Any:
    if isinstance(value, str):
        return _hide(value, spellings)
    if isinstance(value, list):
        return [_scrub_value(item, spellings) for item in value]
    if isinstance(value, dict):
        return {_hide(key, spellings): _scrub_value(item, spellings) for key, item in value.items()}
    return value


def _secrets(credential: Credential) -> Iterator[str]:
    yield from credential.known
    yield from _hidden(credential.query, credential)
    yield from credential.cookies.values()
    for value in _hidden(credential.headers, credential):
        scheme, _, token = value.partition(" ")
        yield value
        yield token
        if scheme.lower() == "basic":
            yield from _password(token)
    if credential.signer is not None:
        yield from credential.signer.secrets


def _hidden(values: Mapping[str, str], credential: Credential) -> Iterator[str]:
    return (value for name, value in values.items() if name not in credential.plain)


def _password(token: str) -> Iterator[str]:
    try:
        pair = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    yield pair
    yield pair.partition(":")[2]


MAX_MESSAGE: Final = 500  # characters, after secrets are out: a cut must not leave half of one


_Said = TypeVar("_Said", bound=CallResult)


def cleaned(answer: _Said, credential: Credential) -> _Said:
    """The answer without what the credential holds."""
    if isinstance(answer, CallSucceeded):
        return structs.replace(answer, output=scrub_json(answer.output, credential))
    return structs.replace(answer, message=scrub(answer.message, credential)[:MAX_MESSAGE])
