"""Runs: read, listed, followed and stopped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager

from msgspec import Struct

from ..domain import commands
from ..domain.errors import Conflict, Exhausted, NotFound, Reason, Refused, Unavailable
from ..domain.events import Record
from ..domain.policy import CANCEL_GRACE
from ..environment import World
from ..store.journal_reads import Head
from ..store.repositories.runs import RunFilter
from ..store.store import Store
from ..streams import Hub, View, encoded, records
from .changes import change
from .principal import Principal, Scope
from .views import RunView, Views


class Page(Struct, frozen=True):
    """Runs of one page, and whether there are more."""

    runs: Sequence[RunView]
    more: bool


class Runs:
    """The runs of all tenants, as the caller may see and change them."""

    def __init__(self, store: Store, hub: Hub, world: World, seen: Views) -> None:
        self._store = store
        self._journal = store.journal
        self._hub = hub
        self._world = world
        self._views = seen

    async def get(self, principal: Principal, run_id: str, *, events: int = 0) -> RunView:
        """One run, with enough records to show `events`. RUN_NOT_FOUND."""
        principal.require(Scope.RUNS_READ)
        return await self._views.view(principal.tenant, run_id, events=events)

    async def page(
        self, principal: Principal, wanted: RunFilter, *, limit: int, skip: int, events: int
    ) -> Page:
        """Newest first."""
        principal.require(Scope.RUNS_READ)
        async with self._store.begin(principal.tenant) as transaction:
            heads = await transaction.runs.list(wanted, limit=limit + 1, skip=skip)
        seen = await asyncio.gather(
            *(self._seen(principal.tenant, head.run_id, events) for head in heads[:limit])
        )
        return Page([run for run in seen if run is not None], more=len(heads) > limit)

    async def _seen(self, tenant: str, run_id: str, events: int) -> RunView | None:
        try:
            return await self._views.view(tenant, run_id, events=events)
        except NotFound:
            return None  # erased since the page was found

    async def plan(self, principal: Principal, plan_id: str) -> RunView:
        """The newest run with this plan. PLAN_NOT_FOUND."""
        principal.require(Scope.RUNS_READ)
        async with self._store.begin(principal.tenant) as transaction:
            head = await transaction.runs.with_plan(plan_id)
        if head is None:
            raise NotFound(Reason.PLAN_NOT_FOUND, f"there is no plan {plan_id}", subject=plan_id)
        return await self._views.view(principal.tenant, head.run_id)

    async def cancel(self, principal: Principal, run_id: str, *, allow_finished: bool = False) -> RunView:
        """Stop a run, and wait for its end up to the grace and a second. RUN_FINISHED."""
        principal.require(Scope.RUNS_WRITE)
        head = await self._store.run(principal.tenant, run_id)
        try:
            run = await change(
                self._journal,
                self._world,
                head.tenant,
                run_id,
                lambda draft: commands.cancel(draft.run, actor=principal.actor, now=draft.now),
            )
        except Conflict as refused:
            if refused.reason is Reason.RUN_FINISHED and allow_finished:
                return await self._views.view(principal.tenant, run_id)
            raise
        if not run.ended:
            await self._ended(head, run.sequence, CANCEL_GRACE / 1_000 + 1)
        return await self._views.view(principal.tenant, run_id)

    async def _ended(self, head: Head, after: int, seconds: float) -> None:
        # The cancellation is stored; where its end cannot be followed, the run is answered as it is.
        run = head.tenant, head.run_id
        with (
            contextlib.suppress(TimeoutError, Exhausted, Unavailable),
            self._hub.following(head.run_id) as subscription,
        ):
            async with asyncio.timeout(seconds):
                async for _ in records(subscription, self._hub, self._journal, run, after):
                    pass

    async def events(
        self, principal: Principal, run_id: str, *, after: int, limit: int
    ) -> tuple[Head, list[Record]]:
        """Records behind a cursor. CURSOR_AHEAD."""
        principal.require(Scope.RUNS_READ)
        head = await self._reachable(principal.tenant, run_id, after)
        return head, await self._journal.read(run_id, after, limit)

    @asynccontextmanager
    async def following(
        self, tenant: str, run_id: str, *, after: int, view: View
    ) -> AsyncGenerator[AsyncGenerator[bytes, None] | None, None]:
        """A run's encoded events behind a cursor, live until it ends. CURSOR_AHEAD, SERVER_DRAINING.

        None: it has ended, and nothing is behind the cursor. TOO_MANY_STREAMS is said here, before
        anything is read, and nothing takes the place away as long as this lasts.
        """
        with self._hub.following(run_id) as subscription:
            head = await self._reachable(tenant, run_id, after)
            if head.finished_at is not None and after >= head.last_sequence:
                yield None
                return
            run = tenant, run_id
            async with aclosing(encoded(subscription, self._hub, self._journal, run, after, view)) as pieces:
                yield pieces

    async def _reachable(self, tenant: str, run_id: str, after: int) -> Head:
        head = await self._store.run(tenant, run_id)
        if head.finished_at is None and after > head.last_sequence:
            message = f"the cursor {after} lies beyond the head {head.last_sequence}"
            raise Refused(Reason.CURSOR_AHEAD, message, subject=run_id)
        return head
