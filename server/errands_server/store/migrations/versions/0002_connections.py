"""Users' connections to integrations, and how a service wants to be authenticated."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "integration_revisions", sa.Column("schemes", sa.Text(), nullable=False, server_default="{}")
    )
    op.add_column("tenants", sa.Column("verifier_url", sa.Text(), nullable=False, server_default=""))
    op.add_column("integrations", sa.Column("oauth_client", sa.Text(), nullable=False, server_default=""))
    op.add_column("integrations", sa.Column("oauth_secret", sa.LargeBinary(), nullable=True))
    _connections()
    _flows()


def _connections() -> None:
    op.create_table(
        "connections",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("integration_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("lacking", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'broken')", name=op.f("ck_connections_status")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.tenant"], name=op.f("fk_connections_tenant")),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integrations.id"], name=op.f("fk_connections_integration_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connections")),
    )
    op.create_index(
        "uq_connections_tenant_integration_user",
        "connections",
        ["tenant", "integration_id", "user_id"],
        unique=True,
    )
    op.create_index("ix_connections_tenant", "connections", ["tenant", "id"], unique=False)
    op.create_index("ix_connections_tenant_user", "connections", ["tenant", "user_id", "id"], unique=False)


def _flows() -> None:
    op.create_table(
        "connect_flows",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("link_id", sa.Text(), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "status IN ('begun', 'unconfirmed', 'ended')", name=op.f("ck_connect_flows_status")
        ),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.tenant"], name=op.f("fk_connect_flows_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connect_flows")),
    )
    op.create_index("uq_connect_flows_tenant_link", "connect_flows", ["tenant", "link_id"], unique=True)
    op.create_index("ix_connect_flows_token", "connect_flows", ["tenant", "token_hash"], unique=False)
    op.create_index("ix_connect_flows_expires", "connect_flows", ["expires_at"], unique=False)
