"""Reads what a caller asks for in CreateRun, and finds everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from errands.v1 import run_pb2 as pb

from ..domain import output_schema
from ..domain.errors import Violation
from ..domain.events import Strategy
from ..services.run_creation import NewRun
from ..store.repositories.requests import RequestKey
from .enums import STRATEGY_OF
from .interceptor import caller
from .validation import MAX_ID, Checks

MAX_INTENT: Final = 10_000
MAX_CONTEXT: Final = 65_536
DEFAULT_PLAN_WAIT: Final = 10_000  # milliseconds
MAX_PLAN_WAIT: Final = 60_000
_ANSWERING: Final = 0.5  # seconds of the caller's deadline that are kept back for the answer
_TEXTS: Final = ("intent", "context", "user_id", "repeat_key", "output_schema_json")


def texts(request: pb.CreateRunRequest) -> Mapping[str, str]:
    """What of a request is stored and shown as it was written, by field."""
    return {field: getattr(request, field) for field in _TEXTS}


def read(
    request: pb.CreateRunRequest,
    key: RequestKey | None,
    time_left: float | None,
    problems: Sequence[Violation],
) -> NewRun:
    """What is asked for. Invalid: the problems that are known already, and all others."""
    checks = Checks()
    checks.text("intent", request.intent if request.intent.strip() else "", least=1, most=MAX_INTENT)
    checks.count(
        "selected_customer_integration_ids",
        request.selected_customer_integration_ids,
        least=1,
        most=100,
    )
    checks.violations += problems
    checks.text("context", request.context, most=MAX_CONTEXT)
    checks.text("user_id", request.user_id, least=1, most=MAX_ID)
    strategy = checks.choice("approval_strategy", request.approval_strategy, STRATEGY_OF, Strategy.NONE)
    checks.text("repeat_key", request.repeat_key, most=MAX_ID)
    checks.printable("request_id", request.request_id, most=MAX_ID)
    if request.output_schema_json and (problem := output_schema.problem(request.output_schema_json)):
        checks.wrong("output_schema_json", problem)
    wait = request.plan_wait_ms if request.HasField("plan_wait_ms") else DEFAULT_PLAN_WAIT
    checks.number("plan_wait_ms", wait, least=0, most=MAX_PLAN_WAIT)
    if request.explain and not request.validate_only:
        checks.wrong("explain", "only together with validate_only")
    checks.done()
    return NewRun(
        intent=request.intent,
        selection=tuple(request.selected_customer_integration_ids),
        context=request.context,
        user_id=request.user_id,
        strategy=strategy,
        repeat_key=request.repeat_key,
        output_schema=request.output_schema_json,
        request=key,
        traceparent=caller().traceparent,
        plan_wait=plan_wait(wait / 1_000, time_left),
    )


def plan_wait(asked: float, time_left: float | None) -> float:
    """How long to wait for the plan, in seconds: an answer in time comes first, half of a short deadline."""
    if time_left is None:
        return asked
    return max(0.0, min(asked, max(time_left / 2, time_left - _ANSWERING)))
