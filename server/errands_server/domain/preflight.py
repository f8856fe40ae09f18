"""What a run would call and ask for, said before it is started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from .events import ApprovalKind, Strategy
from .plan import Plan
from .tool import Effect, ToolRef

PASSED_THROUGH: Final = "run"
MISSING: Final = "missing"


class ForeseenCall(Struct, frozen=True, kw_only=True):
    """A call of the plan.

    `access` says whose it would be made with: `run`, `user`, `shared` or `none`; or `missing`, where the
    user must grant `scopes` first.
    """

    step_id: str
    tool: ToolRef
    integration_name: str
    title: str
    effect: Effect
    origin: str
    access: str
    scopes: tuple[str, ...] = ()


class Missing(Struct, frozen=True, kw_only=True):
    """What the user must connect first. `url` is empty for callers who see no such links."""

    integration_id: str
    integration_name: str
    scopes: tuple[str, ...]
    url: str = ""
    expires_at: int | None = None


class Expected(Struct, frozen=True, kw_only=True):
    """An approval that will be asked for, and how many calls it covers."""

    kind: ApprovalKind
    step_id: str = ""
    calls: int


class Preflight(Struct, frozen=True, kw_only=True):
    """Everything there is to foresee of a run."""

    user_id: str
    calls: tuple[ForeseenCall, ...] = ()
    missing: tuple[Missing, ...] = ()
    approvals: tuple[Expected, ...] = ()


def expected(plan: Plan, strategy: Strategy) -> Iterator[Expected]:
    """The approvals a plan leads to, in the order they are asked for.

    Calls of one step become ready together, so they share one.
    """
    if strategy is Strategy.ON_START:
        yield Expected(kind=ApprovalKind.PLAN, calls=sum(len(step.calls) for step in plan.steps))
    elif strategy is Strategy.ON_TOOL_CALL:
        for step in plan.steps:
            yield Expected(kind=ApprovalKind.CALLS, step_id=step.id, calls=len(step.calls))


def lacking(calls: Sequence[ForeseenCall]) -> Iterator[tuple[ForeseenCall, tuple[str, ...]]]:
    """For each integration to be connected its first call, and what all of its calls need."""
    firsts: dict[str, ForeseenCall] = {}
    scopes: dict[str, dict[str, None]] = {}
    for call in calls:
        if call.access == MISSING:
            firsts.setdefault(call.tool.integration_id, call)
            scopes.setdefault(call.tool.integration_id, {}).update(dict.fromkeys(call.scopes))
    for integration_id, call in firsts.items():
        yield call, tuple(scopes[integration_id])
