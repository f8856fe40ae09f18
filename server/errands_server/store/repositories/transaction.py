"""A transaction of one tenant: no statement in it reads or changes rows of another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ...domain.errors import Reason, Unavailable
from .approvals import ApprovalRepository
from .audit import AuditRepository
from .connections import ConnectionRepository
from .flows import FlowRepository
from .integrations import IntegrationRepository
from .keys import KeyRepository
from .runs import RunRepository
from .tenants import TenantRepository


class Transaction:
    """The repositories of one tenant, over one connection."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    @cached_property
    def runs(self) -> RunRepository:
        return RunRepository(self._connection, self._tenant)

    @cached_property
    def approvals(self) -> ApprovalRepository:
        return ApprovalRepository(self._connection, self._tenant)

    @cached_property
    def integrations(self) -> IntegrationRepository:
        return IntegrationRepository(self._connection, self._tenant)

    @cached_property
    def audit(self) -> AuditRepository:
        return AuditRepository(self._connection, self._tenant)

    @cached_property
    def keys(self) -> KeyRepository:
        return KeyRepository(self._connection, self._tenant)

    @cached_property
    def connections(self) -> ConnectionRepository:
        return ConnectionRepository(self._connection, self._tenant)

    @cached_property
    def flows(self) -> FlowRepository:
        return FlowRepository(self._connection, self._tenant)

    @cached_property
    def tenants(self) -> TenantRepository:
        return TenantRepository(self._connection, self._tenant)


@asynccontextmanager
async def begin(engine: AsyncEngine, tenant: str, *, writes: bool) -> AsyncIterator[Transaction]:
    """A transaction in which no row of another tenant can be read or changed.

    A tenant has one writing transaction at a time, so that what it reads stays true until it commits.
    It commits when the block ends and rolls back when the block raises. STORE_UNAVAILABLE: the
    database is locked, full or away, or all connections are in use; nothing was changed.
    """
    try:
        async with engine.connect() as connection:
            connection = await connection.execution_options(writes=writes)
            async with connection.begin():
                if writes and connection.dialect.name == "postgresql":  # SQLite has one writer anyway
                    await connection.execute(_ONE_WRITER, {"tenant": tenant})
                yield Transaction(connection, tenant)
    except (OperationalError, NoConnection) as error:
        message = f"the database cannot be used: {getattr(error, 'orig', error)}"
        raise Unavailable(Reason.STORE_UNAVAILABLE, message) from error


_ONE_WRITER: Final = text("SELECT pg_advisory_xact_lock(hashtext('errands writer'), hashtext(:tenant))")
