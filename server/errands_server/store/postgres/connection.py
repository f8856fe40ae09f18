"""Connections to PostgreSQL: the driver, the deadlines, and what became of a lost transaction."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

from sqlalchemy import URL, Connection, text

DRIVER: Final = "postgresql+psycopg"

# How long a lock, a statement and an idle transaction may take. `?options=` in the URL replaces this.
_LIMITS: Final = "-c lock_timeout=5s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"
_ARGUMENTS: Final = {
    "application_name": "errands",
    "connect_timeout": 5,
    "options": _LIMITS,
    # A server that went away silently is noticed after about ten seconds.
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def with_driver(url: URL) -> URL:
    """The URL with the driver that is used. ValueError: the extra `postgres` is not installed."""
    if find_spec("psycopg") is None:
        raise ValueError("PostgreSQL needs: pip install 'errands[postgres]'")
    return url.set(drivername=DRIVER)


def connect_arguments(url: URL) -> dict[str, Any]:
    """The arguments of a new connection, without those that the URL gives."""
    return {name: value for name, value in _ARGUMENTS.items() if name not in url.query}


TRANSACTION: Final = "transaction"  # the key of its id in the `info` of its connection


class StillOpen(Exception):
    """The transaction whose COMMIT was lost has not ended yet."""


def require_ended(connection: Connection, transaction: str | None) -> None:
    """Raise StillOpen while a lost connection's transaction may still commit. None: there is no such one."""
    if transaction is None:
        return
    status = connection.execute(_STATUS, {"transaction": transaction}).scalar()
    if status == "in progress":
        raise StillOpen(f"transaction {transaction} has not ended")


_STATUS: Final = text("SELECT pg_xact_status(CAST(CAST(:transaction AS text) AS xid8))")
