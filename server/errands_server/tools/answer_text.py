"""The text of an answer and the JSON in it, whatever bytes came. Nothing here raises for what it is given."""

from __future__ import annotations

import codecs
import html
import json
import re
from encodings.aliases import aliases
from typing import Any, Final

import msgspec

MAX_DEPTH: Final = 100  # of lists and objects in each other; what is deeper is kept as text
_CHARSETS: Final = frozenset(
    {
        *("ascii", "utf_8", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be"),
        *(f"iso8859_{part}" for part in range(1, 17)),
        *("latin_1", "koi8_r", "koi8_u", "mac_roman", "mac_cyrillic", "tis_620", "cp437", "cp850", "cp866"),
        *(f"cp{page}" for page in (874, 932, 949, 950, *range(1250, 1259))),
        *("shift_jis", "euc_jp", "iso2022_jp", "gb2312", "gbk", "gb18030", "big5", "big5hkscs", "euc_kr"),
    }
)  # those of texts; Python has others, which unpack, take a long time, or raise
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf_8"),
    (codecs.BOM_UTF32_LE, "utf_32_le"),
    (codecs.BOM_UTF32_BE, "utf_32_be"),
    (codecs.BOM_UTF16_LE, "utf_16_le"),
    (codecs.BOM_UTF16_BE, "utf_16_be"),
)
_CHARSET: Final = re.compile(r""";\s*charset\s*=\s*["']?([^"';\s]*)""", re.IGNORECASE)
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_LONG_NUMBER: Final = re.compile(r"&#(?:0*[0-9]{8,}|[xX]0*[0-9a-fA-F]{7,});?")


def decode_text(body: bytes, content_type: str) -> str | None:
    """The text, with U+FFFD for what is no character. None: its charset is none of texts, nor is it UTF-8.

    A byte order mark is no part of the text, and counts for more than `content_type`.
    """
    for mark, charset in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(charset, "replace")
    found = _CHARSET.search(content_type)
    if found is None or not found[1]:
        return body.decode(errors="replace")
    known = _find_charset(found[1])
    if known is not None:
        return body.decode(known, "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _find_charset(name: str) -> str | None:
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    plain = aliases.get(plain, plain)
    return plain if plain in _CHARSETS else None


def unescape_html(text: str) -> str:
    """The text without entities. A number that is no character's becomes U+FFFD, however long it is."""
    return html.unescape(_LONG_NUMBER.sub("\N{REPLACEMENT CHARACTER}", text))


def read_json(text: str) -> bytes | None:
    """The JSON text as every reader takes it; None where it is no JSON, or deeper than MAX_DEPTH.

    Half a surrogate pair is read as U+FFFD, and strings may hold control characters. NaN is no JSON.
    """
    if not text or _is_deep(text):
        return None
    try:
        body = text.encode()
        msgspec.json.decode(body)
        return body
    except ValueError:
        return _read_loosely(text)


def decode_json(text: str) -> Any:
    """The decoded JSON in a text; None where there is none."""
    body = read_json(text)
    return None if body is None else msgspec.json.decode(body)


def keep_text(text: str) -> bytes:
    """The text as a JSON string."""
    return msgspec.json.encode(join_surrogates(text))


def _read_loosely(text: str) -> bytes | None:
    try:
        value = json.loads(text, strict=False)
        body = join_surrogates(json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()
        msgspec.json.decode(body)
    except (ValueError, RecursionError):  # also for what json.loads reads beyond JSON, such as NaN
        return None
    return body


def _is_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def join_surrogates(text: str) -> str:
    """The text with its surrogates joined, and U+FFFD for each that has no other half."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
