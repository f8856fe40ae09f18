"""The pre-flight of a run: its calls, missing connections and approvals, before it is started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from .events import ApprovalKind, Strategy
from .plan import Plan
from .tool import Effect, ToolRef

PASSED_THROUGH: Final = "run"
MISSING: Final = "missing"


class PreflightCall(Struct, frozen=True, kw_only=True):
    """A call of the plan."""

    step_id: str
    tool: ToolRef
    integration_name: str
    title: str
    effect: Effect
    origin: str  # scheme://host[:port]
    access: str  # whose access it would use: `run`, `user`, `shared` or `none`; or MISSING
    scopes: tuple[str, ...] = ()  # MISSING only: to grant first


class MissingConnection(Struct, frozen=True, kw_only=True):
    """An integration that the user must connect first."""

    integration_id: str
    integration_name: str
    scopes: tuple[str, ...]  # to grant
    url: str = ""  # of the connect page; empty for callers who may not see it
    expires_at: int | None = None  # of `url`; milliseconds since 1970, UTC


class ExpectedApproval(Struct, frozen=True, kw_only=True):
    """An approval that will be requested."""

    kind: ApprovalKind
    step_id: str = ""  # empty for a PLAN
    calls: int  # how many calls it covers


class Preflight(Struct, frozen=True, kw_only=True):
    """What is known of a run before it is started."""

    user_id: str
    calls: tuple[PreflightCall, ...] = ()
    missing: tuple[MissingConnection, ...] = ()
    approvals: tuple[ExpectedApproval, ...] = ()


def expected_approvals(plan: Plan, strategy: Strategy) -> Iterator[ExpectedApproval]:
    """Yield the approvals that a plan leads to, in the order of its steps.

    The calls of one step are proposed together, so they share one.
    """
    if strategy is Strategy.ON_START:
        yield ExpectedApproval(kind=ApprovalKind.PLAN, calls=sum(len(step.calls) for step in plan.steps))
    elif strategy is Strategy.ON_TOOL_CALL:
        for step in plan.steps:
            yield ExpectedApproval(kind=ApprovalKind.CALLS, step_id=step.id, calls=len(step.calls))


def missing_connections(calls: Sequence[PreflightCall]) -> Iterator[tuple[PreflightCall, tuple[str, ...]]]:
    """Yield, for each integration to connect, its first call and the scopes that all of its calls need."""
    firsts: dict[str, PreflightCall] = {}
    scopes: dict[str, dict[str, None]] = {}
    for call in calls:
        if call.access == MISSING:
            firsts.setdefault(call.tool.integration_id, call)
            scopes.setdefault(call.tool.integration_id, {}).update(dict.fromkeys(call.scopes))
    for integration_id, call in firsts.items():
        yield call, tuple(scopes[integration_id])
