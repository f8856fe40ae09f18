"""The tables. Times are milliseconds since the epoch; ids are text."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _run_id(**options: Any) -> Column[str]:
    return Column("run_id", Text, ForeignKey("runs.run_id", ondelete="CASCADE"), nullable=False, **options)


tenants = Table(
    "tenants",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    # Where browsers are sent at the end of a connect flow; empty for nowhere.
    Column("verifier_url", Text, nullable=False, server_default=""),
)

# One row: a text sealed with the first key, which every server of the database must open.
sealing = Table(
    "sealing",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="one"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, ForeignKey("tenants.tenant"), nullable=False),
    Column("name", Text, nullable=False),
    # SHA-256 of a secret of 256 random bits: it cannot be guessed, so that no slow hash is needed.
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)
Index("ix_keys_tenant_id", keys.c.tenant, keys.c.id)

integrations = Table(
    "integrations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, ForeignKey("tenants.tenant"), nullable=False),
    Column("name", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    # A client belongs to no revision: tokens are renewed with it under every later one.
    Column("oauth_client", Text, nullable=False, server_default=""),  # JSON; empty where there is none
    Column("oauth_secret", LargeBinary),  # sealed
)
Index(
    "uq_integrations_tenant_name",
    integrations.c.tenant,
    integrations.c.name,
    unique=True,
    # The row of a deleted integration stays for the runs that refer to it; its name is free.
    sqlite_where=text("deleted_at IS NULL"),
    postgresql_where=text("deleted_at IS NULL"),
)

integration_revisions = Table(
    "integration_revisions",
    metadata,
    Column("integration_id", Text, ForeignKey("integrations.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("internal", Boolean, nullable=False),
    Column("honours_keys", Boolean, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("operations", LargeBinary, nullable=False),
    Column("tool_count", Integer, nullable=False),
    Column("left_out", Text, nullable=False),
    Column("auth_type", Text, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("credential", LargeBinary),  # sealed
    Column("created_at", BigInteger, nullable=False),
    Column("schemes", Text, nullable=False, server_default="{}"),  # JSON: security schemes, by name
    Column("rate_limit", Text, nullable=False, server_default=""),  # such as 10/s; empty for none
    Column("max_concurrency", Integer, nullable=False, server_default="0"),  # 0 for no limit
)

connections = Table(
    "connections",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, ForeignKey("tenants.tenant"), nullable=False),
    Column("integration_id", Text, ForeignKey("integrations.id"), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("origin", Text, nullable=False),  # of the service that it was given for; it is sent to no other
    Column("status", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # granted; empty where that is not known
    Column("lacking", Text, nullable=False),  # JSON: scopes the service asked for in vain, by operation
    Column("secret", LargeBinary, nullable=False),  # sealed
    Column("expires_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    # Grows with every change, so that of two concurrent changes only the first is stored.
    Column("version", Integer, nullable=False),
    Column("lease_until", BigInteger, nullable=False),  # end of the lease for renewal; 0 for no lease
    CheckConstraint("status IN ('active', 'broken')", name="status"),
)
Index(
    "uq_connections_tenant_integration_user",
    connections.c.tenant,
    connections.c.integration_id,
    connections.c.user_id,
    unique=True,
)
Index("ix_connections_tenant", connections.c.tenant, connections.c.id)
Index("ix_connections_tenant_user", connections.c.tenant, connections.c.user_id, connections.c.id)

connect_flows = Table(
    "connect_flows",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, ForeignKey("tenants.tenant"), nullable=False),
    Column("link_id", Text, nullable=False),  # a link begins one flow
    Column("browser_hash", LargeBinary, nullable=False),
    # SHA-256 of the token that continues the flow: state or confirmation; null while there is none.
    Column("token_hash", LargeBinary),
    Column("status", Text, nullable=False),
    Column("secret", LargeBinary),  # sealed: what later steps need
    Column("expires_at", BigInteger, nullable=False),
    CheckConstraint("status IN ('begun', 'unconfirmed', 'ended')", name="status"),
)
Index("uq_connect_flows_tenant_link", connect_flows.c.tenant, connect_flows.c.link_id, unique=True)
Index("ix_connect_flows_token", connect_flows.c.tenant, connect_flows.c.token_hash)
Index("ix_connect_flows_expires", connect_flows.c.expires_at)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("tenant", Text, ForeignKey("tenants.tenant"), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("last_sequence", Integer, nullable=False),
    Column("repeat_key", Text, nullable=False),
    Column("repeat_run_id", Text),
    Column("plan_id", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("wake_at", BigInteger),  # when something is due; null while nothing is
    Column("finished_at", BigInteger),
    CheckConstraint("last_sequence >= 1", name="has_events"),
    CheckConstraint("epoch >= 0", name="epoch"),
    # A finished run is final: nothing is due for it.
    CheckConstraint("finished_at IS NULL OR wake_at IS NULL", name="final"),
)
Index("ix_runs_tenant_run", runs.c.tenant, runs.c.run_id)
Index("ix_runs_tenant_user", runs.c.tenant, runs.c.user_id, runs.c.run_id)
Index("ix_runs_tenant_status", runs.c.tenant, runs.c.status, runs.c.run_id)
Index("ix_runs_tenant_user_status", runs.c.tenant, runs.c.user_id, runs.c.status, runs.c.run_id)
Index("ix_runs_tenant_repeat", runs.c.tenant, runs.c.user_id, runs.c.repeat_key, runs.c.run_id)
Index("ix_runs_tenant_plan", runs.c.tenant, runs.c.plan_id, runs.c.run_id)
_unfinished = text("finished_at IS NULL")
Index("ix_runs_unfinished", runs.c.run_id, sqlite_where=_unfinished, postgresql_where=_unfinished)
Index(
    "ix_runs_tenant_unfinished",
    runs.c.tenant,
    runs.c.run_id,
    sqlite_where=_unfinished,
    postgresql_where=_unfinished,
)
_waking = text("wake_at IS NOT NULL")
Index("ix_runs_wake", runs.c.wake_at, sqlite_where=_waking, postgresql_where=_waking)
_finished = text("finished_at IS NOT NULL")
Index("ix_runs_finished", runs.c.finished_at, sqlite_where=_finished, postgresql_where=_finished)

run_inputs = Table(
    "run_inputs",
    metadata,
    _run_id(primary_key=True),
    Column("intent", Text, nullable=False),
    Column("context", Text, nullable=False),
    Column("output_schema", Text, nullable=False),
    Column("integrations", Text, nullable=False),  # JSON: the resolved selection, with revisions
)

run_secrets = Table(
    "run_secrets",
    metadata,
    _run_id(primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

run_integrations = Table(
    "run_integrations",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("integration_id", Text, primary_key=True),
    _run_id(primary_key=True),
    sqlite_with_rowid=False,
)
Index("ix_run_integrations_run", run_integrations.c.run_id)

events = Table(
    "events",
    metadata,
    _run_id(primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("append_id", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    CheckConstraint("sequence >= 1", name="from_one"),
    # Records are read in the order of the key, so that the table is its own index.
    sqlite_with_rowid=False,
)

artifacts = Table(
    "artifacts",
    metadata,
    _run_id(primary_key=True),
    Column("id", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("approval_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    _run_id(),
    Column("sequence", Integer, nullable=False),  # of its ApprovalRequested
    Column("status", Text, nullable=False),
    Column("resolved_sequence", Integer),
    CheckConstraint("status IN ('pending', 'decided', 'expired', 'closed')", name="status"),
    CheckConstraint("(status IN ('decided', 'expired')) = (resolved_sequence IS NOT NULL)", name="resolved"),
)
Index("ix_approvals_tenant", approvals.c.tenant, approvals.c.approval_id)
Index("ix_approvals_tenant_status", approvals.c.tenant, approvals.c.status, approvals.c.approval_id)
Index("ix_approvals_run", approvals.c.run_id, approvals.c.tenant, approvals.c.approval_id)

requests = Table(
    "requests",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("method", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    _run_id(),
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_requests_created", requests.c.created_at)
Index("ix_requests_run", requests.c.run_id)

audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, ForeignKey("tenants.tenant"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Text, nullable=False),  # JSON, without secrets
)
Index("ix_audit_tenant", audit.c.tenant, audit.c.id)
Index("ix_audit_tenant_actor", audit.c.tenant, audit.c.actor, audit.c.id)
Index("ix_audit_tenant_action", audit.c.tenant, audit.c.action, audit.c.id)
Index("ix_audit_tenant_subject", audit.c.tenant, audit.c.subject, audit.c.id)
