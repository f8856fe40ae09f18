"""Makes the plan of a run, or reuses that of the run it repeats."""

from __future__ import annotations

from collections import OrderedDict

import structlog
from msgspec import Struct

from ..domain import context
from ..domain.approval import plan_hash
from ..domain.errors import PlanInvalid, Reason
from ..domain.events import AnyEvent, Noted, PlanMade, PlanRefused
from ..domain.explanation import ClauseRead
from ..domain.plan import Plan, check
from ..domain.plan_reuse import DoesNotFit, rebind
from ..domain.run import Run
from ..environment import Environment
from ..ports import Brief, Planner
from ..store.journal import Journal
from .deadline import PlannerLate, within

_log = structlog.get_logger("errands.executor")


class PlanOutcome(Struct, frozen=True):
    """What making a plan came to."""

    events: list[AnyEvent]  # they give the run its plan, or say why there is none
    clauses: tuple[ClauseRead, ...] = ()  # the planner's account


async def make_plan(
    planner: Planner, journal: Journal, environment: Environment, *, run: Run, brief: Brief
) -> PlanOutcome:
    """Plan the run, or reuse the plan of the run it repeats. Never raises for the planner."""
    if not run.repeat_of:
        return await _plan(planner, run.plan_id, brief)
    repeated = await journal.fold(run.repeat_of)
    if repeated.plan_id != run.plan_id:
        return await _plan(planner, run.plan_id, brief)
    if repeated.plan is None:
        return await _plan(planner, environment.new_id(), brief)
    try:
        available = {candidate.ref for candidate in brief.candidates}
        plan = rebind(repeated.plan, context.values(brief.context), available)
    except DoesNotFit as reason:
        note = Noted(text=f"The plan of run {run.repeat_of} was not reused: {reason}.")
        made = await _plan(planner, environment.new_id(), brief)
        return PlanOutcome([note, *made.events], made.clauses)
    return PlanOutcome([PlanMade(plan=plan, plan_id=run.plan_id, hash=plan_hash(plan))])


async def _plan(planner: Planner, plan_id: str, brief: Brief) -> PlanOutcome:
    seconds = brief.limits.deadline_s
    try:
        planned = await within(seconds, planner.plan(brief))
        plan = planned.outcome
        if isinstance(plan, Plan):
            made = PlanMade(plan=plan, plan_id=plan_id, hash=_proven.hash(plan))
            return PlanOutcome([made], planned.clauses)
        refused = PlanRefused(plan_id=plan_id, reason=plan.reason, message=plan.message)
        return PlanOutcome([refused], planned.clauses)
    except PlanInvalid as error:
        reason, message = Reason.PLAN_INVALID, str(error)
    except PlannerLate:
        reason, message = Reason.PLANNER_FAILED, f"The planner made no plan within {seconds:g} s."
        _log.warning("planner late", tenant=brief.tenant, run_id=brief.run_id, seconds=seconds)
    except Exception:
        reason, message = Reason.PLANNER_FAILED, "The planner failed; the server's log says how."
        _log.exception("planner failed")
    return PlanOutcome([PlanRefused(plan_id=plan_id, reason=reason, message=message)])


class _Proven:
    """The hashes of plans that were found sound, of those made last: planners give the same plan again."""

    def __init__(self, most: int = 1_024) -> None:
        self._most = most
        self._hashes: OrderedDict[int, tuple[Plan, str]] = OrderedDict()

    def hash(self, plan: Plan) -> str:
        """The plan's hash. PlanInvalid: it is not sound."""
        known = self._hashes.get(id(plan))
        if known is not None:  # and no other plan has this identity while this one is kept
            return known[1]
        check(plan)
        hashed = plan_hash(plan)
        self._hashes[id(plan)] = plan, hashed
        if len(self._hashes) > self._most:
            self._hashes.popitem(last=False)
        return hashed


_proven = _Proven()
