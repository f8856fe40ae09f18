"""Makes the result of a run: the standard one, or one that fits the caller's schema."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ..domain import output_schema
from ..domain.events import Outcome
from ..domain.run import Run
from ..ports import Finding, Planner, ResultBrief
from .deadline import within

MAX_RESULT: Final = 1 << 20  # bytes
REPAIRS: Final = 2


class Mismatch(Exception):
    """What was made does not fit; the message says where."""


def findings(run: Run, outputs: dict[str, Any]) -> list[Finding]:
    """What each step came to, in the plan's order."""
    return [
        Finding(step=progress.step, outcome=str(progress.outcome), output=outputs.get(progress.step.id))
        for progress in run.steps.values()
    ]


def standard(found: list[Finding], run: Run) -> dict[str, Any]:
    """The result of a run without a schema: every step, and the output of the last one done."""
    done = [run.steps[step_id] for step_id in run.finished if run.steps[step_id].outcome is Outcome.DONE]
    by_id = {finding.step.id: finding.output for finding in found}
    steps = [
        {
            "stepId": finding.step.id,
            "description": finding.step.description,
            "outcome": finding.outcome,
            "output": finding.output,
        }
        for finding in found
    ]
    return {"steps": steps, "output": by_id.get(done[-1].step.id) if done else None}


async def fitting(planner: Planner, schema: str, brief: ResultBrief) -> dict[str, Any]:
    """A result that fits `schema`, the text of the brief's.

    Mismatch: none was found, even after repair. PlannerLate: the planner did not answer in time.
    """
    problem: str | None = None
    for _ in range(1 + REPAIRS):
        result = await within(brief.limits.deadline_s, planner.conclude(brief))
        previous, problem = problem, output_schema.mismatch(schema, result)
        if problem is None:
            return dict(result)
        if problem == previous:
            break  # a planner that repeats itself will not do better
    raise Mismatch(f"The result does not fit the output schema: {problem}")


def encode(result: dict[str, Any]) -> bytes:
    """The result as JSON text. Mismatch: it is larger than is kept."""
    body = msgspec.json.encode(result)
    if len(body) > MAX_RESULT:
        raise Mismatch(f"The result has {len(body)} bytes; at most {MAX_RESULT} are kept.")
    return body
