"""Events as JSON: one envelope, and what each type adds to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from errands.v1 import event_pb2 as pb
from errands.v1 import plan_pb2

from ... import enum_names
from ...http.encoding import format_time, raw_json
from . import approvals

Members = dict[str, Any]


def event(found: pb.RunEvent) -> tuple[str, Members] | None:
    """The type of an event and its document; None where a later release knows its type, not this one."""
    arm = found.WhichOneof("event")
    if arm not in _ARMS:
        return None
    kind, project = _ARMS[arm]
    document = {
        "sequence": found.sequence,
        "type": kind,
        "runId": found.run_id,
        "status": enum_names.STATUS[found.status],
        "createdAt": format_time(found.created_at),
        **project(getattr(found, arm)),
    }
    return kind, document


def events(found: Iterable[pb.RunEvent]) -> list[Members]:
    """Documents of events, in order."""
    return [made[1] for one in found if (made := event(one)) is not None]


def plan(found: plan_pb2.ExecutionPlan) -> Members:
    """A plan: a graph of steps, or prose."""
    document: Members = {}
    if found.execution_plan_id:
        document["executionPlanId"] = found.execution_plan_id
    if found.plan_type == plan_pb2.PLAN_TYPE_JSON:
        return {**document, "planType": "json", "plan": _details(found.details)}
    return {**document, "planType": "text", "plan": found.text}


def _details(found: plan_pb2.PlanDetails) -> Members:
    steps = [
        {"id": step.id, "description": step.description, "dependsOnSteps": list(step.depends_on_steps)}
        for step in found.steps
    ]
    title = {"title": found.title} if found.title else {}
    return {**title, "description": found.description, "steps": steps}


def error(found: pb.RunError) -> Members:
    """Why a run did not fully succeed."""
    return {"code": found.code, "message": found.message, "reason": found.reason}


def _status(found: pb.StatusChanged) -> Members:
    if not found.HasField("report"):
        return {}
    return {"completed": list(found.report.completed), "unknown": list(found.report.unknown)}


def _step_started(found: pb.StepStarted) -> Members:
    return {"stepId": found.step_id, "text": found.text}


def _step_completed(found: pb.StepCompleted) -> Members:
    return {"stepId": found.step_id, "text": found.text, "outcome": enum_names.OUTCOME[found.outcome]}


def _approval_resolved(found: pb.ApprovalResolved) -> Members:
    document = {
        "approvalId": found.approval_id,
        "decision": enum_names.DECISION[found.decision],
        "actor": found.actor,
    }
    return {**document, "reason": found.reason} if found.reason else document


def _auth_required(found: pb.AuthRequired) -> Members:
    return {
        "authorizationId": found.authorization_id,
        "integrationId": found.integration_id,
        "integrationName": found.integration_name,
        "userId": found.user_id,
        "scopes": list(found.scopes),
        "url": found.url,
        "expiresAt": format_time(found.expires_at),
    }


def _auth_resolved(found: pb.AuthResolved) -> Members:
    return {"authorizationId": found.authorization_id, "granted": found.granted}


def _cancel_requested(found: pb.CancelRequested) -> Members:
    return {"actor": found.actor}


def _said(found: pb.Note | pb.Reasoning) -> Members:
    return {"text": found.text, "stepId": found.step_id} if found.step_id else {"text": found.text}


def _result(found: pb.Result) -> Members:
    return {"result": raw_json(found.result_json)}


def _tool_call(found: pb.ToolCalled) -> Members:
    return {
        "callId": found.call_id,
        "stepId": found.step_id,
        "integrationId": found.integration_id,
        "tool": found.tool,
        "url": found.url,
        "arguments": raw_json(found.arguments_json),
        "attempt": found.attempt,
    }


def _tool_result(found: pb.ToolResult) -> Members:
    document: Members = {"callId": found.call_id, "outcome": enum_names.OUTCOME[found.outcome]}
    if found.output_json:
        document["output"] = raw_json(found.output_json)
    if found.message:
        document["message"] = found.message
    return document


_ARMS: Final[Mapping[str | None, tuple[str, Callable[[Any], Members]]]] = {
    "status_changed": ("status", _status),
    "plan": ("plan", plan),
    "step_started": ("step.started", _step_started),
    "step_completed": ("step.completed", _step_completed),
    "approval_required": ("approval.required", approvals.members),
    "approval_resolved": ("approval.resolved", _approval_resolved),
    "auth_required": ("auth.required", _auth_required),
    "auth_resolved": ("auth.resolved", _auth_resolved),
    "cancel_requested": ("cancel.requested", _cancel_requested),
    "note": ("note", _said),
    "result": ("result", _result),
    "error": ("error", error),
    "tool_call": ("tool.call", _tool_call),
    "tool_result": ("tool.result", _tool_result),
    "reasoning": ("reasoning", _said),
}
