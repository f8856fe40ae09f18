"""Between the domain and the wire: every message is made here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from errands.v1 import approval_pb2 as approval_pb
from errands.v1 import event_pb2 as event_pb
from errands.v1 import integration_pb2 as integration_pb
from errands.v1 import key_pb2 as key_pb
from errands.v1 import plan_pb2 as plan_pb
from errands.v1 import run_pb2 as run_pb

from ..domain import commands
from ..domain import event as e
from ..domain.event import Outcome, Record, RunStatus, Strategy
from ..domain.plan import Plan
from ..domain.run import Run
from ..domain.tool import Effect, Tool
from ..services.views import RunView
from ..store.approvals import ApprovalRow
from ..store.integrations import Integration
from ..store.keys import Key
from ..streams import View
from .status import CODES

M = TypeVar("M", bound=Message)
# gRPC clients take messages of 4 MiB unless told otherwise; a result may have 1 MiB of its own.
MAX_BYTES: Final = 2 << 20


def _numbers(enum: Any, prefix: str, values: type[StrEnum], *, by_name: bool = False) -> dict[Any, Any]:
    """The wire number of each value. Generated enums are ints at run time only, hence Any."""
    return {value: enum.Value(prefix + (value.name if by_name else value.value)) for value in values}


STATUS: Final = _numbers(event_pb.RunStatus, "RUN_STATUS_", RunStatus)
STATUS_OF: Final = {number: status for status, number in STATUS.items()}
STRATEGY: Final = _numbers(run_pb.ApprovalStrategy, "APPROVAL_STRATEGY_", Strategy)
STRATEGY_OF: Final = {number: strategy for strategy, number in STRATEGY.items()}
OUTCOME: Final = _numbers(event_pb.Outcome, "OUTCOME_", Outcome, by_name=True)
KIND: Final = _numbers(approval_pb.ApprovalKind, "APPROVAL_KIND_", e.ApprovalKind)
DECISION: Final = _numbers(approval_pb.Decision, "DECISION_", e.Decision)
DECISION_OF: Final = {number: decision for decision, number in DECISION.items()}
APPROVAL_STATUS: Final[Mapping[str, Any]] = {
    "pending": approval_pb.APPROVAL_STATUS_PENDING,
    "decided": approval_pb.APPROVAL_STATUS_DECIDED,
    "expired": approval_pb.APPROVAL_STATUS_EXPIRED,
    "closed": approval_pb.APPROVAL_STATUS_CLOSED,
}
APPROVAL_STATUS_OF: Final = {number: status for status, number in APPROVAL_STATUS.items()}

Link = Callable[[e.ApprovalRequested, e.Decision], str]
"""Gives the URL that decides an approval so."""


def within(found: Sequence[M]) -> Sequence[M]:
    """The first of these messages that fit one answer together; at least one, if there is any."""
    size = 0
    for index, message in enumerate(found):
        size += message.ByteSize()
        if index and size > MAX_BYTES:
            return found[:index]
    return found


def timestamp(milliseconds: int) -> Timestamp:
    return Timestamp(seconds=milliseconds // 1_000, nanos=milliseconds % 1_000 * 1_000_000)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def document(kept: e.Document) -> str:
    """A document as events show it: its text, or what it is where it is too large for one."""
    if not kept.artifact:
        return kept.text
    return _json({"artifact": kept.artifact, "bytes": kept.size})


def plan(plan_id: str, made: Plan | None, text: str = "") -> plan_pb.ExecutionPlan:
    if made is None:
        return plan_pb.ExecutionPlan(execution_plan_id=plan_id, plan_type=plan_pb.PLAN_TYPE_TEXT, text=text)
    steps = [
        plan_pb.PlanStep(id=s.id, description=s.description, depends_on_steps=s.depends_on)
        for s in made.steps
    ]
    details = plan_pb.PlanDetails(title=made.title, description=made.description, steps=steps)
    return plan_pb.ExecutionPlan(execution_plan_id=plan_id, plan_type=plan_pb.PLAN_TYPE_JSON, details=details)


def plan_of(run: Run) -> plan_pb.ExecutionPlan:
    return plan(run.plan_id, run.plan, "" if run.refusal is None else run.refusal.message)


def run_error(error: e.ErrorRaised) -> event_pb.RunError:
    return event_pb.RunError(code=CODES[error.reason].name, message=error.message, reason=error.reason.value)


def _call(call: e.Call) -> approval_pb.ApprovalCall:
    writes = call.effect is Effect.WRITE
    return approval_pb.ApprovalCall(
        call_id=call.id,
        integration_id=call.tool.integration_id,
        tool=call.tool.name,
        title=call.title,
        arguments_json=_json(call.arguments),
        effect=approval_pb.CALL_EFFECT_WRITE if writes else approval_pb.CALL_EFFECT_READ,
        shared=call.shared,
    )


class Messages:
    """Makes the messages that hold links, which need a secret and the server's public address."""

    def __init__(self, link: Callable[[str, e.ApprovalRequested, e.Decision], str]) -> None:
        self._link = link

    def approval(
        self,
        request: e.ApprovalRequested,
        *,
        run_id: str,
        user_id: str,
        created_at: int,
        status: str = "pending",
        tenant: str = "",
    ) -> approval_pb.Approval:
        """An approval; with links where `tenant` is given and it can be decided by link."""
        message = approval_pb.Approval(
            approval_id=request.approval_id,
            run_id=run_id,
            kind=KIND[request.kind],
            step_id=request.step_id,
            text=request.text,
            calls=[_call(call) for call in request.calls or request.preview],
            hash=request.hash,
            created_at=timestamp(created_at),
            expires_at=timestamp(request.expires_at),
            choices=[DECISION[choice] for choice in commands.CHOICES[request.kind]],
            status=APPROVAL_STATUS[status],
            user_id=user_id,
        )
        if tenant and status == "pending" and request.kind is not e.ApprovalKind.IN_DOUBT:
            message.actions.extend(self._actions(tenant, request))
        return message

    def _actions(self, tenant: str, request: e.ApprovalRequested) -> list[approval_pb.ApprovalAction]:
        return [
            approval_pb.ApprovalAction(action=DECISION[choice], url=self._link(tenant, request, choice))
            for choice in commands.CHOICES[request.kind]
        ]

    def approval_row(self, row: ApprovalRow, *, tenant: str = "") -> approval_pb.Approval:
        message = self.approval(
            row.request,
            run_id=row.run_id,
            user_id=row.user_id,
            created_at=row.requested_at,
            status=row.status,
            tenant=tenant,
        )
        if row.resolution is not None and row.resolved_at is not None:
            message.decision = DECISION[row.resolution.decision]
            message.actor = row.resolution.actor
            message.reason = row.resolution.reason
            message.decided_at.CopyFrom(timestamp(row.resolved_at))
        return message

    def event(self, tenant: str, run_id: str, record: Record, view: View) -> event_pb.RunEvent | None:
        """A record as this view shows it, or None where it does not."""
        project = _PROJECTIONS.get(type(record.event))
        message = event_pb.RunEvent(
            sequence=record.sequence,
            run_id=run_id,
            status=STATUS[record.status],
            created_at=timestamp(record.at),
        )
        if isinstance(record.event, e.ApprovalRequested):
            message.approval_required.CopyFrom(
                self.approval(
                    record.event,
                    run_id=run_id,
                    user_id=record.event.user_id,
                    created_at=record.at,
                    tenant=tenant if view.links else "",
                )
            )
            return message
        if project is None or not project(message, record.event, view):
            return None
        return message

    def encode(self, tenant: str, run_id: str, record: Record, view: View) -> bytes:
        """A record as field 1 of StreamRunEventsResponse; empty where the view hides it.

        Encoded fields may be joined to make one message of many events.
        """
        message = self.event(tenant, run_id, record, view)
        if message is None:
            return b""
        return run_pb.StreamRunEventsResponse(events=[message]).SerializeToString()

    def events(
        self, tenant: str, run_id: str, records: Sequence[Record], view: View
    ) -> list[event_pb.RunEvent]:
        found = (self.event(tenant, run_id, record, view) for record in records)
        return [message for message in found if message is not None]

    def run(self, seen: RunView, *, most_events: int, links: bool) -> run_pb.Run:
        """A run as one caller sees it."""
        head, run = seen.head, seen.run
        message = run_pb.Run(
            run_id=head.run_id,
            repeat_key=head.repeat_key,
            repeat_run_id=head.repeat_run_id or "",
            status=STATUS[run.status],
            execution_plan_id=run.plan_id,
            plan=plan_of(run),
            result_json=seen.result.decode(),
            intent=seen.inputs.intent,
            context=seen.inputs.context,
            created_at=timestamp(run.created_at),
            updated_at=timestamp(run.updated_at),
            user_id=run.user_id,
            approval_strategy=STRATEGY[run.strategy],
            selected_customer_integration_ids=[chosen.id for chosen in seen.inputs.integrations],
            steps_finished=[_finished(run, step_id) for step_id in run.finished],
            error=None if run.error is None or not run.ended else run_error(run.error),
            pending_approvals=self._pending(head.tenant if links else "", head.run_id, run),
            cancel_requested=run.cancel is not None,
            last_sequence=run.sequence,
        )
        if most_events:
            view = View(links=links)
            events = self.events(head.tenant, head.run_id, seen.records, view)
            message.events.extend(within(events[:most_events]))
            message.events_truncated = len(events) > len(message.events)
        return message

    def _pending(self, tenant: str, run_id: str, run: Run) -> list[approval_pb.Approval]:
        return [
            self.approval(
                open_approval.request,
                run_id=run_id,
                user_id=run.user_id,
                created_at=open_approval.requested_at,
                tenant=tenant,
            )
            for open_approval in run.open_approvals()
        ]


