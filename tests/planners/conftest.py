"""What the planner's tests share: a planner, a fixed moment, and plans written as plain calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from errands_server.domain.plan import Plan, check
from errands_server.planners.catalog.planner import CatalogPlanner
from errands_server.ports import Brief, Candidate, Refusal

NOW = datetime(2025, 3, 12, 9, tzinfo=UTC)  # a Wednesday

Planned = list[tuple[str, dict[str, Any]]]


@pytest.fixture(scope="session")
def planner() -> CatalogPlanner:
    return CatalogPlanner()


@pytest.fixture
def ask(planner: CatalogPlanner) -> Callable[..., Any]:
    """Plan an intent; sound plans only."""

    async def plan(intent: str, tools: Sequence[Candidate], context: str = "") -> Plan | Refusal:
        brief = Brief(intent=intent, context=context, candidates=tools, now=NOW)
        planned = (await planner.plan(brief)).outcome
        if isinstance(planned, Plan):
            check(planned)
        return planned

    return plan


def calls(plan: Plan | Refusal) -> Planned:
    """The calls of a plan: literal arguments by dotted path, slots as `s1.0.id`."""
    assert isinstance(plan, Plan), plan
    return [
        (
            call.tool.name,
            _flat(call.arguments) | {_dotted(s.target): f"{s.step}.{_dotted(s.source)}" for s in call.slots},
        )
        for step in plan.steps
        for call in step.calls
    ]


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path)).removeprefix("body.")


def _flat(document: Any, path: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(document, dict):
        return {_dotted(path): document}
    return {
        name: value for key, inner in document.items() for name, value in _flat(inner, (*path, key)).items()
    }
