"""Runs as JSON."""

from __future__ import annotations

from typing import Any

from errands.v1 import run_pb2 as pb

from ... import enum_names
from ...http.encoding import format_time, raw_json
from .approvals import approval
from .events import error, events, plan


def run(found: pb.Run) -> dict[str, Any]:
    """A run as JSON."""
    document: dict[str, Any] = {"runId": found.run_id, "repeatKey": found.repeat_key}
    if found.repeat_run_id:
        document["repeatRunId"] = found.repeat_run_id
    document["status"] = enum_names.STATUS[found.status]
    document["executionPlanId"] = found.execution_plan_id
    document["events"] = events(found.events)
    if found.events_truncated:
        document["eventsTruncated"] = True
    if found.result_json:
        document["result"] = raw_json(found.result_json)
    document["intent"] = found.intent
    document["context"] = found.context
    document["createdAt"] = format_time(found.created_at)
    document["updatedAt"] = format_time(found.updated_at)
    document["userId"] = found.user_id
    document["approvalStrategy"] = enum_names.STRATEGY[found.approval_strategy]
    document["selectedCustomerIntegrationIds"] = list(found.selected_customer_integration_ids)
    document["plan"] = plan(found.plan)
    document["stepsFinished"] = [_finished_step(step) for step in found.steps_finished]
    if found.HasField("error"):
        document["error"] = error(found.error)
    document["pendingApprovals"] = [approval(one) for one in found.pending_approvals]
    if found.authorization_url:
        document["authorizationUrl"] = found.authorization_url
    document["cancelRequested"] = found.cancel_requested
    document["lastSequence"] = found.last_sequence
    return document


def _finished_step(step: pb.FinishedStep) -> dict[str, Any]:
    return {
        "stepId": step.step_id,
        "description": step.description,
        "outcome": enum_names.OUTCOME[step.outcome],
        "finishedAt": format_time(step.finished_at),
    }


def created_run(found: pb.CreateRunResponse) -> dict[str, Any]:
    """A run that was just created."""
    document: dict[str, Any] = {
        "runId": found.run_id,
        "repeatKey": found.repeat_key,
        "status": enum_names.STATUS[found.status],
        "events": events(found.events),
        "executionPlanId": found.execution_plan_id,
        "plan": plan(found.plan),
    }
    if found.repeat_run_id:
        document["repeatRunId"] = found.repeat_run_id
    return document
