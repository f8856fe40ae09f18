"""Reads, lists, follows and cancels runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

from msgspec import Struct

from ..domain import commands
from ..domain.errors import Conflict, Exhausted, NotFound, Reason, Refused, Unavailable
from ..domain.events import Record
from ..domain.fold import fold
from ..domain.inputs import Inputs
from ..domain.policy import CANCEL_GRACE
from ..domain.run import Run
from ..environment import Environment
from ..executor import documents
from ..lru import LruCache
from ..store.journal_reads import PAGE, Head, Latest
from ..store.repositories.runs import RunFilter
from ..store.store import Store
from ..streams import Hub, View, encoded, records
from .principal import Principal, Scope
from .run_changes import change

MAX_EVENTS: Final = 1_000
MAX_EVENTS_IN_LISTS: Final = 50
_CACHED: Final = 512  # runs whose fold is kept


class RunView(Struct, frozen=True, kw_only=True):
    """A run as it is at one sequence of its log."""

    head: Head
    inputs: Inputs
    run: Run
    records: Sequence[Record] = ()  # the first ones, where they are asked for
    result: bytes = b""  # JSON text; empty where there is none


class RunPage(Struct, frozen=True):
    """One page of a list of runs."""

    runs: Sequence[RunView]  # newest first
    more: bool  # whether another page follows


class _CachedRun(Struct, frozen=True):
    """A run's fold so far, and its inputs, which never change."""

    run: Run
    inputs: Inputs


