"""Runs: created, read, listed, followed and stopped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from msgspec import Struct

from ..domain import commands
from ..domain.draft import Draft
from ..domain.effects import MakePlan, next_effects
from ..domain.errors import (
    CommitUnknown,
    Conflict,
    Exhausted,
    Invalid,
    NotFound,
    Reason,
    Refused,
    Unavailable,
    Violation,
)
from ..domain.event import Record, RunCreated, Strategy
from ..domain.policy import CANCEL_GRACE
from ..domain.run import RULES_VERSION, Run, apply
from ..engines import embedded
from ..engines.embedded import EmbeddedEngine
from ..executor.planning import make_plan
from ..ports import Planner
from ..store.reading import Head, Inputs, Selected
from ..store.runs import RunFilter
from ..store.store import Store
from ..store.works import Created, Creation, Repeated, RequestKey
from ..streams import Hub, Subscription, View, encoded, records
from ..tools.catalogue import Catalogue
from ..world import World
from . import views
from .changes import change
from .principal import Principal, Scope
from .views import RunView

ALL: Final = "*"
CREATE: Final = "CreateRun"


class NewRun(Struct, frozen=True, kw_only=True):
    """What a caller asks for. `plan_wait` is in seconds."""

    intent: str
    selection: Sequence[str]
    context: str
    user_id: str
    strategy: Strategy
    repeat_key: str = ""
    output_schema: str = ""
    request: RequestKey | None = None
    plan_wait: float = 10.0


class Page(Struct, frozen=True):
    """Runs of one page, and whether there are more."""

    runs: Sequence[RunView]
    more: bool


class Runs:
    """The runs of all tenants, as the caller may see and change them."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        engine: EmbeddedEngine,
        catalogue: Catalogue,
        planner: Planner,
        world: World,
    ) -> None:
        self._store = store
        self._journal = store.journal
        self._hub = hub
        self._engine = engine
        self._catalogue = catalogue
        self._planner = planner
        self._world = world

    async def problems(self, principal: Principal, selection: Sequence[str]) -> list[Violation]:
        """What is wrong with a selection of integrations, for who may create runs."""
        principal.require(Scope.RUNS_WRITE)
        field = "selected_customer_integration_ids"
        if ALL in selection:
            if len(selection) > 1:
                return [Violation(field, '"*" stands alone: it means every active integration')]
            return []
        active = await self._catalogue.active(principal.tenant)
        return [
            Violation(f"{field}[{index}]", f"{chosen!r} is no active integration of this tenant")
            for index, chosen in enumerate(selection)
            if chosen not in active
        ]

    async def create(self, principal: Principal, wanted: NewRun) -> RunView:
        """Store a run, start it, and wait up to `plan_wait` for its plan.

        Asked again with the same request key it answers with the same run. RUN_QUEUE_FULL,
        IDEMPOTENCY_KEY_REUSED; nothing is stored then.
        """
        principal.require(Scope.RUNS_WRITE)
        self._engine.check_room(principal.tenant)
        inputs = await self._inputs(principal, wanted)
        run_id = self._world.new_id()
        subscription = self._hub.subscribe(run_id)
        try:
            created = await self._store_run(self._creation(principal, wanted, inputs, run_id))
            if created.replayed:
                return await self._view(principal, created.run_id, keep=views.MAX_EVENTS)
            await _plan_or_timeout(subscription, wanted.plan_wait)
        finally:
            self._hub.unsubscribe(run_id, subscription)
        return await self._view(principal, run_id, keep=views.MAX_EVENTS)

    async def preview(self, principal: Principal, wanted: NewRun) -> Run:
        """The run as it would be once planned, without a plan where that takes longer than
        `plan_wait`. Nothing is stored or started.
        """
        principal.require(Scope.RUNS_WRITE)
        inputs = await self._inputs(principal, wanted)
        creation = self._creation(principal, wanted, inputs, run_id="")
        run = creation.build(None).run
        candidates = await self._catalogue.candidates(principal.tenant, inputs.integrations)
        draft = Draft(run, self._world.now())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wanted.plan_wait):
                events = await make_plan(
                    self._planner,
                    self._journal,
                    self._world,
                    run=run,
                    inputs=inputs,
                    candidates=candidates,
                )
                draft.add(*events)
        return draft.run

    async def _inputs(self, principal: Principal, wanted: NewRun) -> Inputs:
        violations = await self.problems(principal, wanted.selection)
        if violations:
            raise Invalid(violations)
        active = await self._catalogue.active(principal.tenant)
        chosen = list(active) if ALL in wanted.selection else list(dict.fromkeys(wanted.selection))
        return Inputs(
            intent=wanted.intent,
            context=wanted.context,
            output_schema=wanted.output_schema,
            integrations=tuple(
                Selected(key, active[key].integration.revision) for key in chosen if key in active
            ),
        )

    def _creation(self, principal: Principal, wanted: NewRun, inputs: Inputs, run_id: str) -> Creation:
        now = self._world.now()
        plan_id = self._world.new_id()

        def build(repeated: Repeated | None) -> Draft:
            draft = Draft(Run(), now)
            same = repeated is not None and repeated.intent == wanted.intent
            draft.add(
                RunCreated(
                    user_id=wanted.user_id,
                    actor=principal.actor,
                    strategy=wanted.strategy,
                    plan_id=repeated.plan_id if repeated is not None and same else plan_id,
                    repeat_of="" if repeated is None else repeated.run_id,
                    rules_version=RULES_VERSION,
                )
            )
            return draft

        return Creation(
            tenant=principal.tenant,
            run_id=run_id,
            user_id=wanted.user_id,
            engine=embedded.NAME,
            repeat_key=wanted.repeat_key,
            inputs=inputs,
            request=wanted.request,
            now=now,
            build=build,
        )

    async def _store_run(self, creation: Creation) -> Created:
        try:
            return await self._journal.create(creation)
        except CommitUnknown as error:
            message = "the database was lost at the commit; ask again with the same request id"
            raise Unavailable(Reason.COMMIT_UNKNOWN, message) from error

    async def get(self, principal: Principal, run_id: str, *, keep: int = 0) -> RunView:
        """One run, with its records where `keep` is not 0. RUN_NOT_FOUND."""
        principal.require(Scope.RUNS_READ)
        return await self._view(principal, run_id, keep=keep)

    async def _view(self, principal: Principal, run_id: str, *, keep: int = 0) -> RunView:
        head = await self._store.run(principal.tenant, run_id)
        return await views.view(self._journal, head, keep=keep)

    async def page(
        self, principal: Principal, wanted: RunFilter, *, limit: int, skip: int, keep: int
    ) -> Page:
        """Newest first."""
        principal.require(Scope.RUNS_READ)
        async with self._store.begin(principal.tenant) as transaction:
            heads = await transaction.runs.list(wanted, limit=limit + 1, skip=skip)
        runs = [await views.view(self._journal, head, keep=keep) for head in heads[:limit]]
        return Page(runs, more=len(heads) > limit)

    async def plan(self, principal: Principal, plan_id: str) -> RunView:
        """The newest run with this plan. PLAN_NOT_FOUND."""
        principal.require(Scope.RUNS_READ)
        async with self._store.begin(principal.tenant) as transaction:
            head = await transaction.runs.with_plan(plan_id)
        if head is None:
            raise NotFound(Reason.PLAN_NOT_FOUND, f"there is no plan {plan_id}", subject=plan_id)
        return await views.view(self._journal, head)

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
                return await self._view(principal, run_id)
            raise
        if not run.ended:
            await self._ended(head, run.sequence, CANCEL_GRACE / 1_000 + 1)
        return await self._view(principal, run_id)

    async def _ended(self, head: Head, after: int, seconds: float) -> None:
        # The cancellation is stored; where its end cannot be followed, the run is answered as it is.
        with contextlib.suppress(TimeoutError, Exhausted, Unavailable):
            async with asyncio.timeout(seconds):
                log = records(self._hub, self._journal, head.tenant, head.run_id, after)
                async for _ in log:
                    pass

    async def events(
        self, principal: Principal, run_id: str, *, after: int, limit: int
    ) -> tuple[Head, list[Record]]:
        """Records behind a cursor. CURSOR_AHEAD."""
        principal.require(Scope.RUNS_READ)
        head = await self._reachable(principal.tenant, run_id, after)
        return head, await self._journal.read(run_id, after, limit)

    async def follow(
        self, tenant: str, run_id: str, *, after: int, view: View
    ) -> AsyncGenerator[bytes, None]:
        """The run's encoded events behind a cursor, live until it ends. CURSOR_AHEAD."""
        head = await self._reachable(tenant, run_id, after)
        if head.finished_at is not None and after >= head.last_sequence:
            return
        pieces = encoded(self._hub, self._journal, tenant, run_id, after=after, view=view)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def _reachable(self, tenant: str, run_id: str, after: int) -> Head:
        head = await self._store.run(tenant, run_id)
        if head.finished_at is None and after > head.last_sequence:
            message = f"the cursor {after} lies beyond the head {head.last_sequence}"
            raise Refused(Reason.CURSOR_AHEAD, message, subject=run_id)
        return head


async def _plan_or_timeout(subscription: Subscription, seconds: float) -> None:
    """Wait until the new run has a plan, a refusal or an end."""
    run = Run()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            # Nothing is taken where the server drains: the run stays without a plan for now.
            while entries := await subscription.take():
                for entry in entries:
                    run = apply(run, entry.record)
                if run.ended or (run.sequence and MakePlan() not in next_effects(run, run.updated_at)):
                    return
