"""Resumes runs that wait for access to an integration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeAlias

from ..domain.draft import Draft
from ..domain.events import AnyEvent, AuthResolved
from ..environment import Environment
from ..store.repositories.runs import RunFilter
from ..store.store import Store
from .run_changes import change

OnGranted: TypeAlias = Callable[[str, str, str], Awaitable[None]]
"""Called after a grant, with the tenant, the integration and the user ("" where all users share it)."""

_PAGE: Final = 100


class Authorizations:
    """Resolves the authorizations that runs wait for."""

    def __init__(self, store: Store, environment: Environment, *, on_granted: OnGranted) -> None:
        self._store = store
        self._environment = environment
        self._tasks: set[asyncio.Task[int]] = set()
        self._on_granted = on_granted

    async def grant(self, tenant: str, integration_id: str, user_id: str = "") -> int:
        """Resume every run that waits for this integration, of one user or of all; how many waited."""
        count = await self._finish(self._resolve(tenant, integration_id, user_id, granted=True))
        await self._on_granted(tenant, integration_id, user_id)
        return count

    async def resolve(self, tenant: str, run_id: str, authorization_id: str, *, granted: bool) -> bool:
        """Resume a run whose user did what was asked at a page, or refused; whether it still waited."""
        waited: list[str] = []

        def decide(draft: Draft) -> list[AnyEvent]:
            open_ = () if draft.run.ended else draft.run.authorizations
            waited[:] = [key for key in open_ if key == authorization_id]
            return [AuthResolved(authorization_id=key, granted=granted) for key in waited]

        await change(self._store.journal, self._environment, tenant, run_id, decide)
        return bool(waited)

    async def refuse(self, tenant: str, integration_id: str, user_id: str) -> int:
        """Resume every run of this user that waits for this integration, without it; how many waited."""
        return await self._finish(self._resolve(tenant, integration_id, user_id, granted=False))

    async def _finish(self, work: Coroutine[Any, Any, int]) -> int:
        """Run to the end even if the caller is cancelled: the grant is stored, so no run may keep waiting."""
        task = asyncio.create_task(work, name="errands authorizations")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _resolve(self, tenant: str, integration_id: str, user_id: str, *, granted: bool) -> int:
        decide = partial(_resolve_all, integration_id=integration_id, granted=granted)
        count = 0
        before = ""
        while True:
            wanted = RunFilter(
                user_id=user_id, integration_ids=[integration_id], before=before, unfinished=True
            )
            async with self._store.begin(tenant) as transaction:
                heads = await transaction.runs.list(wanted, limit=_PAGE)
            if not heads:
                return count
            changes = (
                change(self._store.journal, self._environment, tenant, h.run_id, decide) for h in heads
            )
            outcomes = await asyncio.gather(*changes, return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            count += len(heads)
            before = heads[-1].run_id


def _resolve_all(draft: Draft, *, integration_id: str, granted: bool) -> list[AnyEvent]:
    return [
        AuthResolved(authorization_id=key, granted=granted)
        for key, request in draft.run.authorizations.items()
        if request.integration_id == integration_id and not request.url  # each call has a page of its own
    ]
