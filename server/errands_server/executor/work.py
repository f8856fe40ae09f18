"""The work of one run: what is done outside of a decision, and the outcome it hands to a later one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from msgspec import Struct, field

from ..domain import commands
from ..domain.draft import Draft
from ..domain.effects import Conclude, MakePlan, next_effects
from ..domain.errors import Reason
from ..domain.events import AuthResolved, Call, CallAbandoned, CallLost
from ..domain.inputs import Inputs
from ..domain.run import CallState, Run
from ..environment import Environment
from ..ports import Brief, CallOutcomeUnknown, Planner, PlannerLimits, ResultBrief, Toolbox
from ..store.journal import Journal
from ..tools.catalog import ToolCatalog
from . import documents, outcomes, plan_effects, results
from .deadline import PlannerLate
from .dispatch import Dispatch, open_gate
from .rate_limits import IntegrationLimiter

DISPATCH_WINDOW: Final = 2.0  # seconds from asking for the commit to sending the call
PLAN: Final = "MakePlan"
RESULT: Final = "Conclude"

Outcome = Callable[[Draft], None]
"""Adds the outcome of some work to a draft. Adds nothing if the run has moved past it."""


class RunDependencies(Struct, frozen=True, kw_only=True):
    """What the execution of any run works with."""

    journal: Journal
    catalog: ToolCatalog
    planner: Planner
    toolbox: Toolbox
    environment: Environment
    gate: Callable[[Call], Awaitable[None]] = open_gate  # passed between storing a call and sending it
    limits: IntegrationLimiter = field(default_factory=IntegrationLimiter)
    planner_limits: PlannerLimits = PlannerLimits()


class Work(Struct, frozen=True, kw_only=True):
    """Something to do outside of a decision."""

    name: str  # unique among the work under way of a run
    perform: Callable[[], Awaitable[Outcome]]  # does it; the outcome goes into a later decision
    call: Call | None = None  # the call that it sends


class RunWork:
    """Makes the work of one run. Its outcomes add nothing where the run has moved past them."""

    def __init__(
        self,
        dependencies: RunDependencies,
        dispatch: Dispatch,
        tenant: str,
        run_id: str,
        inputs: Inputs | None = None,
    ) -> None:
        self._dependencies = dependencies
        self._dispatch = dispatch
        self._tenant = tenant
        self._run_id = run_id
        self._inputs = inputs

    async def inputs(self) -> Inputs:
        """What the run was given, read once."""
        if self._inputs is None:
            self._inputs = await self._dependencies.journal.inputs(self._run_id)
        return self._inputs

    def plan(self, run: Run) -> Work:
        """Make the plan of the run."""
        return Work(name=PLAN, perform=partial(self.make_plan, run))

    def result(self, inputs: Inputs, found: list[Any]) -> Work:
        """Make a result that fits the caller's schema, of what the steps came to."""
        return Work(name=RESULT, perform=partial(self._make_result, inputs, found))

    def send(self, call: Call, run: Run, asked: float) -> Work:
        """Send a call that is stored as started; its commit was asked for at `asked` (monotonic seconds)."""
        return Work(name=call.id, perform=partial(self._send, call, run, asked), call=call)

    def look_up(self, authorization_id: str, call: Call, run: Run) -> Work:
        """Look whether the access that the call waits for is there by now."""
        return Work(name=authorization_id, perform=partial(self._look_up, authorization_id, call, run))

    async def make_plan(self, run: Run) -> Outcome:
        """The outcome of planning, for the creation of a run whose planner is instant."""
        dependencies = self._dependencies
        inputs = await self.inputs()
        brief = Brief(
            tenant=self._tenant,
            run_id=self._run_id,
            intent=inputs.intent,
            context=inputs.context,
            candidates=await dependencies.catalog.candidates(self._tenant, inputs.integrations),
            now=datetime.fromtimestamp(dependencies.environment.now() / 1_000, UTC),
            limits=dependencies.planner_limits,
        )
        made = await plan_effects.make_plan(
            dependencies.planner, dependencies.journal, dependencies.environment, run=run, brief=brief
        )

        def add(draft: Draft) -> None:
            if MakePlan() in next_effects(draft.run, draft.now):
                draft.add(*made.events)

        return add

    async def _make_result(self, inputs: Inputs, found: list[Any]) -> Outcome:
        dependencies = self._dependencies
        brief = ResultBrief(
            tenant=self._tenant,
            run_id=self._run_id,
            intent=inputs.intent,
            schema=json.loads(inputs.output_schema),
            findings=found,
            limits=dependencies.planner_limits,
        )
        end: Outcome
        try:
            result = await results.fitting(dependencies.planner, inputs.output_schema, brief)
            end = partial(finish, result=result)
        except results.Mismatch as error:
            end = partial(_fail_to_fit, mismatch=str(error))
        except PlannerLate:
            end = partial(_fail_in_time, seconds=brief.limits.deadline_s)

        def add(draft: Draft) -> None:
            if Conclude() in next_effects(draft.run, draft.now):
                end(draft)

        return add

    async def _send(self, call: Call, run: Run, asked: float) -> Outcome:
        try:
            await self._dependencies.gate(call)
        except asyncio.CancelledError:
            return partial(_abandon, call.id, "it was cut off before it was sent")
        # A pause of this process may have given the run to another one in the meantime.
        if self._dependencies.environment.monotonic() - asked > DISPATCH_WINDOW:
            return partial(_abandon, call.id, "the dispatch window had passed")
        try:
            result = await self._dispatch.send(call, run)
        except asyncio.CancelledError:
            result = CallOutcomeUnknown(message="it was cut off when the run was stopped")
        return partial(
            outcomes.record,
            steps=self._dispatch.steps,
            environment=self._dependencies.environment,
            call_id=call.id,
            result=result,
        )

    async def _look_up(self, key: str, call: Call, run: Run) -> Outcome:
        missing = await self._dispatch.missing(call, run)

        def resolve(draft: Draft) -> None:
            if missing is None and key in draft.run.authorizations:
                draft.add(AuthResolved(authorization_id=key, granted=True))

        return resolve