def _finished(run: Run, step_id: str) -> run_pb.FinishedStep:
    progress = run.steps[step_id]
    assert progress.outcome is not None  # noqa: S101 (it is among the finished)
    return run_pb.FinishedStep(
        step_id=step_id,
        description=progress.step.description,
        outcome=OUTCOME[progress.outcome],
        finished_at=timestamp(progress.finished_at),
    )


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
            arguments_json=_json(call.arguments),
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
_PROJECTIONS: Final[Mapping[type, Projection]] = {
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


def integration(found: Integration) -> integration_pb.Integration:
    status = (
        integration_pb.INTEGRATION_STATUS_ACTIVE
        if found.active
        else integration_pb.INTEGRATION_STATUS_INACTIVE
    )
    return integration_pb.Integration(
        id=found.id,
        name=found.name,
        kind=found.kind,
        status=status,
        base_url=found.base_url,
        internal=found.internal,
        revision=found.revision,
        tool_count=found.tool_count,
        auth=integration_pb.IntegrationAuth(type=found.auth_type, shared=found.shared),
        created_at=timestamp(found.created_at),
        left_out=found.left_out,
    )


def tool(found: Tool) -> integration_pb.Tool:
    return integration_pb.Tool(
        name=found.name,
        title=found.title,
        description=found.description,
        read_only=found.effect is Effect.READ,
        method=found.method,
        path=found.path,
        parameters_json=_json(found.parameters),
        output_json="" if found.output is None else _json(found.output),
        secured=found.secured,
        deprecated=found.deprecated,
    )


def key(found: Key) -> key_pb.Key:
    return key_pb.Key(
        id=found.id,
        name=found.name,
        tenant=found.tenant,
        scopes=sorted(found.scopes),
        created_at=timestamp(found.created_at),
        expires_at=None if found.expires_at is None else timestamp(found.expires_at),
    )
