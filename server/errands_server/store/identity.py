"""Who a secret belongs to: the one read that cannot know its tenant yet."""

from __future__ import annotations

from sqlalchemy import Connection, select

from . import tables as t
from .keys import Key, key


def find_key(connection: Connection, secret_hash: bytes) -> Key | None:
    """The key with this secret, unless it was revoked. Its expiry is for the caller to judge."""
    query = select(t.keys).where(t.keys.c.secret_hash == secret_hash, t.keys.c.revoked_at.is_(None))
    row = connection.execute(query).first()
    return None if row is None else key(row)
