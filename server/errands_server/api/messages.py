"""Maps the domain to messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from errands.v1 import approval_pb2 as approval_pb
from errands.v1 import audit_pb2 as audit_pb
from errands.v1 import event_pb2 as event_pb
from errands.v1 import integration_pb2 as integration_pb
from errands.v1 import key_pb2 as key_pb
from errands.v1 import plan_pb2 as plan_pb
from errands.v1 import preflight_pb2 as preflight_pb
from errands.v1 import run_pb2 as run_pb

from ..domain import commands
from ..domain import events as e
from ..domain.events import Record
from ..domain.explanation import ArgumentSource, Choice, ClauseRead, Considered, Origin
from ..domain.plan import Path
from ..domain.preflight import ExpectedApproval, MissingConnection, Preflight, PreflightCall
from ..domain.run import Run
from ..domain.tool import Effect, Tool
from ..services.runs import RunView
from ..store.repositories.approvals import ApprovalRow
from ..store.repositories.audit import AuditEntry
from ..store.repositories.integrations import Integration
from ..store.repositories.keys import Key
from ..streams import View
from . import credentials, enums
from .enums import (
    APPROVAL_STATUS,
    DECISION,
    KIND,
    OUTCOME,
    STATUS,
    STRATEGY,
    json_text,
    plan_of,
    run_error,
    set_time,
    take_fitting,
    timestamp,
)
from .events import PROJECTIONS


def _call(call: e.Call) -> approval_pb.ApprovalCall:
    writes = call.effect is Effect.WRITE
    return approval_pb.ApprovalCall(
        call_id=call.id,
        integration_id=call.tool.integration_id,
        tool=call.tool.name,
        title=call.title,
        arguments_json=json_text(call.arguments),
        effect=approval_pb.CALL_EFFECT_WRITE if writes else approval_pb.CALL_EFFECT_READ,
        shared=call.shared,
        origin=call.origin,
        integration_name=call.integration_name,
        step_id=call.step_id,
    )


class RunMessages:
    """Maps runs, events and approvals to messages, with their links.

    `link` and `connect_link` make the links to approval and connect pages.
    """

    def __init__(
        self,
        link: Callable[[str, e.ApprovalRequested, e.Decision], str],
        connect_link: Callable[[str, str, e.AuthRequested], str],
    ) -> None:
        self._link = link
        self._connect_link = connect_link

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
        if request.question is not None:
            message.question.message = request.question.message
            message.question.schema_json = json_text(request.question.schema)
            message.question.said = request.question.said
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
            message.input_json = "" if row.resolution.input is None else json_text(row.resolution.input)
            message.decided_at.CopyFrom(timestamp(row.resolved_at))
        return message

    def event(self, tenant: str, run_id: str, record: Record, view: View) -> event_pb.RunEvent | None:
        """A record as this view shows it, or None where it does not."""
        message = event_pb.RunEvent()
        return message if self._fill(message, tenant, run_id, record, view) else None

    def _fill(self, message: event_pb.RunEvent, tenant: str, run_id: str, record: Record, view: View) -> bool:
        """Fill `message` with what this view shows of a record; False where it shows nothing."""
        event = record.event
        if type(event) is e.ApprovalRequested:
            message.approval_required.CopyFrom(
                self.approval(
                    event,
                    run_id=run_id,
                    user_id=event.user_id,
                    created_at=record.at,
                    tenant=tenant if view.links else "",
                )
            )
        else:
            project = PROJECTIONS.get(type(event))
            if project is None or not project(message, event, view):
                return False
            if type(event) is e.AuthRequested and view.connect_links:
                message.auth_required.url = self._connect_link(tenant, run_id, event)
        message.sequence = record.sequence
        message.run_id = run_id
        message.status = STATUS[record.status]
        set_time(message.created_at, record.at)
        return True

    def encode(self, tenant: str, run_id: str, record: Record, view: View) -> bytes:
        """A record as field 1 of StreamRunEventsResponse; empty where the view hides it.

        Encoded fields may be joined to make one message of many events.
        """
        answer = run_pb.StreamRunEventsResponse()
        shown = self._fill(answer.events.add(), tenant, run_id, record, view)
        return answer.SerializeToString() if shown else b""

    def events(
        self, tenant: str, run_id: str, records: Sequence[Record], view: View
    ) -> list[event_pb.RunEvent]:
        found = (self.event(tenant, run_id, record, view) for record in records)
        return [message for message in found if message is not None]

    def run(self, run_view: RunView, *, most_events: int, view: View) -> run_pb.Run:
        """A run as one caller sees it."""
        head, run = run_view.head, run_view.run
        awaited = next(iter(run.authorizations.values()), None) if view.connect_links else None
        message = run_pb.Run(
            run_id=head.run_id,
            repeat_key=head.repeat_key,
            repeat_run_id=head.repeat_run_id or "",
            status=STATUS[run.status],
            execution_plan_id=run.plan_id,
            plan=plan_of(run),
            result_json=run_view.result.decode(),
            intent=run_view.inputs.intent,
            context=run_view.inputs.context,
            created_at=timestamp(run.created_at),
            updated_at=timestamp(run.updated_at),
            user_id=run.user_id,
            approval_strategy=STRATEGY[run.strategy],
            selected_customer_integration_ids=[chosen.id for chosen in run_view.inputs.integrations],
            steps_finished=[_finished_step(run, step_id) for step_id in run.finished],
            error=None if run.error is None or not run.ended else run_error(run.error),
            pending_approvals=self._pending_approvals(head.tenant if view.links else "", head.run_id, run),
            authorization_url=self._connect_link(head.tenant, head.run_id, awaited) if awaited else "",
            cancel_requested=run.cancel is not None,
            last_sequence=run.sequence,
        )
        if most_events:
            events = self.events(head.tenant, head.run_id, run_view.records, view)
            message.events.extend(take_fitting(events[:most_events]))
            message.events_truncated = len(events) > len(message.events)
        return message

    def _pending_approvals(self, tenant: str, run_id: str, run: Run) -> list[approval_pb.Approval]:
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


def _finished_step(run: Run, step_id: str) -> run_pb.FinishedStep:
    progress = run.steps[step_id]
    assert progress.outcome is not None  # noqa: S101 (it is among the finished)
    return run_pb.FinishedStep(
        step_id=step_id,
        description=progress.step.description,
        outcome=OUTCOME[progress.outcome],
        finished_at=timestamp(progress.finished_at),
    )


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
        auth=credentials.auth(found),
        created_at=timestamp(found.created_at),
        left_out=found.left_out,
        rate_limit=found.rate_limit,
        max_concurrency=found.max_concurrency,
    )


def tool(found: Tool) -> integration_pb.Tool:
    return integration_pb.Tool(
        name=found.name,
        title=found.title,
        description=found.description,
        read_only=found.effect is Effect.READ,
        method=found.method,
        path=found.path,
        parameters_json=json_text(found.parameters),
        output_json="" if found.output is None else json_text(found.output),
        secured=found.secured,
        deprecated=found.deprecated,
    )


def audit_entry(found: AuditEntry) -> audit_pb.AuditEntry:
    return audit_pb.AuditEntry(
        id=found.id,
        created_at=timestamp(found.at),
        actor=found.actor,
        action=found.action,
        subject=found.subject,
        details_json=found.details,
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


_ACCESS: Final[dict[str, Any]] = {
    "none": preflight_pb.CALL_ACCESS_NONE,
    "run": preflight_pb.CALL_ACCESS_PASS_THROUGH,
    "user": preflight_pb.CALL_ACCESS_USER,
    "shared": preflight_pb.CALL_ACCESS_SHARED,
    "missing": preflight_pb.CALL_ACCESS_MISSING,
}


def preflight(found: Preflight) -> preflight_pb.Preflight:
    return preflight_pb.Preflight(
        calls=map(_preflight_call, found.calls),
        missing=[_missing_connection(one, found.user_id) for one in found.missing],
        approvals=map(_expected_approval, found.approvals),
    )


def _preflight_call(call: PreflightCall) -> preflight_pb.PreflightCall:
    reads = call.effect is Effect.READ
    return preflight_pb.PreflightCall(
        step_id=call.step_id,
        integration_id=call.tool.integration_id,
        integration_name=call.integration_name,
        tool=call.tool.name,
        title=call.title,
        effect=approval_pb.CALL_EFFECT_READ if reads else approval_pb.CALL_EFFECT_WRITE,
        origin=call.origin,
        access=_ACCESS[call.access],
    )


def _missing_connection(missing: MissingConnection, user_id: str) -> preflight_pb.MissingConnection:
    return preflight_pb.MissingConnection(
        integration_id=missing.integration_id,
        integration_name=missing.integration_name,
        user_id=user_id,
        scopes=missing.scopes,
        url=missing.url,
        expires_at=None if missing.expires_at is None else enums.timestamp(missing.expires_at),
    )


def _expected_approval(approval: ExpectedApproval) -> preflight_pb.ExpectedApproval:
    return preflight_pb.ExpectedApproval(
        kind=enums.KIND[approval.kind], step_id=approval.step_id, calls=approval.calls
    )


_SOURCES: Final[dict[ArgumentSource, Any]] = {
    ArgumentSource.INTENT: plan_pb.ARGUMENT_SOURCE_INTENT,
    ArgumentSource.CONTEXT: plan_pb.ARGUMENT_SOURCE_CONTEXT,
    ArgumentSource.STEP: plan_pb.ARGUMENT_SOURCE_STEP,
    ArgumentSource.SCHEMA: plan_pb.ARGUMENT_SOURCE_SCHEMA,
}


def explanation(clauses: Iterable[ClauseRead]) -> plan_pb.PlanExplanation:
    return plan_pb.PlanExplanation(clauses=map(_clause, clauses))


def _clause(clause: ClauseRead) -> plan_pb.ExplainedClause:
    return plan_pb.ExplainedClause(
        text=clause.text,
        tools=map(_tool, clause.considered),
        calls=map(_explained_call, clause.choices),
        missing=map(_dot_path, clause.missing),
    )


def _tool(tool: Considered) -> plan_pb.ConsideredTool:
    return plan_pb.ConsideredTool(
        integration_id=tool.ref.integration_id, tool=tool.ref.name, score=tool.score
    )


def _explained_call(choice: Choice) -> plan_pb.ExplainedCall:
    return plan_pb.ExplainedCall(
        step_id=choice.step,
        integration_id=choice.ref.integration_id,
        tool=choice.ref.name,
        arguments=map(_argument, choice.origins),
    )


def _argument(origin: Origin) -> plan_pb.ExplainedArgument:
    return plan_pb.ExplainedArgument(
        path=_dot_path(origin.path), source=_SOURCES[origin.source], reason=origin.why, words=origin.words
    )


def _dot_path(path: Path) -> str:
    return ".".join(map(str, path))
