"""Remembers which run a request made, so that the same request answers with the same run."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, bindparam, select

from ..domain.errors import Conflict, Reason
from . import tables as t

REQUEST_TTL: Final = 24 * 3_600 * 1_000  # milliseconds a request id is remembered


class RequestKey(Struct, frozen=True):
    """Identifies a repeated request: same id and same body, same run."""

    method: str
    request_id: str
    body_hash: bytes


class Remembered(Struct, frozen=True):
    """The run a request made, and the hash of the body it had."""

    run_id: str
    body_hash: bytes
    created_at: int

    def is_fresh(self, now: int) -> bool:
        return self.created_at > now - REQUEST_TTL

    def answers(self, request: RequestKey) -> str:
        """The run. IDEMPOTENCY_KEY_REUSED: this request has another body."""
        if request.body_hash != self.body_hash:
            message = "the request id was used with another body; use a new one"
            raise Conflict(Reason.IDEMPOTENCY_KEY_REUSED, message, subject=request.request_id)
        return self.run_id


def find(connection: Connection, tenant: str, request: RequestKey) -> Remembered | None:
    """What is stored of this request, which may be older than it is remembered."""
    row = connection.execute(_FIND, _key(tenant, request)).first()
    return None if row is None else Remembered(row.run_id, bytes(row.body_hash), row.created_at)


def forget(connection: Connection, tenant: str, request: RequestKey) -> None:
    """Make room for the same request made anew."""
    connection.execute(_FORGET, _key(tenant, request))


def _key(tenant: str, request: RequestKey) -> dict[str, Any]:
    return {"tenant": tenant, "method": request.method, "request": request.request_id}


_same = (
    (t.requests.c.tenant == bindparam("tenant"))
    & (t.requests.c.method == bindparam("method"))
    & (t.requests.c.request_id == bindparam("request"))
)
_FIND: Final = select(t.requests.c.run_id, t.requests.c.body_hash, t.requests.c.created_at).where(_same)
_FORGET: Final = t.requests.delete().where(_same)
