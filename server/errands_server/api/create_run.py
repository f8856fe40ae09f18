"""Reads a CreateRun request, and finds everything that is malformed in it."""

from __future__ import annotations

import hashlib
from typing import Final

from errands.v1 import run_pb2 as pb

from ..domain import output_schema
from ..domain.events import Strategy
from ..services.run_creation import SELECTION, MalformedFields, NewRun
from . import pass_through
from .enums import STRATEGY_OF
from .interceptor import call_context
from .validation import MAX_ID, RequestValidator

MAX_INTENT: Final = 10_000
MAX_SELECTION: Final = 100
MAX_CONTEXT: Final = 65_536
DEFAULT_PLAN_WAIT: Final = 10_000  # milliseconds
MAX_PLAN_WAIT: Final = 60_000
_ANSWERING: Final = 0.5  # seconds of the caller's deadline that are kept back for the answer


def read(request: pb.CreateRunRequest, time_left: float | None) -> tuple[NewRun, MalformedFields]:
    """What is asked for, and what is malformed. `time_left`: seconds until the caller's deadline, if any."""
    head = RequestValidator()
    head.text("intent", request.intent if request.intent.strip() else "", least=1, most=MAX_INTENT)
    selection = request.selected_customer_integration_ids
    head.count(SELECTION, selection, least=1, most=MAX_SELECTION)
    passed, misread = pass_through.read(request.pass_through) if request.pass_through else ((), ())
    rest = RequestValidator()
    rest.text("context", request.context, most=MAX_CONTEXT)
    rest.text("user_id", request.user_id, least=1, most=MAX_ID)
    strategy = rest.choice("approval_strategy", request.approval_strategy, STRATEGY_OF, Strategy.NONE)
    rest.text("repeat_key", request.repeat_key, most=MAX_ID)
    known = len(rest.violations)
    rest.printable("request_id", request.request_id, most=MAX_ID)
    repeatable = bool(request.request_id) and known == len(rest.violations) and not request.validate_only
    if request.output_schema_json and (problem := output_schema.problem(request.output_schema_json)):
        rest.reject("output_schema_json", problem)
    wait = request.plan_wait_ms if request.HasField("plan_wait_ms") else DEFAULT_PLAN_WAIT
    rest.number("plan_wait_ms", wait, least=0, most=MAX_PLAN_WAIT)
    if request.explain and not request.validate_only:
        rest.reject("explain", "only together with validate_only")
    wanted = NewRun(
        intent=request.intent,
        selection=tuple(selection[:MAX_SELECTION]),
        context=request.context,
        user_id=request.user_id,
        strategy=strategy,
        repeat_key=request.repeat_key,
        output_schema=request.output_schema_json,
        request_id=request.request_id if repeatable else "",
        request_hash=_hash(request) if repeatable else b"",
        plan_wait_s=plan_wait_s(wait / 1_000, time_left),
        traceparent=call_context().traceparent,
        passed=passed,
    )
    malformed = MalformedFields(selection=head.violations, pass_through=misread, others=rest.violations)
    return wanted, malformed


def _hash(request: pb.CreateRunRequest) -> bytes:
    """SHA-256 of what is asked for."""
    body = pb.CreateRunRequest()
    body.CopyFrom(request)
    body.ClearField("request_id")
    body.ClearField("plan_wait_ms")  # says how long this caller waits, not what is asked for
    return hashlib.sha256(body.SerializeToString(deterministic=True)).digest()


def plan_wait_s(asked: float, time_left: float | None) -> float:
    """How long to wait for the plan, in seconds: an answer in time comes first, half of a short deadline."""
    if time_left is None:
        return asked
    return max(0.0, min(asked, max(time_left / 2, time_left - _ANSWERING)))
