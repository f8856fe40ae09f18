"""Creates runs: checked, stored with their first events, started, and answered with their plan."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ..credentials.pass_through.entries import PassThrough, seal
from ..domain.draft import Draft
from ..domain.effects import MakePlan, next_effects
from ..domain.errors import CommitUnknown, Invalid, Reason, Unavailable, Violation
from ..domain.events import Record, RunCreated, Strategy
from ..domain.explanation import ClauseRead
from ..domain.fold import fold
from ..domain.inputs import Inputs, Selected
from ..domain.run import RULES_VERSION, Run
from ..environment import Environment
from ..executor.plan_effects import make_plan
from ..ports import Brief, Engine, Planner, PlannerLimits
from ..store.encryption import Sealer
from ..store.journal_reads import Head
from ..store.repositories.requests import RequestKey
from ..store.store import Store
from ..store.write_requests import Created, Creation, Repeated
from ..streams import Hub, Subscription
from ..tools.catalog import ToolCatalog
from .pass_through import PassThroughCheck, leaked_secrets
from .principal import Principal, Scope
from .quotas import Quotas
from .runs import MAX_EVENTS, RunView, Views

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
    traceparent: str = ""
    passed: tuple[PassThrough, ...] = ()  # checked


class RunCreation:
    """Creates runs for any tenant, as the caller may."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        engine: Engine,
        catalog: ToolCatalog,
        planner: Planner,
        planner_limits: PlannerLimits,
        environment: Environment,
        seen: Views,
        passing: PassThroughCheck,
        sealer: Sealer,
        quotas: Quotas,
    ) -> None:
        self._journal = store.journal
        self._hub = hub
        self._engine = engine
        self._catalog = catalog
        self._planner = planner
        self._planner_limits = planner_limits
        self._environment = environment
        self._views = seen
        self._passing = passing
        self._sealer = sealer
        self._quotas = quotas

    async def unfit(
        self,
        principal: Principal,
        selection: Sequence[str],
        passed: Sequence[PassThrough],
        texts: Mapping[str, str],
    ) -> list[Violation]:
        """Where what is passed through does not fit a selection of integrations, or stands in a text, too."""
        problems = await self._passing.problems(principal.tenant, selection, passed)
        return [*problems, *await leaked_secrets(passed, texts)]

    async def problems(self, principal: Principal, selection: Sequence[str]) -> list[Violation]:
        """What is wrong with a selection of integrations, for who may create runs."""
        principal.require(Scope.RUNS_WRITE)
        field = "selected_customer_integration_ids"
        if ALL in selection:
            if len(selection) > 1:
                return [Violation(field, '"*" stands alone: it means every active integration')]
            return []
        active = await self._catalog.active(principal.tenant)
        if any(chosen not in active for chosen in selection):
            self._catalog.changed(principal.tenant)  # another process may just have added it
            active = await self._catalog.active(principal.tenant)
        return [
            Violation(f"{field}[{index}]", f"{chosen!r} is no active integration of this tenant")
            for index, chosen in enumerate(selection)
            if chosen not in active
        ]

    async def answered(self, principal: Principal, request: RequestKey) -> RunView | None:
        """The run this very request made before, whatever has changed since.

        IDEMPOTENCY_KEY_REUSED: it had another body then.
        """
        principal.require(Scope.RUNS_WRITE)
        run_id = await self._journal.answered(principal.tenant, request, self._environment.now())
        if run_id is None:
            return None
        return await self._views.view(principal.tenant, run_id, events=MAX_EVENTS)

    async def create(self, principal: Principal, wanted: NewRun) -> RunView:
        """Store a run, start it, and wait up to `plan_wait` for its plan.

        Asked again with the same request key it answers with the same run. RATE_LIMITED,
        RUN_QUEUE_FULL, IDEMPOTENCY_KEY_REUSED; nothing is stored then.
        """
        principal.require(Scope.RUNS_WRITE)
        inputs = await self._inputs(principal, wanted)
        self._quotas.run(principal.tenant)
        run_id = self._environment.new_id()
        creation = self._creation(principal, wanted, inputs, run_id)
        begun = await self._begun(creation)
        if begun is not None:
            with self._engine.admit(principal.tenant):
                created = await self._store_run(begun)
        else:
            created = await self._stored_and_planned(creation, wanted.plan_wait)
        if created.replayed or created.run is None:
            return await self._views.view(principal.tenant, created.run_id, events=MAX_EVENTS)
        head = _head(creation, created.run)
        return RunView(head=head, inputs=inputs, run=created.run, records=created.records)

    async def _begun(self, creation: Creation) -> Creation | None:
        """The run with its plan, where it can be made before the run is stored; else None.

        What a run repeats is known only when it is stored.
        """
        if creation.repeat_key:
            return None
        draft = creation.build(None)
        if not await self._engine.begin_creation(creation.tenant, creation.run_id, creation.inputs, draft):
            return None
        return replace(creation, build=lambda _: draft)

    async def _stored_and_planned(self, creation: Creation, plan_wait: float) -> Created:
        """The run that was stored, and what happened to it until it was planned or the time was over."""
        subscription = self._hub.subscribe(creation.run_id)
        try:
            with self._engine.admit(creation.tenant):
                created = await self._store_run(creation)
            if created.replayed:
                return created
            run, records = await self._planned(subscription, creation.run_id, plan_wait)
        finally:
            self._hub.unsubscribe(creation.run_id, subscription)
        return Created(run_id=creation.run_id, records=records, run=run)

    async def _planned(
        self, subscription: Subscription, run_id: str, seconds: float
    ) -> tuple[Run, list[Record]]:
        """The new run once it has a plan, a refusal or an end, or when the time is over."""
        run = Run()
        records: list[Record] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # Nothing comes where the server drains: the run stays without a plan for now.
                while not _is_planned(run) and (fresh := await self._came(subscription, run_id, run)):
                    records += fresh
                    run = fold(fresh, run)
        return run, records

    async def _came(self, subscription: Subscription, run_id: str, run: Run) -> Sequence[Record]:
        entries = await subscription.take()
        if entries is None:  # it was planned by another process
            return await self._journal.read(run_id, run.sequence)
        return [entry.record for entry in entries if entry.record.sequence > run.sequence]

    async def preview(self, principal: Principal, wanted: NewRun) -> Run:
        """The run as it would be once planned, without a plan where that takes longer than
        `plan_wait`. Nothing is stored or started.
        """
        return (await self._preview(principal, wanted, explain=False))[0]

    async def explain(self, principal: Principal, wanted: NewRun) -> tuple[Run, tuple[ClauseRead, ...]]:
        """The same, with how the clauses of the intent were read; none where no plan was made."""
        return await self._preview(principal, wanted, explain=True)

    async def _preview(
        self, principal: Principal, wanted: NewRun, *, explain: bool
    ) -> tuple[Run, tuple[ClauseRead, ...]]:
        principal.require(Scope.RUNS_WRITE)
        inputs = await self._inputs(principal, wanted)
        run = self._creation(principal, wanted, inputs, run_id="").build(None).run
        draft = Draft(run, self._environment.now())
        brief = Brief(
            tenant=principal.tenant,
            intent=inputs.intent,
            context=inputs.context,
            candidates=await self._catalog.candidates(principal.tenant, inputs.integrations),
            now=datetime.fromtimestamp(draft.now / 1_000, UTC),
            explain=explain,
            limits=self._planner_limits,
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wanted.plan_wait):
                made = await make_plan(self._planner, self._journal, self._environment, run=run, brief=brief)
                draft.add(*made.events)
                return draft.run, made.clauses
        return draft.run, ()

    async def _inputs(self, principal: Principal, wanted: NewRun) -> Inputs:
        violations = await self.problems(principal, wanted.selection)
        if violations:
            raise Invalid(violations)
        active = await self._catalog.active(principal.tenant)
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
        now = self._environment.now()
        plan_id = self._environment.new_id()

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
                    traceparent=wanted.traceparent,
                    passed=tuple(entry.integration_id for entry in wanted.passed),
                    rules_version=RULES_VERSION,
                )
            )
            return draft

        return Creation(
            tenant=principal.tenant,
            run_id=run_id,
            user_id=wanted.user_id,
            engine=self._engine.name,
            repeat_key=wanted.repeat_key,
            inputs=inputs,
            request=wanted.request,
            secrets=self._sealed(principal, wanted, run_id),
            now=now,
            build=build,
        )

    def _sealed(self, principal: Principal, wanted: NewRun, run_id: str) -> bytes:
        return seal(self._sealer, wanted.passed, principal.tenant, run_id) if wanted.passed else b""

    async def _store_run(self, creation: Creation) -> Created:
        try:
            return await self._journal.create(creation)
        except CommitUnknown as error:
            message = "the database was lost at the commit; ask again with the same request id"
            raise Unavailable(Reason.COMMIT_UNKNOWN, message) from error


def _is_planned(run: Run) -> bool:
    return run.ended or (run.sequence > 0 and MakePlan() not in next_effects(run, run.updated_at))


def _head(creation: Creation, run: Run) -> Head:
    """The summary the store has of a run that was just created."""
    return Head(
        run_id=creation.run_id,
        tenant=creation.tenant,
        user_id=creation.user_id,
        status=run.status,
        engine=creation.engine,
        epoch=run.epoch,
        last_sequence=run.sequence,
        repeat_key=creation.repeat_key or creation.run_id,
        repeat_run_id=run.repeat_of or None,
        plan_id=run.plan_id,
        created_at=run.created_at,
        updated_at=run.updated_at,
        wake_at=None,
        finished_at=run.updated_at if run.ended else None,
    )
