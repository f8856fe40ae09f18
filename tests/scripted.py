"""A planner that does as it is told: tests of execution say what is to be executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from errands_server.domain.plan import Path, Plan, PlannedCall, Slot, Step
from errands_server.ports import Brief, Finding, Refusal


class Scripted:
    """Gives the same steps to every run; `asked` counts how often it was asked."""

    instant = False

    def __init__(self, *steps: Scene) -> None:
        self._steps = steps
        self.asked = 0

    async def plan(self, brief: Brief) -> Plan | Refusal:
        self.asked += 1
        refs = {candidate.tool.name: candidate.ref for candidate in brief.candidates}
        steps = tuple(scene.step(f"s{number}", refs) for number, scene in enumerate(self._steps, 1))
        return Plan(description=brief.intent, steps=steps)

    async def conclude(self, intent: str, schema: Mapping[str, Any], findings: Sequence[Finding]) -> Any:
        return findings[-1].output


class Scene:
    """One step: calls of one tool with these arguments, and slots filled from earlier steps."""

    def __init__(
        self,
        tool: str,
        *arguments: Mapping[str, Any],
        after: Sequence[str] = (),
        slots: Mapping[Path, tuple[str, Path]] | None = None,
    ) -> None:
        self._tool = tool
        self._arguments = arguments or ({},)
        self._slots = slots or {}
        self._after = tuple(dict.fromkeys([*after, *(step for step, _ in self._slots.values())]))

    def step(self, step_id: str, refs: Mapping[str, Any]) -> Step:
        slots = tuple(
            Slot(target=target, step=step, source=source) for target, (step, source) in self._slots.items()
        )
        calls = tuple(
            PlannedCall(tool=refs[self._tool], arguments=arguments, slots=slots)
            for arguments in self._arguments
        )
        return Step(id=step_id, description=self._tool, depends_on=self._after, calls=calls)


def order(quantity: int = 1, **options: Any) -> Scene:
    """Order mugs for Ada."""
    body = {"customer_id": "cus_ada", "items": [{"product_id": "prd_mug_blue", "quantity": quantity}]}
    return Scene("createOrder", {"body": body}, **options)


def invoice(of: str) -> Scene:
    """Invoice the order that step `of` made."""
    return Scene("createInvoice", {"body": {}}, slots={("body", "order_id"): (of, ("id",))})


SEARCH = Scene("searchProducts", {"q": "mug"})
