"""Redaction: removes the secrets of a call from its result, however the service encoded them."""

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

_UNTOUCHED: Final = frozenset("-._~")  # as letters and digits, not changed by encoders (RFC 3986 §2.3)
_AMBIGUOUS: Final = frozenset("%&")  # begin an escape, and are escaped themselves


class SecretMatcher(Struct, frozen=True):
    """Finds one secret in texts, in every encoding: some as they are, some by a pattern."""

    texts: tuple[str, ...]
    pattern: re.Pattern[str] | None  # None where `texts` are all encodings

    def is_in(self, text: str) -> bool:
        """Whether the text holds the secret."""
        return any(form in text for form in self.texts) or bool(self.pattern and self.pattern.search(text))

    def replace_in(self, text: str, replacement: str) -> str:
        """The text with `replacement` in the place of the secret."""
        if self.pattern is not None:
            text = self.pattern.sub(replacement, text)
        for form in self.texts:
            text = text.replace(form, replacement)
        return text


@lru_cache(maxsize=1024)
def matcher_for(secret: str) -> SecretMatcher:
    """A matcher of every encoding in which a service may write the secret back."""
    data = secret.encode(errors="replace")
    digits = [_sextets(data, offset) for offset in range(3)]
    texts = (*(form for one in digits for form in _alphabets(one)), data.hex(), data.hex().upper())
    if _is_untouched(secret):
        return SecretMatcher((secret, *texts), None)
    return SecretMatcher(texts, re.compile("".join(_characters(secret))))


def _sextets(data: bytes, offset: int) -> str:
    """The base64 digits that depend on `data` alone where it begins `offset` bytes into a group of three."""
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
    # Escaping multiplies backslashes, so that their number means nothing.
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
    # Each level of JSON in JSON doubles the backslashes. Those of a preceding backslash are matched before.
    slashes = rf"\\{{{0 if follows_backslash else 1},16}}"
    forms = [
        re.escape(character),
        percent,
        *(f"{slashes}{escape}" for escape in _escapes(character)),
        f"&#(?:0{{0,4}}{ord(character)}|[xX]0{{0,4}}(?i:{ord(character):x}));",
    ]
    if (entity := html.escape(character)) != character:
        forms.append(re.escape(entity))
    if character == " ":
        forms.append(r"\+")
    # Atomic, so that no text makes a match slow: a character has one form at a time.
    return f"(?{':' if character in _AMBIGUOUS else '>'}{'|'.join(forms)})"


def _escapes(character: str) -> Iterator[str]:
    """What follows the backslash in JSON's escapes (RFC 8259 §7)."""
    units = character.encode("utf-16-be", errors="replace").hex()
    yield "u" + r"\\{1,16}u".join(f"(?i:{units[at : at + 4]})" for at in range(0, len(units), 4))
    yield re.escape(json.dumps(character, ensure_ascii=False)[1:-1].removeprefix("\\"))


HIDDEN: Final = "[secret]"
_SHORTEST: Final = 4  # characters; a shorter value appears by chance in plain words


def scrub(text: str, credential: Credential) -> str:
    """The text with `HIDDEN` in the place of the credential's secrets."""
    return _scrub_text(text, _matchers(credential))


def scrub_json(document: bytes, credential: Credential) -> bytes:
    """JSON text with `HIDDEN` in the place of the credential's secrets; the same bytes where it has none."""
    matchers = _matchers(credential)
    if not matchers:
        return document
    text = document.decode()
    # Without escapes, the text holds every secret that the document holds.
    if "\\" not in text and not any(matcher.is_in(text) for matcher in matchers):
        return document
    value = json.loads(text)
    scrubbed = _scrub_value(value, matchers)
    return document if scrubbed == value else json.dumps(scrubbed, ensure_ascii=False).encode()


def secrets_of(credential: Credential) -> frozenset[str]:
    """The values of a credential that must not come back: those of `_SHORTEST` characters and more."""
    return frozenset(secret for secret in _secrets(credential) if len(secret) >= _SHORTEST)


def _matchers(credential: Credential) -> list[SecretMatcher]:
    """Longest first, so that no part of a longer secret is left where it holds a shorter one."""
    return [matcher_for(secret) for secret in sorted(secrets_of(credential), key=len, reverse=True)]


def _scrub_text(text: str, matchers: list[SecretMatcher]) -> str:
    for matcher in matchers:
        text = matcher.replace_in(text, HIDDEN)
    return text


def _scrub_value(value: Any, matchers: list[SecretMatcher]) -> Any:
    if isinstance(value, str):
        return _scrub_text(value, matchers)
    if isinstance(value, list):
        return [_scrub_value(item, matchers) for item in value]
    if isinstance(value, dict):
        return {_scrub_text(key, matchers): _scrub_value(item, matchers) for key, item in value.items()}
    return value


def _secrets(credential: Credential) -> Iterator[str]:
    yield from credential.known
    yield from _secret_values(credential.query, credential)
    yield from credential.cookies.values()
    for value in _secret_values(credential.headers, credential):
        scheme, _, token = value.partition(" ")
        yield value
        yield token
        if scheme.lower() == "basic":
            yield from _basic_secrets(token)
    if credential.signer is not None:
        yield from credential.signer.secrets


def _secret_values(values: Mapping[str, str], credential: Credential) -> Iterator[str]:
    return (value for name, value in values.items() if name not in credential.plain)


def _basic_secrets(token: str) -> Iterator[str]:
    try:
        pair = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    yield pair
    yield pair.partition(":")[2]


_UNFIT: Final = re.compile(r"[\x00\ud800-\udfff]")
MAX_MESSAGE: Final = 500  # characters; cut after redaction, so that no part of a secret is left


_Result = TypeVar("_Result", bound=CallResult)


def scrub_result(result: _Result, credential: Credential) -> _Result:
    """The result without the credential's secrets, its message cut to `MAX_MESSAGE`."""
    if isinstance(result, CallSucceeded):
        return structs.replace(result, output=scrub_json(result.output, credential))
    # Half a surrogate pair cannot be stored, nor can a zero in every database.
    message = _UNFIT.sub("\N{REPLACEMENT CHARACTER}", result.message)
    return structs.replace(result, message=scrub(message, credential)[:MAX_MESSAGE])
