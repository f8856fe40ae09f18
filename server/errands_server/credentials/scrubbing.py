"""Keeps the secrets of a call out of everything that is said about it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .credential import Credential
from .spelling import Spelled, spelled

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