def finish(draft: Draft, result: dict[str, Any]) -> None:
    """End the run with this result; without one where it is too large."""
    try:
        document = documents.keep(draft, results.encode(result))
    except results.Mismatch as too_large:
        _fail_to_fit(draft, str(too_large))
    else:
        draft.add(*commands.conclude(draft.run, document))


def _fail_to_fit(draft: Draft, mismatch: str) -> None:
    draft.add(*commands.conclude(draft.run, None, mismatch))


def _fail_in_time(draft: Draft, seconds: float) -> None:
    if draft.run.cancel is not None:
        draft.add(*commands.conclude(draft.run, None))
    else:
        message = f"The planner made no result within {seconds:g} s."
        draft.add(*commands.fail(Reason.PLANNER_FAILED, message))


def _abandon(call_id: str, reason: str, draft: Draft) -> None:
    if draft.run.calls[call_id].state is CallState.SENT:
        draft.add(CallAbandoned(call_id=call_id, reason=reason))


def _lose(call_id: str, message: str, draft: Draft) -> None:
    progress = draft.run.calls[call_id]
    if progress.state is CallState.SENT:
        step_id = progress.call.step_id
        draft.add(CallLost(call_id=call_id, step_id=step_id, until=draft.now, message=message))


def never_begun(work: Work) -> Outcome | None:
    """The outcome of work whose task ended before its first step: what was to be sent was not sent."""
    if work.call is None:
        return None
    return partial(_abandon, work.call.id, "it was cut off before it was sent")


def fault_of(work: Work) -> Outcome:
    """The outcome of work that ended in a fault of the service. A call was perhaps sent by then, and is lost;
    the run goes on. Anything else ends the run.
    """
    if work.call is None:
        return engine_failed
    return partial(_lose, work.call.id, "a fault of this service cut it off; the server's log says more")


def engine_failed(draft: Draft) -> None:
    """The outcome of work that ended in a fault of the service: the run ends."""
    if not draft.run.ended:
        message = "The engine could not go on; the server's log says why."
        draft.add(*commands.fail(Reason.ENGINE_FAILED, message))
