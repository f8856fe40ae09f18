"""Seals secrets before they reach a row: AES-256-GCM, bound to the place they are kept in."""

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
_KEY: Final = 32
_KEY_ID: Final = 4


class Unsealable(Exception):
    """No key opens this: it was sealed elsewhere, for another place, or was changed."""


class Sealer:
    """The first key seals, all keys open, so keys can be rotated."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != _KEY for key in keys):
            raise ValueError(f"secret keys are {_KEY} bytes each, and there is at least one")
        self._ciphers = {hashlib.sha256(key).digest()[:_KEY_ID]: AESGCM(key) for key in reversed(keys)}
        self._first = hashlib.sha256(keys[0]).digest()[:_KEY_ID]
        self._keys = tuple(keys)

    def seal(self, secret: bytes, place: str) -> bytes:
        """`secret`, sealed. Only `open` with the same `place` gives it back."""
        nonce = os.urandom(_NONCE)
        return self._first + nonce + self._ciphers[self._first].encrypt(nonce, secret, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """What was sealed for `place`. Unsealable: it was not, or not with these keys."""
        cipher = self._ciphers.get(sealed[:_KEY_ID])
        if cipher is None:
            raise Unsealable("sealed with a key this server does not have")
        nonce, body = sealed[_KEY_ID : _KEY_ID + _NONCE], sealed[_KEY_ID + _NONCE :]
        try:
            return cipher.decrypt(nonce, body, place.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise Unsealable("sealed for another place, or changed") from error

    def seals_like(self, sealed: bytes) -> bool:
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
        derived = _derived(key, purpose).copy()
        derived.update(message)
        return derived.finalize()


@cache
def _derived(key: bytes, purpose: str) -> HMAC:
    """The function for one purpose: there are few of either."""
    return HMAC(hmac.digest(key, b"errands " + purpose.encode(), "sha256"), SHA256())


def parse_keys(text: str) -> list[bytes]:
    """Comma-separated base64url keys. ValueError: one is not 32 bytes."""
    try:
        keys = [base64url.decode(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError:  # not even base64
        keys = []
    if not keys or any(len(key) != _KEY for key in keys):
        raise ValueError(f"a secret key is {_KEY} random bytes in base64url; several are joined with commas")
    return keys


def load_or_create_keys(path: Path) -> list[bytes]:
    """The keys in the file at `path`, which is made with one new key (mode 0600) where there is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return parse_keys(path.read_text())
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.urlsafe_b64encode(os.urandom(_KEY)))
        file.flush()
        os.fsync(file.fileno())
    return parse_keys(path.read_text())


_SAID: Final = b"opened"
_PLACE: Final = "sealing"
_KEEP: Final = text("INSERT INTO sealing (id, sealed) VALUES (1, :sealed) ON CONFLICT (id) DO NOTHING")


async def agree(engine: AsyncEngine, sealer: Sealer, *, anew: bool) -> None:
    """Raise Unsealable where others of this database seal with a key that this server does not have.

    With `anew` they have to follow this server from now on.
    """
    async with engine.connect() as connection:
        connection = await connection.execution_options(writes=True)
        async with connection.begin():
            mine = sealer.seal(_SAID, _PLACE)
            await connection.execute(_KEEP, {"sealed": mine})
            kept: bytes = (await connection.execute(select(t.sealing.c.sealed))).scalar_one()
            if not anew:
                sealer.open(kept, _PLACE)
            if not sealer.seals_like(kept):  # rotated: who has the old key only could not open what comes
                await connection.execute(update(t.sealing).values(sealed=mine))
