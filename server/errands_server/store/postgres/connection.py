"""How PostgreSQL is connected to: by one driver, with a deadline for everything."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

from sqlalchemy import URL, Connection, text

DRIVER: Final = "postgresql+psycopg"

# Seconds a lock, a statement and a forgotten transaction may take. `?options=` in the URL goes first.
_LIMITS: Final = "-c lock_timeout=5s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"
_ARGUMENTS: Final = {
    "application_name": "errands",
    "connect_timeout": 5,
    "options": _LIMITS,
    # A server that went away without a word is missed after about ten seconds.
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def located(url: URL) -> URL:
    """The URL with the driver that is used. ValueError: the extra is not installed."""
    if find_spec("psycopg") is None:
        raise ValueError("PostgreSQL needs: pip install 'errands[postgres]'")
    return url.set(drivername=DRIVER)


def arguments(url: URL) -> dict[str, Any]:
    """What connections are opened with, besides what the URL says."""
    return {name: value for name, value in _ARGUMENTS.items() if name not in url.query}


TRANSACTION: Final = "transaction"  # its id, in the `info` of the connection that made it


class StillOpen(Exception):
    """The transaction whose COMMIT was lost has not ended yet."""


def require_ended(connection: Connection, transaction: str | None) -> None:
    """Raise StillOpen while a lost connection's transaction may still commit. None: there is none."""
    if transaction is None:
        return
    status = connection.execute(_STATUS, {"transaction": transaction}).scalar()
    if status == "in progress":
        raise StillOpen(f"transaction {transaction} has not ended")


_STATUS: Final = text("SELECT pg_xact_status(CAST(CAST(:transaction AS text) AS xid8))")
