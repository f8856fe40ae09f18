"""What is decided of a new run before it is stored, so that one commit holds its beginning."""

from __future__ import annotations

from ..domain.draft import Draft
from ..domain.effects import AskApproval, MakePlan, next_effects
from ..domain.events import Claimed
from ..store.journal_reads import Inputs
from .plan_effects import make_plan
from .run_loop import RunDependencies
from .step import StepRunner


async def begin(parts: RunDependencies, tenant: str, run_id: str, inputs: Inputs, draft: Draft) -> None:
    """Claim the run for this process, plan it, and put the plan before a person where one is to agree.

    It is what an owner would do first. Whatever leaves the process waits for the commit.
    """
    draft.add(Claimed(epoch=draft.run.epoch + 1))
    if MakePlan() in next_effects(draft.run, draft.now):
        candidates = await parts.catalog.candidates(tenant, inputs.integrations)
        planned = await make_plan(
            parts.planner,
            parts.journal,
            parts.environment,
            run=draft.run,
            inputs=inputs,
            candidates=candidates,
        )
        draft.add(*planned)
    if any(isinstance(effect, AskApproval) for effect in next_effects(draft.run, draft.now)):
        await _turns(parts, tenant, run_id).ask_plan(draft)
    draft.announce()


def _turns(parts: RunDependencies, tenant: str, run_id: str) -> StepRunner:
    return StepRunner(
        tenant=tenant,
        run_id=run_id,
        catalog=parts.catalog,
        toolbox=parts.toolbox,
        environment=parts.environment,
    )
