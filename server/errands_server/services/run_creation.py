"""Creates runs: checks a request, stores the run with its first events, starts it and waits for its plan."""

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
from ..domain.preflight import Preflight
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
from .preflight import PreflightService
from .principal import Principal, Scope
from .quotas import Quotas
from .runs import MAX_EVENTS, Runs, RunView

ALL: Final = "*"
CREATE: Final = "CreateRun"
SELECTION: Final = "selected_customer_integration_ids"


class NewRun(Struct, frozen=True, kw_only=True):
    """What a caller asks for, as it was read from the request; `RunCreation` checks it."""

    intent: str
    selection: Sequence[str]  # ids of integrations, or "*" alone for every active one
    context: str
    user_id: str
    strategy: Strategy
    repeat_key: str = ""
    output_schema: str = ""  # JSON text
    request_id: str = ""  # with it the request is idempotent
    request_hash: bytes = b""  # SHA-256 of everything that a request with the same id must repeat
    plan_wait_s: float = 10.0
    traceparent: str = ""
    passed: tuple[PassThrough, ...] = ()

    def texts(self) -> Mapping[str, str]:
        """What is stored and shown as it was written, by field of the request."""
        return {
            "intent": self.intent,
            "context": self.context,
            "user_id": self.user_id,
            "repeat_key": self.repeat_key,
            "output_schema_json": self.output_schema,
        }


class MalformedFields(Struct, frozen=True, kw_only=True):
    """Violations found while a request was read, in groups: what the service finds is reported in between."""

    selection: Sequence[Violation] = ()  # of the intent and the selection of integrations
    pass_through: Sequence[Violation] = ()
    others: Sequence[Violation] = ()


class RunPreview(Struct, frozen=True, kw_only=True):
    """What a run would be, and what it would need."""

    run: Run  # without a plan where none was made in time
    preflight: Preflight
    clauses: tuple[ClauseRead, ...] = ()  # how the intent was read; empty unless that is asked for


