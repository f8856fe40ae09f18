"""Maps stored events to public ones, each by itself; those that are not in the table are internal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from errands.v1 import event_pb2 as event_pb

from ..domain import events as e
from ..domain.events import Outcome, RunStatus
from ..streams import View
from .enums import DECISION, OUTCOME, STATUS, document, json_text, plan, run_error, timestamp

Projection = Callable[[event_pb.RunEvent, Any, View], bool]
"""Fills the arm of a message; False where the view does not show the event."""


def _status_changed(message: event_pb.RunEvent, event: e.StatusChanged, _: View) -> bool:
    message.status_changed.status = STATUS[event.status]
    if event.status is RunStatus.CANCELED:
        message.status_changed.report.completed.extend(event.completed)
        message.status_changed.report.unknown.extend(event.unknown)
        message.status_changed.report.SetInParent()
    return True


def _created(message: event_pb.RunEvent, event: e.RunCreated, _: View) -> bool:
    message.status_changed.status = STATUS[RunStatus.QUEUED]
    return True


def _plan_made(message: event_pb.RunEvent, event: e.PlanMade, _: View) -> bool:
    message.plan.CopyFrom(plan(event.plan_id, event.plan))
    return True


def _plan_refused(message: event_pb.RunEvent, event: e.PlanRefused, _: View) -> bool:
    message.plan.CopyFrom(plan(event.plan_id, None, event.message))
    return True


def _step_started(message: event_pb.RunEvent, event: e.StepStarted, _: View) -> bool:
    message.step_started.step_id = event.step_id
    message.step_started.text = event.text
    return True


def _step_finished(message: event_pb.RunEvent, event: e.StepFinished, _: View) -> bool:
    message.step_completed.step_id = event.step_id
    message.step_completed.text = event.text
    message.step_completed.outcome = OUTCOME[event.outcome]
    return True


def _approval_resolved(message: event_pb.RunEvent, event: e.ApprovalResolved, _: View) -> bool:
    message.approval_resolved.approval_id = event.approval_id
    message.approval_resolved.decision = DECISION[event.decision]
    message.approval_resolved.actor = event.actor
    message.approval_resolved.reason = event.reason
    return True


def _auth_requested(message: event_pb.RunEvent, event: e.AuthRequested, _: View) -> bool:
    message.auth_required.CopyFrom(
        event_pb.AuthRequired(
            authorization_id=event.authorization_id,
            integration_id=event.integration_id,
            integration_name=event.integration_name,
            user_id=event.user_id,
            scopes=event.scopes,
            expires_at=timestamp(event.expires_at),
        )
    )
    return True


def _auth_resolved(message: event_pb.RunEvent, event: e.AuthResolved, _: View) -> bool:
    message.auth_resolved.authorization_id = event.authorization_id
    message.auth_resolved.granted = event.granted
    return True


def _cancel_requested(message: event_pb.RunEvent, event: e.CancelRequested, _: View) -> bool:
    message.cancel_requested.actor = event.actor
    return True


def _noted(message: event_pb.RunEvent, event: e.Noted, _: View) -> bool:
    message.note.text = event.text
    message.note.step_id = event.step_id
    return True


def _delayed(message: event_pb.RunEvent, event: e.CallDelayed, _: View) -> bool:
    message.note.text = event.text
    message.note.step_id = event.step_id
    return True


def _result_made(message: event_pb.RunEvent, event: e.ResultMade, _: View) -> bool:
    message.result.result_json = document(event.result)
    return True


def _error_raised(message: event_pb.RunEvent, event: e.ErrorRaised, _: View) -> bool:
    message.error.CopyFrom(run_error(event))
    return True


def _call_started(message: event_pb.RunEvent, event: e.CallStarted, view: View) -> bool:
    call = event.call
    message.tool_call.CopyFrom(
        event_pb.ToolCalled(
            call_id=call.id,
            step_id=call.step_id,
            integration_id=call.tool.integration_id,
            tool=call.tool.name,
            url=call.origin + call.path,
            arguments_json=json_text(call.arguments),
            attempt=event.attempt,
        )
    )
    return view.tool_calls


def _call_finished(message: event_pb.RunEvent, event: e.CallFinished, view: View) -> bool:
    message.tool_result.CopyFrom(
        event_pb.ToolResult(
            call_id=event.call_id,
            outcome=OUTCOME[event.outcome],
            output_json="" if event.output is None else document(event.output),
            message=event.message,
        )
    )
    return view.tool_calls


def _call_lost(message: event_pb.RunEvent, event: e.CallLost, view: View) -> bool:
    message.tool_result.CopyFrom(
        event_pb.ToolResult(call_id=event.call_id, outcome=OUTCOME[Outcome.UNKNOWN], message=event.message)
    )
    return view.tool_calls


# Events that are not here are internal: no view shows them.
PROJECTIONS: Final[Mapping[type, Projection]] = {
    e.RunCreated: _created,
    e.StatusChanged: _status_changed,
    e.PlanMade: _plan_made,
    e.PlanRefused: _plan_refused,
    e.StepStarted: _step_started,
    e.StepFinished: _step_finished,
    e.ApprovalResolved: _approval_resolved,
    e.AuthRequested: _auth_requested,
    e.AuthResolved: _auth_resolved,
    e.CancelRequested: _cancel_requested,
    e.Noted: _noted,
    e.CallDelayed: _delayed,
    e.ResultMade: _result_made,
    e.ErrorRaised: _error_raised,
    e.CallStarted: _call_started,
    e.CallFinished: _call_finished,
    e.CallLost: _call_lost,
}