class Runs:
    """The runs of all tenants, as the caller may see and change them.

    Folds are cached; every read asks the log for what was appended since.
    """

    def __init__(self, store: Store, hub: Hub, environment: Environment) -> None:
        self._store = store
        self._journal = store.journal
        self._hub = hub
        self._environment = environment
        self._cache: LruCache[str, _CachedRun] = LruCache(_CACHED)

    async def view(self, tenant: str, run_id: str, *, events: int = 0) -> RunView:
        """The run as it is now, with enough records to show `events`; no scope is asked for.

        RUN_NOT_FOUND.
        """
        cached = self._cache.find(run_id)
        run = Run() if cached is None else cached.run
        latest = await self._read_latest(tenant, run_id, run.sequence)
        run = fold(latest.records, run)
        while run.sequence < latest.head.last_sequence:
            latest = await self._read_latest(tenant, run_id, run.sequence)
            run = fold(latest.records, run)
        inputs = await self._journal.inputs(run_id) if cached is None else cached.inputs
        self._cache.replace(run_id, _CachedRun(run, inputs))
        result = b""
        if run.result is not None:
            result = await documents.text(self._journal, run_id, run.result)
        return RunView(
            head=latest.head,
            inputs=inputs,
            run=run,
            records=await self._read_records(run_id, events) if events else (),
            result=result,
        )

    async def get(self, principal: Principal, run_id: str, *, events: int = 0) -> RunView:
        """One run, with enough records to show `events`. RUN_NOT_FOUND."""
        principal.require(Scope.RUNS_READ)
        return await self.view(principal.tenant, run_id, events=events)

    async def page(
        self, principal: Principal, wanted: RunFilter, *, limit: int, skip: int, events: int
    ) -> RunPage:
        """The runs that match, behind the first `skip`; each with enough records to show `events`."""
        principal.require(Scope.RUNS_READ)
        async with self._store.begin(principal.tenant) as transaction:
            heads = await transaction.runs.list(wanted, limit=limit + 1, skip=skip)

        async def find(run_id: str) -> RunView | None:
            try:
                return await self.view(principal.tenant, run_id, events=events)
            except NotFound:
                return None  # erased since the page was read

        found = await asyncio.gather(*(find(head.run_id) for head in heads[:limit]))
        return RunPage([run for run in found if run is not None], more=len(heads) > limit)

    async def get_by_plan(self, principal: Principal, plan_id: str) -> RunView:
        """The newest run with this plan. PLAN_NOT_FOUND."""
        principal.require(Scope.RUNS_READ)
        async with self._store.begin(principal.tenant) as transaction:
            head = await transaction.runs.find_by_plan(plan_id)
        if head is None:
            raise NotFound(Reason.PLAN_NOT_FOUND, f"there is no plan {plan_id}", subject=plan_id)
        return await self.view(principal.tenant, head.run_id)

    async def cancel(self, principal: Principal, run_id: str, *, allow_finished: bool = False) -> RunView:
        """Stop a run, and wait for its end up to the grace and a second. RUN_NOT_FOUND, RUN_FINISHED."""
        principal.require(Scope.RUNS_WRITE)
        head = await self._store.run(principal.tenant, run_id)
        try:
            run = await change(
                self._journal,
                self._environment,
                head.tenant,
                run_id,
                lambda draft: commands.cancel(draft.run, actor=principal.actor, now=draft.now),
            )
        except Conflict as refused:
            if refused.reason is Reason.RUN_FINISHED and allow_finished:
                return await self.view(principal.tenant, run_id)
            raise
        if not run.ended:
            await self._wait_for_end(head, run.sequence, CANCEL_GRACE / 1_000 + 1)
        return await self.view(principal.tenant, run_id)

    async def _wait_for_end(self, head: Head, after: int, seconds: float) -> None:
        # The cancellation is stored; where its end cannot be followed, the run is answered as it is.
        run = head.tenant, head.run_id
        with (
            contextlib.suppress(TimeoutError, Exhausted, Unavailable),
            self._hub.following(head.run_id) as subscription,
        ):
            async with asyncio.timeout(seconds):
                async for _ in records(subscription, self._hub, self._journal, run, after):
                    pass

    async def read_events(
        self, principal: Principal, run_id: str, *, after: int, limit: int
    ) -> tuple[Head, list[Record]]:
        """The run's head, and up to `limit` records behind a sequence. RUN_NOT_FOUND, CURSOR_AHEAD."""
        principal.require(Scope.RUNS_READ)
        head = await self._check_cursor(principal.tenant, run_id, after)
        return head, await self._journal.read(run_id, after, limit)

    @asynccontextmanager
    async def follow(
        self, tenant: str, run_id: str, *, after: int, view: View
    ) -> AsyncGenerator[AsyncGenerator[bytes, None] | None, None]:
        """A run's encoded events behind a sequence, live until it ends; no scope is asked for.

        None: it has ended, and nothing follows that sequence. RUN_NOT_FOUND, CURSOR_AHEAD,
        SERVER_DRAINING. TOO_MANY_STREAMS is raised before anything is read; the place is kept as
        long as the context lasts.
        """
        with self._hub.following(run_id) as subscription:
            head = await self._check_cursor(tenant, run_id, after)
            if head.finished_at is not None and after >= head.last_sequence:
                yield None
                return
            run = tenant, run_id
            async with aclosing(encoded(subscription, self._hub, self._journal, run, after, view)) as pieces:
                yield pieces

    async def _check_cursor(self, tenant: str, run_id: str, after: int) -> Head:
        head = await self._store.run(tenant, run_id)
        if head.finished_at is None and after > head.last_sequence:
            message = f"the cursor {after} lies beyond the head {head.last_sequence}"
            raise Refused(Reason.CURSOR_AHEAD, message, subject=run_id)
        return head

    async def _read_latest(self, tenant: str, run_id: str, after: int) -> Latest:
        latest = await self._journal.latest(run_id, after)
        if latest is None or latest.head.tenant != tenant:
            raise NotFound(Reason.RUN_NOT_FOUND, f"there is no run {run_id}", subject=run_id)
        return latest

    async def _read_records(self, run_id: str, events: int) -> list[Record]:
        # Not every record is shown; logs in which under a quarter is do not occur.
        records: list[Record] = []
        while len(records) < 4 * events:
            page = await self._journal.read(run_id, len(records))
            records += page
            if len(page) < PAGE:
                break
        return records
