"""Makes the plan of a run, or reuses that of the run it repeats."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from ..domain import context
from ..domain.approval import plan_hash
from ..domain.errors import PlanInvalid, Reason
from ..domain.events import AnyEvent, Noted, PlanMade, PlanRefused
from ..domain.inputs import Inputs
from ..domain.plan import Plan, check
from ..domain.plan_reuse import DoesNotFit, rebind
from ..domain.run import Run
from ..environment import Environment
from ..ports import Brief, Candidate, Planner
from ..store.journal import Journal

_log = structlog.get_logger("errands.executor")


async def make_plan(
    planner: Planner,
    journal: Journal,
    environment: Environment,
    *,
    run: Run,
    inputs: Inputs,
    candidates: Sequence[Candidate],
) -> list[AnyEvent]:
    """The events that give the run its plan, or say why there is none. Never raises for the planner."""
    if not run.repeat_of:
        return [await _plan(planner, environment, run.plan_id, inputs, candidates)]
    repeated = await journal.fold(run.repeat_of)
    if repeated.plan_id != run.plan_id:
        return [await _plan(planner, environment, run.plan_id, inputs, candidates)]
    if repeated.plan is None:
        return [await _plan(planner, environment, environment.new_id(), inputs, candidates)]
    try:
        available = {candidate.ref for candidate in candidates}
        plan = rebind(repeated.plan, context.values(inputs.context), available)
    except DoesNotFit as reason:
        note = Noted(text=f"The plan of run {run.repeat_of} was not reused: {reason}.")
        return [note, await _plan(planner, environment, environment.new_id(), inputs, candidates)]
    return [_made(plan, run.plan_id)]


async def _plan(
    planner: Planner, environment: Environment, plan_id: str, inputs: Inputs, candidates: Sequence[Candidate]
) -> AnyEvent:
    brief = Brief(
        intent=inputs.intent,
        context=inputs.context,
        candidates=candidates,
        now=datetime.fromtimestamp(environment.now() / 1_000, UTC),
    )
    try:
        plan = await planner.plan(brief)
        if not isinstance(plan, Plan):
            return PlanRefused(plan_id=plan_id, reason=plan.reason, message=plan.message)
        return PlanMade(plan=plan, plan_id=plan_id, hash=_proven.hash(plan))
    except PlanInvalid as error:
        return PlanRefused(plan_id=plan_id, reason=Reason.PLAN_INVALID, message=str(error))
    except Exception:
        _log.exception("planner failed")
        message = "The planner failed; the server's log says how."
        return PlanRefused(plan_id=plan_id, reason=Reason.PLANNER_FAILED, message=message)


def _made(plan: Plan, plan_id: str) -> PlanMade:
    return PlanMade(plan=plan, plan_id=plan_id, hash=plan_hash(plan))


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
