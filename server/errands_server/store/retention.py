"""Deletes what has been kept long enough: finished runs, audit entries, request ids, connect flows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from .repositories.audit import id_prefix
from .repositories.requests import REQUEST_TTL
from .schema import tables as t

PORTION = 200  # rows deleted in one transaction, so that writers do not wait long


async def erase(engine: AsyncEngine, before: int) -> int:
    """Erase runs that finished before `before` (milliseconds), with their rows. Returns how many."""
    old = select(t.runs.c.run_id).where(t.runs.c.finished_at < before).limit(PORTION)
    return await _delete_in_portions(engine, delete(t.runs).where(t.runs.c.run_id.in_(old)))


async def erase_audit(engine: AsyncEngine, before: int) -> int:
    """Erase audit entries made before `before` (milliseconds). Returns how many."""
    old = select(t.audit.c.id).where(t.audit.c.id < id_prefix(before)).limit(PORTION)
    return await _delete_in_portions(engine, delete(t.audit).where(t.audit.c.id.in_(old)))


async def forget_requests(engine: AsyncEngine, now: int) -> int:
    """Delete request ids that are older than `REQUEST_TTL`. Returns how many."""
    key = tuple(t.requests.primary_key)
    old = select(*key).where(t.requests.c.created_at <= now - REQUEST_TTL).limit(PORTION)
    return await _delete_in_portions(engine, delete(t.requests).where(tuple_(*key).in_(old)))


async def forget_flows(engine: AsyncEngine, now: int) -> int:
    """Delete connect flows that have expired, with their secrets. Returns how many."""
    old = select(t.connect_flows.c.id).where(t.connect_flows.c.expires_at <= now).limit(PORTION)
    return await _delete_in_portions(engine, delete(t.connect_flows).where(t.connect_flows.c.id.in_(old)))


async def _delete_in_portions(engine: AsyncEngine, statement: Any) -> int:
    """Repeat a deletion of at most `PORTION` rows until no row is left. Returns how many were deleted."""
    deleted = 0
    async with engine.connect() as connection:
        connection = await connection.execution_options(writes=True)
        while True:
            async with connection.begin():
                count: int = (await connection.execute(statement)).rowcount
            deleted += count
            if count < PORTION:
                return deleted
