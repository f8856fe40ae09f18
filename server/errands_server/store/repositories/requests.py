"""Idempotency of creation: which run a request made, kept for a day."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, bindparam

from ...domain.errors import Conflict, Reason
from .. import bulk
from ..schema import tables as t

REQUEST_TTL: Final = 24 * 3_600 * 1_000  # milliseconds a request id is remembered


class RequestKey(Struct, frozen=True):
    """Identifies a request: the same id with the same body makes one run."""

    method: str
    request_id: str
    body_hash: bytes


class StoredRequest(Struct, frozen=True):
    """The run that a request made, and the hash of its body. `created_at` in milliseconds."""

    run_id: str
    body_hash: bytes
    created_at: int

    def is_fresh(self, now: int) -> bool:
        """Whether the request still names its run at `now` (milliseconds)."""
        return self.created_at > now - REQUEST_TTL

    def run_for(self, request: RequestKey) -> str:
        """The id of the run. Conflict IDEMPOTENCY_KEY_REUSED: `request` has another body."""
        if request.body_hash != self.body_hash:
            message = "the request id was used with another body; use a new one"
            raise Conflict(Reason.IDEMPOTENCY_KEY_REUSED, message, subject=request.request_id)
        return self.run_id


RequestName = tuple[str, str, str]
"""The key of a request in the database: tenant, method and request id."""


def name_of(tenant: str, request: RequestKey) -> RequestName:
    return tenant, request.method, request.request_id


def find(connection: Connection, wanted: Iterable[RequestName]) -> dict[RequestName, StoredRequest]:
    """Those of these requests that are stored, also those that are no longer fresh."""
    keys = [dict(zip(_KEY, one, strict=True)) for one in dict.fromkeys(wanted)]
    found = bulk.find(connection, t.requests, keys, (*_KEY, "run_id", "body_hash", "created_at"))
    return {
        (tenant, method, request_id): StoredRequest(run_id, bytes(body_hash), created_at)
        for tenant, method, request_id, run_id, body_hash, created_at in found
    }


def forget(connection: Connection, name: RequestName) -> None:
    """Delete a request, so that it can make another run."""
    connection.execute(_FORGET, dict(zip(_KEY, name, strict=True)))


_KEY: Final = ("tenant", "method", "request_id")
_FORGET: Final = t.requests.delete().where(*(t.requests.c[name] == bindparam(name) for name in _KEY))
