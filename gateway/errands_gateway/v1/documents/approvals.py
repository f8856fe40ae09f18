"""Approvals as JSON."""

from __future__ import annotations

from typing import Any

from errands.v1 import approval_pb2 as pb

from ... import enum_names
from ...http.encoding import format_time, raw_json


def members(approval: pb.Approval) -> dict[str, Any]:
    """What an approval and its event have in common."""
    found: dict[str, Any] = {"approvalId": approval.approval_id, "kind": enum_names.KIND[approval.kind]}
    if approval.step_id:
        found["stepId"] = approval.step_id
    found["text"] = approval.text
    found["calls"] = [_call(call) for call in approval.calls]
    if approval.HasField("question"):
        found["question"] = _question(approval.question)
    found["hash"] = approval.hash
    found["expiresAt"] = format_time(approval.expires_at)
    found["choices"] = [enum_names.DECISION[choice] for choice in approval.choices]
    found["actions"] = [
        {"action": enum_names.DECISION[link.action], "url": link.url} for link in approval.actions
    ]
    return found


def _question(question: pb.ApprovalQuestion) -> dict[str, Any]:
    found = {"message": question.message, "schema": raw_json(question.schema_json)}
    return {**found, "said": question.said} if question.said else found


def _call(call: pb.ApprovalCall) -> dict[str, Any]:
    return {
        "callId": call.call_id,
        "stepId": call.step_id,
        "integrationId": call.integration_id,
        "integrationName": call.integration_name,
        "tool": call.tool,
        "title": call.title,
        "origin": call.origin,
        "arguments": raw_json(call.arguments_json),
        "effect": enum_names.EFFECT[call.effect],
        "shared": call.shared,
    }


def approval(found: pb.Approval) -> dict[str, Any]:
    """An approval by itself."""
    document = members(found)
    document["runId"] = found.run_id
    document["userId"] = found.user_id
    document["createdAt"] = format_time(found.created_at)
    document["status"] = enum_names.APPROVAL_STATUS[found.status]
    if found.decision:
        document["decision"] = enum_names.DECISION[found.decision]
        document["actor"] = found.actor
        document["decidedAt"] = format_time(found.decided_at)
    if found.reason:
        document["reason"] = found.reason
    if found.input_json:
        document["input"] = raw_json(found.input_json)
    return document
