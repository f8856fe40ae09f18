"""Preflights as JSON."""

from __future__ import annotations

from typing import Any

from errands.v1 import preflight_pb2 as pb
from errands.v1 import run_pb2

from ... import enum_names
from ...http.encoding import format_time
from .events import plan


def preflight(found: run_pb2.CreateRunResponse) -> dict[str, Any]:
    """The result of a request that was only validated."""
    preflight = found.preflight
    return {
        "plan": plan(found.plan),
        "preflight": {
            "calls": [_call(call) for call in preflight.calls],
            "missing": [_missing_connection(one) for one in preflight.missing],
            "approvals": [_expected_approval(one) for one in preflight.approvals],
        },
    }


def _call(call: pb.PreflightCall) -> dict[str, Any]:
    return {
        "stepId": call.step_id,
        "integrationId": call.integration_id,
        "integrationName": call.integration_name,
        "tool": call.tool,
        "title": call.title,
        "effect": enum_names.EFFECT[call.effect],
        "origin": call.origin,
        "access": enum_names.ACCESS[call.access],
    }


def _missing_connection(found: pb.MissingConnection) -> dict[str, Any]:
    document: dict[str, Any] = {
        "integrationId": found.integration_id,
        "integrationName": found.integration_name,
        "userId": found.user_id,
        "scopes": list(found.scopes),
        "url": found.url,
    }
    if found.HasField("expires_at"):
        document["expiresAt"] = format_time(found.expires_at)
    return document


def _expected_approval(found: pb.ExpectedApproval) -> dict[str, Any]:
    document: dict[str, Any] = {"kind": enum_names.KIND[found.kind]}
    if found.step_id:
        document["stepId"] = found.step_id
    document["calls"] = found.calls
    return document
