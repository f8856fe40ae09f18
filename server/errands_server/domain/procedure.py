"""What a started step does next: propose the calls of the plan, or end when they have ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from .errors import Reason
from .events import Outcome
from .plan import PlannedCall, bind
from .run import CallProgress, CallState, Run


class Proposal(Struct, frozen=True):
    """The calls to propose, in the plan's order, each with its arguments filled in."""

    calls: tuple[tuple[PlannedCall, dict[str, Any]], ...]


class Finish(Struct, frozen=True):
    """The step ends."""

    outcome: Outcome
    text: str  # its description where it is DONE, else why it is not
    reason: Reason | None = None  # set unless it is DONE


StepAction: TypeAlias = Proposal | Finish


def next_action(run: Run, step_id: str, outputs: Mapping[str, Any]) -> StepAction:
    """Return what the step does next.

    `outputs`: by step id, the decoded output of every step it reads; steps with unknown output are absent.
    """
    calls = run.steps_calls(step_id)
    return _finish(run, step_id, calls) if calls else _propose(run, step_id, outputs)


def _propose(run: Run, step_id: str, outputs: Mapping[str, Any]) -> StepAction:
    step = run.steps[step_id].step
    needed = {slot.step for call in step.calls for slot in call.slots}
    unknown = sorted(needed - outputs.keys())
    if unknown:
        text = f"What step {unknown[0]} answered is not known, and this step needs it."
        return Finish(Outcome.SKIPPED, text, Reason.OUTPUT_MISSING)
    try:
        return Proposal(tuple((call, bind(call, outputs)) for call in step.calls))
    except LookupError as error:
        return Finish(Outcome.FAILED, f"{error}, which this step needs.", Reason.OUTPUT_MISSING)


def _finish(run: Run, step_id: str, calls: list[CallProgress]) -> Finish:
    for state, outcome in (
        (CallState.DENIED, Outcome.DENIED),
        (CallState.UNKNOWN, Outcome.FAILED),
        (CallState.FAILED, Outcome.FAILED),
    ):
        for progress in calls:
            if progress.state is state:
                text = progress.message or f"{progress.call.title or progress.call.tool.name} was {state}."
                return Finish(outcome, text, progress.reason)
    return Finish(Outcome.DONE, run.steps[step_id].step.description)
