"""Erases finished runs that are old enough, whole."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from . import tables as t
from .batch import REQUEST_TTL

PORTION = 200  # runs erased in one transaction, so that writers never wait long


async def erase(engine: AsyncEngine, before: int) -> int:
    """Erase runs that finished before this time, with all that belongs to them; how many."""
    erased = 0
    while True:
        old = select(t.runs.c.run_id).where(t.runs.c.finished_at < before).limit(PORTION)
        count = await _write(engine, delete(t.runs).where(t.runs.c.run_id.in_(old)))
        erased += count
        if count < PORTION:
            return erased


async def forget_requests(engine: AsyncEngine, now: int) -> int:
    """Forget request ids older than a day; how many."""
    return await _write(engine, delete(t.requests).where(t.requests.c.created_at <= now - REQUEST_TTL))


async def _write(engine: AsyncEngine, statement: Any) -> int:
    async with engine.connect() as connection:
        connection = await connection.execution_options(writes=True)
        async with connection.begin():
            count: int = (await connection.execute(statement)).rowcount
            return count
