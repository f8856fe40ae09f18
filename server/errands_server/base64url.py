"""base64url without padding (RFC 4648, section 5), in which tokens and keys are written."""

from __future__ import annotations

import base64


def encode(data: bytes) -> str:
    """The text of these bytes, without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    """The bytes of a text, padded or not. ValueError: it is not base64url."""
    return base64.urlsafe_b64decode(text + "==")  # more padding than it needs is ignored
