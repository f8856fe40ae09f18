"""Migrates a database to the schema of this release."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, inspect, text

HEAD: Final = "0005"
_KEY: Final = 0x6D69_6772_6174_6521  # "migrate!"
_SCRIPTS: Final = Path(__file__).parent.parent / "migrations"


class SchemaOutdated(Exception):
    """The database does not have the schema of this release."""


def find_revision(connection: Connection) -> str | None:
    """The revision of the database's schema; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def migrate(connection: Connection) -> bool:
    """Run the migrations that the database lacks. Returns whether there was one.

    On PostgreSQL, two processes that migrate at once do so one after the other. SchemaOutdated: the
    database has the schema of a newer release.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _KEY})
    revision = find_revision(connection)
    if revision == HEAD:
        return False
    if revision is not None and revision > HEAD:
        message = f"the database has schema {revision}, this release knows {HEAD}"
        raise SchemaOutdated(f"{message}: run the newer release that made it")
    # Imported here: Alembic takes half a second, and a database is rarely out of date.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return True


def require(connection: Connection) -> None:
    """Raise SchemaOutdated unless the database is up to date."""
    revision = find_revision(connection)
    if revision != HEAD:
        message = f"the database has schema {revision or 'none'}, this release needs {HEAD}"
        raise SchemaOutdated(f"{message}: run `errands migrate`")


def environment(config: Any) -> Connection:
    """The connection that `migrate` runs the migrations on."""
    connection: Connection = config.attributes["connection"]
    return connection
