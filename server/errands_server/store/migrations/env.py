"""Runs migrations on the connection they were given."""

from typing import Any

from alembic import context
from sqlalchemy import Text
from sqlalchemy.ext.compiler import compiles

from errands_server.store.schema.migrate import environment
from errands_server.store.schema.tables import metadata


@compiles(Text, "postgresql")
def _text(*_: Any, **__: Any) -> str:
    """Texts are ordered by their bytes, as SQLite orders them, whatever the database's language."""
    return 'TEXT COLLATE "C"'


context.configure(connection=environment(context.config), target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
