"""Validates the fields of a request, and collects every violation before anything is done."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from .. import base64url
from ..domain import rates
from ..domain.errors import Invalid, NotFound, Reason, Violation

E = TypeVar("E")

PAGE: Final = 50
MAX_ID: Final = 255  # characters
MAX_PAGE: Final = 100
MAX_DEPTH: Final = 100  # levels of a JSON document
_YEAR_10000: Final = 253_402_300_800  # seconds


class RequestValidator:
    """Checks fields and collects violations; `raise_if_invalid` raises them all together.

    Every check returns the value it was given, or what it means, also where it is invalid.
    """

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def reject(self, field: str, message: str) -> None:
        """Add a violation."""
        self.violations.append(Violation(field, message))

    def text(self, field: str, value: str, *, least: int = 0, most: int) -> str:
        """A text of `least` to `most` characters, without NUL."""
        if len(value) < least:
            self.reject(field, "must not be empty" if least == 1 else f"needs {least} characters")
        elif len(value) > most:
            self.reject(field, f"has {len(value)} characters; at most {most} are allowed")
        elif "\x00" in value:
            self.reject(field, "must not contain a NUL character")
        return value

    def printable(self, field: str, value: str, *, most: int) -> str:
        """As `text`, printable ASCII only."""
        if not all(" " <= character <= "~" for character in value):
            self.reject(field, "must be printable ASCII")
        return self.text(field, value, most=most)

    def number(self, field: str, value: int, *, least: int, most: int) -> int:
        if not least <= value <= most:
            self.reject(field, f"is {value}; it must be {least} to {most}")
        return value

    def rate(self, field: str, value: str) -> str:
        """A rate as in domain/rates; empty for none."""
        if value:
            try:
                rates.parse(value)
            except ValueError as error:
                self.reject(field, str(error))
        return value

    def cursor(self, field: str, value: int) -> int:
        if value < 0:
            self.reject(field, f"is {value}; it must be 0 or the sequence of an event")
        return value

    def count(self, field: str, values: Sequence[object], *, least: int = 0, most: int) -> None:
        if not least <= len(values) <= most:
            self.reject(field, f"has {len(values)} entries; it must have {least} to {most}")

    def choice(self, field: str, value: int, choices: dict[int, E], default: E) -> E:
        """What an enum value means; `default` for 0 and, with a violation, for unknown ones."""
        if value not in choices and value != 0:
            self.reject(field, f"{value} is no known value")
        return choices.get(value, default)

    def one_of(self, field: str, value: str, choices: Collection[str]) -> str:
        if value not in choices:
            self.reject(field, f"is {value!r}; it must be one of {', '.join(choices)}")
        return value

    def json_text(self, field: str, value: str, *, most: int) -> bytes:
        """JSON text of at most `most` bytes and `MAX_DEPTH` levels.

        It is read with the decoder that reads it again later, which is stricter than others.
        """
        body = value.encode()
        if len(body) > most:
            self.reject(field, f"has {len(body)} bytes; at most {most} are allowed")
            return body
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            self.reject(field, f"is not JSON: {error}")
        else:
            if _is_deeper(document, MAX_DEPTH):
                self.reject(field, f"is nested more than {MAX_DEPTH} levels deep")
        return body

    def json_object(self, field: str, value: str, *, most: int) -> dict[str, Any]:
        """As `json_text`, an object, decoded; empty where it is none."""
        known = len(self.violations)
        body = self.json_text(field, value, most=most)
        found = msgspec.json.decode(body) if len(self.violations) == known else {}
        if not isinstance(found, dict):
            self.reject(field, "must be an object")
            return {}
        return found

    def page_size(self, value: int, *, default: int = PAGE, most: int = MAX_PAGE) -> int:
        """AIP-158: 0 means the default."""
        if value < 0 or value > most:
            self.reject("page_size", f"is {value}; it must be 1 to {most}, or 0 for {default}")
        return value or default

    def page_token(self, token: str, filters: object) -> str:
        """The key in a page token, which must be made for these filters; "" for the first page."""
        if not token:
            return ""
        try:
            body = base64url.decode(token).decode()
            mark, key = body.split(":", 1)
        except ValueError:
            self.reject("page_token", "is not a token this service gave; start from the first page")
            return ""
        if mark != _fingerprint(filters) or "\x00" in key:
            self.reject("page_token", "belongs to other filters; start from the first page")
        return key

    def timestamp(self, field: str, value: Timestamp, *, after: int) -> int:
        """As `moment`; must be later than `after`."""
        valid = self.moment(field, value, otherwise=after + 1)
        if valid <= after:
            self.reject(field, "lies in the past")
        return valid

    def moment(self, field: str, value: Timestamp, *, otherwise: int = 0) -> int:
        """Milliseconds, in a year of four digits (google.protobuf.Timestamp)."""
        if not (0 <= value.nanos < 1_000_000_000 and value.seconds < _YEAR_10000):
            self.reject(field, "is no time before the year 10000")
            return otherwise
        return value.seconds * 1_000 + value.nanos // 1_000_000

    def raise_if_invalid(self) -> None:
        """FIELD_INVALID, with every violation, if there is any."""
        if self.violations:
            raise Invalid(self.violations)


def _is_deeper(document: Any, levels: int) -> bool:
    """Whether containers are nested more than `levels` deep. Not recursive: the depth is not known yet."""
    level = [document]
    for _ in range(levels):
        level = [item for value in level for item in _items(value)]
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)


def _items(value: Any) -> Collection[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def make_page_token(key: str, filters: object) -> str:
    """The token of the page behind `key`, for these filters only."""
    return base64url.encode(f"{_fingerprint(filters)}:{key}".encode())


def _fingerprint(filters: object) -> str:
    return hashlib.sha256(repr(filters).encode()).hexdigest()[:12]


def parse_uuid(value: str, reason: Reason) -> str:
    """A UUID in its usual form. The reason, a NOT_FOUND, where it is none."""
    try:
        return str(UUID(value))
    except ValueError:
        raise _not_found(value, reason) from None


def check_id(value: str, reason: Reason) -> str:
    """An id that is no UUID. The reason, a NOT_FOUND, where it cannot be an id."""
    if not value or len(value) > MAX_ID or "\x00" in value:
        raise _not_found(value, reason)
    return value


def _not_found(value: str, reason: Reason) -> NotFound:
    kind = reason.value.removesuffix("_NOT_FOUND").lower()
    message = f"there is no {kind} {value[:64]!r}" if value else f"the id of the {kind} is empty"
    return NotFound(reason, message, subject=value[:64])
