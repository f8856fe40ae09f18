"""Plans that call the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from errands_server.domain.plan import ContextBinding, Plan, PlannedCall, Slot, Step
from errands_server.ports import Brief
from tests.scripted import Make


def step(
    brief: Brief,
    number: int,
    tool: str,
    *arguments: Mapping[str, Any],
    after: Sequence[int] = (),
    slots: Sequence[Slot] = (),
    context: Sequence[ContextBinding] = (),
) -> Step:
    """Step `sN`: one call of `tool` for each of the arguments."""
    ref = {candidate.tool.name: candidate.ref for candidate in brief.candidates}[tool]
    return Step(
        id=f"s{number}",
        description=f"{tool} {number}",
        depends_on=tuple(f"s{other}" for other in after),
        calls=tuple(
            PlannedCall(tool=ref, arguments=given, slots=tuple(slots), context=tuple(context))
            for given in arguments or ({},)
        ),
    )


def steps(*made: tuple[Any, ...]) -> Make:
    """A plan of independent steps: each the name of a tool, and the arguments of its calls."""

    def make(brief: Brief) -> Plan:
        return Plan(
            description=brief.intent,
            steps=tuple(step(brief, number, *one) for number, one in enumerate(made, 1)),
        )

    return make


def chain(*made: tuple[Any, ...]) -> Make:
    """As `steps`, each behind the one before."""

    def make(brief: Brief) -> Plan:
        return Plan(
            description=brief.intent,
            steps=tuple(
                step(brief, number, *one, after=[number - 1] if number > 1 else [])
                for number, one in enumerate(made, 1)
            ),
        )

    return make


READ = ("readThings", {"q": "a"})
WRITE = ("writeThing", {"body": {"n": 1}})
HELD = ("readHeld", {"q": "a"})
HELD_WRITE = ("writeHeld", {"body": {"n": 1}})
REFUSED = ("writeRefused", {"body": {"n": 1}})
LOST = ("writeLost", {"body": {"n": 1}})
LOCKED = ("readLocked", {})
