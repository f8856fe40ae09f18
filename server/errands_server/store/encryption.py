"""Encryption at rest with AES-256-GCM: each secret is bound to its row, and keys can be rotated."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from .. import base64url
from .schema import tables as t

_NONCE: Final = 12  # bytes (NIST SP 800-38D)
_KEY: Final = 32  # bytes
_KEY_ID: Final = 4  # bytes


class Unsealable(Exception):
    """This cannot be opened: it was sealed with an unknown key or for another place, or was changed."""


class Sealer:
    """Encrypts and authenticates. The first key seals and all keys open, so that keys can be rotated."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != _KEY for key in keys):
            raise ValueError(f"secret keys are {_KEY} bytes each, and there is at least one")
        self._ciphers = {hashlib.sha256(key).digest()[:_KEY_ID]: AESGCM(key) for key in reversed(keys)}
        self._first = hashlib.sha256(keys[0]).digest()[:_KEY_ID]
        self._keys = tuple(keys)

    def seal(self, secret: bytes, place: str) -> bytes:
        """Encrypt `secret`. Only `open` with the same `place` returns it."""
        nonce = os.urandom(_NONCE)
        return self._first + nonce + self._ciphers[self._first].encrypt(nonce, secret, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Decrypt what was sealed for `place`. Unsealable: it was not, or not with these keys."""
        cipher = self._ciphers.get(sealed[:_KEY_ID])
        if cipher is None:
            raise Unsealable("sealed with a key this server does not have")
        nonce, body = sealed[_KEY_ID : _KEY_ID + _NONCE], sealed[_KEY_ID + _NONCE :]
        try:
            return cipher.decrypt(nonce, body, place.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise Unsealable("sealed for another place, or changed") from error

    def has_first_key(self, sealed: bytes) -> bool:
        """Whether this was sealed with the first key."""
        return sealed.startswith(self._first)

    def mac(self, purpose: str, message: bytes) -> bytes:
        """HMAC-SHA256 under a key derived for `purpose` from the first key."""
        return self._mac(self._keys[0], purpose, message)

    def verify(self, purpose: str, message: bytes, mac: bytes) -> bool:
        """Whether `mac` was made for this by any of the keys, in constant time."""
        return any(hmac.compare_digest(self._mac(key, purpose, message), mac) for key in self._keys)

    @staticmethod
    def _mac(key: bytes, purpose: str, message: bytes) -> bytes:
        function = _hmac_for(key, purpose).copy()
        function.update(message)
        return function.finalize()


@cache
def _hmac_for(key: bytes, purpose: str) -> HMAC:
    """The HMAC of one key for one purpose, kept: there are few of either."""
    return HMAC(hmac.digest(key, b"errands " + purpose.encode(), "sha256"), SHA256())


def parse_keys(text: str) -> list[bytes]:
    """Comma-separated base64url keys. ValueError: one is not 32 bytes."""
    try:
        keys = [base64url.decode(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError:  # no base64
        keys = []
    if not keys or any(len(key) != _KEY for key in keys):
        raise ValueError(f"a secret key is {_KEY} random bytes in base64url; several are joined with commas")
    return keys


def load_or_create_keys(path: Path) -> list[bytes]:
    """The keys in the file at `path`. Where there is no file, make one with a new key (mode 0600)."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return parse_keys(path.read_text())
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.urlsafe_b64encode(os.urandom(_KEY)))
        file.flush()
        os.fsync(file.fileno())
    return parse_keys(path.read_text())


_PLAIN: Final = b"opened"
_PLACE: Final = "sealing"
_KEEP_FIRST: Final = text("INSERT INTO sealing (id, sealed) VALUES (1, :sealed) ON CONFLICT (id) DO NOTHING")


async def check_key(engine: AsyncEngine, sealer: Sealer, *, replace: bool) -> None:
    """Raise Unsealable where servers of this database seal with a key that this server does not have.

    The first server stores a text that its key has sealed; every other must open it. With `replace`
    this server's text replaces the stored one, and the others must follow.
    """
    async with engine.connect() as connection:
        connection = await connection.execution_options(writes=True)
        async with connection.begin():
            own = sealer.seal(_PLAIN, _PLACE)
            await connection.execute(_KEEP_FIRST, {"sealed": own})
            stored: bytes = (await connection.execute(select(t.sealing.c.sealed))).scalar_one()
            if not replace:
                sealer.open(stored, _PLACE)
            if not sealer.has_first_key(stored):  # rotated: servers with only the old key are refused now
                await connection.execute(update(t.sealing).values(sealed=own))
