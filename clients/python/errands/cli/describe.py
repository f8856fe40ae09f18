"""Describes events and approvals in words, with the style each is shown in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from errands.v1.approval_pb2 import Approval, ApprovalCall, ApprovalQuestion
from errands.v1.event_pb2 import (
    ApprovalResolved,
    AuthRequired,
    AuthResolved,
    CancelRequested,
    Note,
    Reasoning,
    Result,
    RunError,
    RunEvent,
    StatusChanged,
    StepCompleted,
    StepStarted,
    ToolCalled,
    ToolResult,
)
from errands.v1.plan_pb2 import PLAN_TYPE_JSON, ExecutionPlan, PlanStep

from .. import question_fields
from .documents import bare, when
from .text import clean, line, pretty


@dataclass(frozen=True)
class Description:
    """Some lines of safe text, and a Rich style."""

    text: str
    style: str = ""


def event(happened: RunEvent) -> Description:
    """What happened, in a line or a few."""
    arm = happened.WhichOneof("event")
    if arm is None:
        return Description("something this version does not know")
    return _ARMS[arm](getattr(happened, arm))


def plan(made: ExecutionPlan) -> Description:
    """The steps of a plan, or why there is none."""
    if made.plan_type != PLAN_TYPE_JSON:
        return Description(f"no plan: {line(made.text)}" if made.text else "no plan yet", "yellow")
    details = made.details
    title = line(details.title or details.description)
    return Description("\n".join([f"plan: {title}", *map(_step, details.steps)]), "cyan")


def _step(step: PlanStep) -> str:
    after = f" (after {', '.join(step.depends_on_steps)})" if step.depends_on_steps else ""
    return clean(f"  {step.id}  {line(step.description)}{after}")


def approval(asked: Approval) -> Description:
    """Everything a person must know to decide: exactly what will be sent, where, and as whom."""
    user = f"for user {line(asked.user_id)}, " if asked.user_id else ""
    lines = [
        f"approval {asked.approval_id} ({bare(asked, 'kind')}): {line(asked.text)}",
        *(_question(asked.question) if asked.HasField("question") else ()),
        *(text for call in asked.calls for text in _call(call)),
        f"  {user}until {when(asked.expires_at)}, {asked.hash}",
    ]
    return Description(clean("\n".join(lines)), "bold yellow")


def _question(question: ApprovalQuestion) -> list[str]:
    """The fields of a form, and what may be given."""
    said = [f"  without an answer it said: {line(question.said)}"] if question.said else []
    return said + [f"  ? {text}" for text in map(field, question_fields.fields(question.schema_json))]


def field(asked: question_fields.Field) -> str:
    """A field in a line: its name, what it is called, what may be given, and whether it must be."""
    titled = [line(asked.title)] if asked.title != asked.name else []
    kind = asked.format or asked.kind
    offered = [f"{c.value} ({c.title})" if c.title != c.value else c.value for c in asked.choices]
    may = f"{'some' if asked.kind == 'choices' else 'one'} of {', '.join(offered)}" if offered else kind
    needed = "" if asked.required else ", optional"
    return line(": ".join([asked.name, *titled, *filter(None, [asked.description]), f"{may}{needed}"]))


def _call(call: ApprovalCall) -> list[str]:
    account = "the integration's shared account" if call.shared else "the user's own account"
    arguments = pretty(json.loads(call.arguments_json or "{}")).splitlines()
    # The calls of a plan have no id yet.
    which = f"step {line(call.step_id)}{f' · call {call.call_id}' if call.call_id else ''}"
    return [
        f"  {bare(call, 'effect')}: {line(call.title)}",
        f"    {line(call.integration_id)} · {line(call.tool)} · {account} · {which}",
        *(f"    {text}" for text in arguments),
    ]


def _status(changed: StatusChanged) -> Description:
    status = bare(changed, "status")
    if not changed.HasField("report"):
        return Description(status, _STATUS_STYLES.get(status, "bold"))
    report = changed.report
    left = f"carried out {len(report.completed)} calls, {len(report.unknown)} with unknown outcome"
    return Description(f"{status}: {left} {' '.join(report.unknown)}".rstrip(), "bold red")


def _started(step: StepStarted) -> Description:
    return Description(f"{step.step_id} started: {line(step.text)}")


def _completed(step: StepCompleted) -> Description:
    outcome = bare(step, "outcome")
    return Description(f"{step.step_id} {outcome}: {line(step.text)}", _OUTCOME_STYLES.get(outcome, ""))


def _resolved(made: ApprovalResolved) -> Description:
    reason = f": {line(made.reason)}" if made.reason else ""
    text = f"approval {made.approval_id}: {bare(made, 'decision')} by {line(made.actor)}{reason}"
    return Description(text, "yellow")


def _auth_required(asked: AuthRequired) -> Description:
    scopes = f" ({line(', '.join(asked.scopes))})" if asked.scopes else ""
    text = f"{line(asked.user_id)} must authorize {line(asked.integration_name)}{scopes}"
    where = f"\nauthorize here: {line(asked.url)}" if asked.url else ""
    return Description(f"{text}, until {when(asked.expires_at)}{where}", "bold yellow")


def _auth_resolved(made: AuthResolved) -> Description:
    return Description("access granted" if made.granted else "access refused", "yellow")


def _cancel(asked: CancelRequested) -> Description:
    return Description(f"cancel requested by {line(asked.actor)}", "yellow")


def _note(note: Note) -> Description:
    return Description(f"{note.step_id}: {line(note.text)}".removeprefix(": "), "dim")


def _result(result: Result) -> Description:
    return Description(f"result\n{pretty(json.loads(result.result_json))}", "green")


def _error(error: RunError) -> Description:
    return Description(f"{line(error.message)} ({error.reason})", "red")


def _tool_call(call: ToolCalled) -> Description:
    attempt = f" (attempt {call.attempt})" if call.attempt > 1 else ""
    text = f"{call.step_id} → {line(call.tool)} {line(call.url)} {line(call.arguments_json)}{attempt}"
    return Description(text, "dim")


def _tool_result(result: ToolResult) -> Description:
    found = line(result.message or result.output_json)
    return Description(f"← {bare(result, 'outcome')} {found}".rstrip(), "dim")


def _reasoning(thought: Reasoning) -> Description:
    return Description(f"{thought.step_id}: {line(thought.text)}".removeprefix(": "), "dim italic")


_STATUS_STYLES: Final = {
    "SUCCESS": "bold green",
    "FAILED": "bold red",
    "NO_SUCCESS": "bold red",
    "PAUSED": "bold yellow",
    "AUTH_REQUIRED": "bold yellow",
}
_OUTCOME_STYLES: Final = {"done": "green", "failed": "red", "denied": "red", "skipped": "yellow"}
_ARMS: Final[Mapping[str, Callable[[Any], Description]]] = {
    "status_changed": _status,
    "plan": plan,
    "step_started": _started,
    "step_completed": _completed,
    "approval_required": approval,
    "approval_resolved": _resolved,
    "auth_required": _auth_required,
    "auth_resolved": _auth_resolved,
    "cancel_requested": _cancel,
    "note": _note,
    "result": _result,
    "error": _error,
    "tool_call": _tool_call,
    "tool_result": _tool_result,
    "reasoning": _reasoning,
}
