"""Users' connections to integrations, and how a service wants to be authenticated."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "integration_revisions", sa.Column("schemes", sa.Text(), nullable=False, server_default="{}")
    )
