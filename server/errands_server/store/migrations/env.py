"""Runs migrations on the connection they were given."""

from alembic import context

from errands_server.store.migrating import environment
from errands_server.store.tables import metadata

context.configure(connection=environment(context.config), target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
