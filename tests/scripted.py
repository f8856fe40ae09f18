"""A planner that follows a script: tests of execution say what is to be executed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from errands_server.domain.plan import Path, Plan, PlannedCall, Slot, Step
from errands_server.ports import Brief, Planned, Refusal, ResultBrief

Make = Callable[[Brief], Plan | Refusal]
Conclude = Callable[[ResultBrief], Any]


class ScriptedPlanner:
    """Plans with `make` while `may_plan` is set, and concludes with `conclude` while `may_conclude` is set.

    Otherwise a call waits for the event. A stubborn planner does not let itself be cancelled there.
    """

    instant = False

    def __init__(
        self,
        make: Make,
        *,
        conclude: Conclude = lambda brief: brief.findings[-1].output,
        stubborn: bool = False,
    ) -> None:
        self._make = make
        self._conclude = conclude
        self._stubborn = stubborn
        self.briefs: list[Brief] = []  # of the plans asked for
        self.concluded = 0  # how often it was asked for a result
        self.may_plan, self.may_conclude = asyncio.Event(), asyncio.Event()
        self.may_plan.set()
        self.may_conclude.set()
        self.was_asked = asyncio.Event()  # for a plan

    @property
    def asked(self) -> int:
        """How often it was asked for a plan."""
        return len(self.briefs)

    async def plan(self, brief: Brief) -> Planned:
        self.briefs.append(brief)
        self.was_asked.set()
        await self._wait(self.may_plan)
        return Planned(self._make(brief))

    async def conclude(self, brief: ResultBrief) -> Any:
        self.concluded += 1
        await self._wait(self.may_conclude)
        return self._conclude(brief)

    async def _wait(self, event: asyncio.Event) -> None:
        while not event.is_set():
            try:
                await event.wait()
            except asyncio.CancelledError:
                if not self._stubborn:
                    raise


def in_turn(*results: Any) -> Conclude:
    """Concludes with one result after the other; with the last one from then on."""
    left = list(results)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def plan_of(*scenes: Scene) -> Make:
    """The same steps for every run."""

    def make(brief: Brief) -> Plan:
        refs = {candidate.tool.name: candidate.ref for candidate in brief.candidates}
        steps = tuple(scene.step(f"s{number}", refs) for number, scene in enumerate(scenes, 1))
        return Plan(description=brief.intent, steps=steps)

    return make


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
