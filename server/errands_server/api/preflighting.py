"""Preflights as messages."""

from __future__ import annotations

from typing import Any, Final

from errands.v1 import approval_pb2 as approval_pb
from errands.v1 import preflight_pb2 as pb

from ..domain.preflight import Expected, ForeseenCall, Missing, Preflight
from ..domain.tool import Effect
from . import wire

_ACCESS: Final[dict[str, Any]] = {
    "none": pb.CALL_ACCESS_NONE,
    "run": pb.CALL_ACCESS_PASS_THROUGH,
    "user": pb.CALL_ACCESS_USER,
    "shared": pb.CALL_ACCESS_SHARED,
    "missing": pb.CALL_ACCESS_MISSING,
}


def preflight(found: Preflight) -> pb.Preflight:
    return pb.Preflight(
        calls=map(_call, found.calls),
        missing=[_missing(one, found.user_id) for one in found.missing],
        approvals=map(_expected, found.approvals),
    )


def _call(call: ForeseenCall) -> pb.PreflightCall:
    reads = call.effect is Effect.READ
    return pb.PreflightCall(
        step_id=call.step_id,
        integration_id=call.tool.integration_id,
        integration_name=call.integration_name,
        tool=call.tool.name,
        title=call.title,
        effect=approval_pb.CALL_EFFECT_READ if reads else approval_pb.CALL_EFFECT_WRITE,
        origin=call.origin,
        access=_ACCESS[call.access],
    )


def _missing(missing: Missing, user_id: str) -> pb.MissingConnection:
    return pb.MissingConnection(
        integration_id=missing.integration_id,
        integration_name=missing.integration_name,
        user_id=user_id,
        scopes=missing.scopes,
        url=missing.url,
        expires_at=None if missing.expires_at is None else wire.timestamp(missing.expires_at),
    )


def _expected(approval: Expected) -> pb.ExpectedApproval:
    return pb.ExpectedApproval(kind=wire.KIND[approval.kind], step_id=approval.step_id, calls=approval.calls)
