"""Keeps the secrets of a call out of everything that is said about it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus

from .credential import Credential

HIDDEN: Final = "[secret]"
_SHORTEST: Final = 4  # characters; anything shorter appears by chance and would hide plain words


def scrub(text: str, credential: Credential) -> str:
    """`text` without the credential's values, also where they are encoded."""
    for form in _forms(credential):
        text = text.replace(form, HIDDEN)
    return text


def scrub_json(document: bytes, credential: Credential) -> bytes:
    """JSON text without the credential's values; the very same bytes where there are none."""
    text = document.decode()
    escaped = (json.dumps(form)[1:-1] for form in _forms(credential))
    if not any(form in text for form in (*_forms(credential), *escaped)):
        return document
    return json.dumps(_scrub_value(json.loads(text), credential), ensure_ascii=False).encode()


def _scrub_value(value: Any, credential: Credential) -> Any:
    if isinstance(value, str):
        return scrub(value, credential)
    if isinstance(value, list):
        return [_scrub_value(item, credential) for item in value]
    if isinstance(value, dict):
        return {scrub(key, credential): _scrub_value(item, credential) for key, item in value.items()}
    return value


def _forms(credential: Credential) -> list[str]:
    """Every way a secret may be written, longest first so that no part of one is left over."""
    secrets = {secret for secret in _secrets(credential) if len(secret) >= _SHORTEST}
    return sorted({form for secret in secrets for form in _written(secret)}, key=len, reverse=True)


def _secrets(credential: Credential) -> Iterator[str]:
    yield from credential.query.values()
    yield from credential.cookies.values()
    for value in credential.headers.values():
        scheme, _, token = value.partition(" ")
        yield value
        yield token
        if scheme.lower() == "basic":
            yield from _password(token)


def _password(token: str) -> Iterator[str]:
    try:
        pair = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    yield pair
    yield pair.partition(":")[2]


def _written(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(secret.encode()).decode()
        yield encoded
        yield encoded.rstrip("=")