class RunCreation:
    """Creates runs for any tenant, as the caller may.

    Both methods take what was read of a request and what is malformed in it, and raise one Invalid
    with every violation: of the form, of the selection and of what is passed through.
    """

    def __init__(
        self,
        *,
        store: Store,
        hub: Hub,
        engine: Engine,
        catalog: ToolCatalog,
        planner: Planner,
        planner_limits: PlannerLimits,
        environment: Environment,
        runs: Runs,
        pass_through: PassThroughCheck,
        preflight: PreflightService,
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
        self._runs = runs
        self._pass_through = pass_through
        self._preflight = preflight
        self._sealer = sealer
        self._quotas = quotas

    async def create(self, principal: Principal, wanted: NewRun, malformed: MalformedFields) -> RunView:
        """Store a run, start it, and wait up to `plan_wait_s` for its plan.

        A request that was carried out before is answered with its run, whatever has changed since.
        SCOPE_MISSING, IDEMPOTENCY_KEY_REUSED, FIELD_INVALID, RATE_LIMITED, RUN_QUEUE_FULL,
        SERVER_DRAINING: nothing is stored. COMMIT_UNKNOWN.
        """
        principal.require(Scope.RUNS_WRITE)
        tenant = principal.tenant
        request = self._request_key(wanted)
        if request is not None:
            known = await self._journal.find_replay(tenant, request, self._environment.now())
            if known is not None:
                return await self._runs.view(tenant, known, events=MAX_EVENTS)
        inputs = await self._inputs(tenant, wanted, malformed)
        self._quotas.take_run(tenant)
        creation = self._creation(principal, wanted, inputs, request, self._environment.new_id())
        # What a run repeats is known only when it is stored, so its beginning is decided afterwards.
        draft = None if creation.repeat_key else creation.build(None)
        if draft is not None and await self._engine.begin_creation(tenant, creation.run_id, inputs, draft):
            with self._engine.admit(tenant):
                created = await self._store_run(replace(creation, build=lambda _: draft))
        else:
            created = await self._store_and_plan(creation, wanted.plan_wait_s)
        if created.replayed or created.run is None:
            return await self._runs.view(tenant, created.run_id, events=MAX_EVENTS)
        head = _head(creation, created.run)
        return RunView(head=head, inputs=inputs, run=created.run, records=created.records)

    async def validate(
        self, principal: Principal, wanted: NewRun, malformed: MalformedFields, *, explain: bool
    ) -> RunPreview:
        """Plan a run and say what it would need. Nothing is stored or started.

        SCOPE_MISSING, FIELD_INVALID.
        """
        principal.require(Scope.RUNS_WRITE)
        inputs = await self._inputs(principal.tenant, wanted, malformed)
        run, clauses = await self._preview(principal, wanted, inputs, explain=explain)
        passed = {entry.integration_id for entry in wanted.passed}
        preflight = await self._preflight.preflight(principal, run, passed)
        return RunPreview(run=run, preflight=preflight, clauses=clauses)

    def _request_key(self, wanted: NewRun) -> RequestKey | None:
        if not wanted.request_id:
            return None
        return RequestKey(CREATE, wanted.request_id, self._sealer.mac("request body", wanted.request_hash))

    async def _inputs(self, tenant: str, wanted: NewRun, malformed: MalformedFields) -> Inputs:
        """What the run is given. FIELD_INVALID: everything that is wrong, in the order of the fields."""
        selected, unknown = await self._select(tenant, wanted.selection)
        unfit: list[Violation] = []
        if wanted.passed:
            unfit += await self._pass_through.check(tenant, wanted.selection, wanted.passed)
            unfit += await leaked_secrets(wanted.passed, wanted.texts())
        violations = [
            *malformed.selection,
            *unknown,
            *malformed.pass_through,
            *unfit,
            *malformed.others,
        ]
        if violations:
            raise Invalid(violations)
        return Inputs(
            intent=wanted.intent,
            context=wanted.context,
            output_schema=wanted.output_schema,
            integrations=tuple(selected),
        )

    async def _select(
        self, tenant: str, selection: Sequence[str]
    ) -> tuple[Sequence[Selected], Sequence[Violation]]:
        """The integrations that are selected, at their newest revisions, and what is wrong with the rest."""
        if ALL in selection and len(selection) > 1:
            return (), [Violation(SELECTION, '"*" stands alone: it means every active integration')]
        active = await self._catalog.active(tenant)
        chosen = list(active) if ALL in selection else list(dict.fromkeys(selection))
        if any(key not in active for key in chosen):
            self._catalog.changed(tenant)  # another process may just have added it
            active = await self._catalog.active(tenant)
        unknown = [
            Violation(f"{SELECTION}[{index}]", f"{key!r} is no active integration of this tenant")
            for index, key in enumerate(selection)
            if key not in active and key != ALL
        ]
        selected = [Selected(key, active[key].integration.revision) for key in chosen if key in active]
        return selected, unknown

    async def _store_and_plan(self, creation: Creation, plan_wait_s: float) -> Created:
        """Store the run; return what happened to it until it was planned or the time was over."""
        subscription = self._hub.subscribe(creation.run_id)
        try:
            with self._engine.admit(creation.tenant):
                created = await self._store_run(creation)
            if created.replayed:
                return created
            run, records = await self._wait_for_plan(subscription, creation.run_id, plan_wait_s)
        finally:
            self._hub.unsubscribe(creation.run_id, subscription)
        return Created(run_id=creation.run_id, records=records, run=run)

    async def _wait_for_plan(
        self, subscription: Subscription, run_id: str, seconds: float
    ) -> tuple[Run, list[Record]]:
        """The new run once it has a plan, a refusal or an end, or when the time is over."""
        run = Run()
        records: list[Record] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not _is_planned(run):
                    entries = await subscription.take()
                    if entries is None:  # another process planned it
                        fresh = await self._journal.read(run_id, run.sequence)
                    else:
                        fresh = [e.record for e in entries if e.record.sequence > run.sequence]
                    if not fresh:  # the server drains: the run stays without a plan for now
                        break
                    records += fresh
                    run = fold(fresh, run)
        return run, records

    async def _preview(
        self, principal: Principal, wanted: NewRun, inputs: Inputs, *, explain: bool
    ) -> tuple[Run, tuple[ClauseRead, ...]]:
        """The run with its plan, and how the intent was read; without them where `plan_wait_s` is over."""
        run = self._creation(principal, wanted, inputs, None, run_id="").build(None).run
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
            async with asyncio.timeout(wanted.plan_wait_s):
                made = await make_plan(self._planner, self._journal, self._environment, run=run, brief=brief)
                draft.add(*made.events)
                return draft.run, made.clauses
        return draft.run, ()

    def _creation(
        self, principal: Principal, wanted: NewRun, inputs: Inputs, request: RequestKey | None, run_id: str
    ) -> Creation:
        passed = wanted.passed
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
                    passed=tuple(entry.integration_id for entry in passed),
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
            request=request,
            secrets=seal(self._sealer, passed, principal.tenant, run_id) if passed else b"",
            now=now,
            build=build,
        )

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
