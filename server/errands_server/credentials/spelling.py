"""Finds secrets however they are written down: escaped, percent-encoded, in base64 or in hex."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Final

from msgspec import Struct

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
