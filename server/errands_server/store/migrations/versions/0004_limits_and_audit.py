"""Limits of integrations, and who did what."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column(
        "integration_revisions", sa.Column("rate_limit", sa.Text(), nullable=False, server_default="")
    )
    op.add_column(
        "integration_revisions",
        sa.Column("max_concurrency", sa.Integer(), nullable=False, server_default="0"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.tenant"], name="fk_audit_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_tenant", "audit", ["tenant", "id"])
    op.create_index("ix_audit_tenant_actor", "audit", ["tenant", "actor", "id"])
    op.create_index("ix_audit_tenant_action", "audit", ["tenant", "action", "id"])
    op.create_index("ix_audit_tenant_subject", "audit", ["tenant", "subject", "id"])
