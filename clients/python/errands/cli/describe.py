"""Events, plans and approvals in words, with the style each is shown in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from errands.v1.approval_pb2 import Approval, ApprovalCall
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
from errands.v1.plan_pb2 import PLAN_TYPE_JSON, ExecutionPlan

from .. import question_fields
from .documents import enum_word, format_time
from .text import clean, format_json, one_line


@dataclass(frozen=True)
class Description:
    """Lines of text that is safe to print, and the name of a Rich style."""

    text: str
    style: str = ""


def event(found: RunEvent) -> Description:
    """Describe an event in one line or a few."""
    arm = found.WhichOneof("event")
    if arm is None:
        return Description("something this version does not know")
    return _ARMS[arm](getattr(found, arm))


def plan(found: ExecutionPlan) -> Description:
    """Describe the steps of a plan, or why there is none."""
    if found.plan_type != PLAN_TYPE_JSON:
        return Description(f"no plan: {one_line(found.text)}" if found.text else "no plan yet", "yellow")
    details = found.details
    lines = [f"plan: {one_line(details.title or details.description)}"]
    for step in details.steps:
        after = f" (after {', '.join(step.depends_on_steps)})" if step.depends_on_steps else ""
        lines.append(clean(f"  {step.id}  {one_line(step.description)}{after}"))
    return Description("\n".join(lines), "cyan")


def approval(found: Approval) -> Description:
    """Describe all that a person must know to decide: exactly what is sent, where, and as whom."""
    user = f"for user {one_line(found.user_id)}, " if found.user_id else ""
    lines = [f"approval {found.approval_id} ({enum_word(found, 'kind')}): {one_line(found.text)}"]
    if found.HasField("question"):
        if found.question.said:
            lines.append(f"  without an answer it said: {one_line(found.question.said)}")
        lines += [f"  ? {field(one)}" for one in question_fields.parse_fields(found.question.schema_json)]
    lines += [text for call in found.calls for text in _call(call)]
    lines.append(f"  {user}until {format_time(found.expires_at)}, {found.hash}")
    return Description(clean("\n".join(lines)), "bold yellow")


def field(found: question_fields.Field) -> str:
    """Describe a field of a form in one line: its name, title, description and accepted values."""
    titled = [one_line(found.title)] if found.title != found.name else []
    kind = found.format or found.kind
    offered = [f"{c.value} ({c.title})" if c.title != c.value else c.value for c in found.choices]
    may = f"{'some' if found.kind == 'choices' else 'one'} of {', '.join(offered)}" if offered else kind
    needed = "" if found.required else ", optional"
    return one_line(": ".join([found.name, *titled, *filter(None, [found.description]), f"{may}{needed}"]))


def _call(call: ApprovalCall) -> list[str]:
    account = "the integration's shared account" if call.shared else "the user's own account"
    arguments = format_json(json.loads(call.arguments_json or "{}")).splitlines()
    # The calls of a plan have no id yet.
    which = f"step {one_line(call.step_id)}{f' · call {call.call_id}' if call.call_id else ''}"
    return [
        f"  {enum_word(call, 'effect')}: {one_line(call.title)}",
        f"    {one_line(call.integration_id)} · {one_line(call.tool)} · {account} · {which}",
        *(f"    {text}" for text in arguments),
    ]


def _status(changed: StatusChanged) -> Description:
    status = enum_word(changed, "status")
    if not changed.HasField("report"):
        return Description(status, _STATUS_STYLES.get(status, "bold"))
    report = changed.report
    left = f"carried out {len(report.completed)} calls, {len(report.unknown)} with unknown outcome"
    return Description(f"{status}: {left} {' '.join(report.unknown)}".rstrip(), "bold red")


def _step_started(step: StepStarted) -> Description:
    return Description(f"{step.step_id} started: {one_line(step.text)}")


def _step_completed(step: StepCompleted) -> Description:
    outcome = enum_word(step, "outcome")
    return Description(f"{step.step_id} {outcome}: {one_line(step.text)}", _OUTCOME_STYLES.get(outcome, ""))


def _approval_resolved(found: ApprovalResolved) -> Description:
    reason = f": {one_line(found.reason)}" if found.reason else ""
    text = f"approval {found.approval_id}: {enum_word(found, 'decision')} by {one_line(found.actor)}{reason}"
    return Description(text, "yellow")


def _auth_required(found: AuthRequired) -> Description:
    scopes = f" ({one_line(', '.join(found.scopes))})" if found.scopes else ""
    text = f"{one_line(found.user_id)} must authorize {one_line(found.integration_name)}{scopes}"
    where = f"\nauthorize here: {one_line(found.url)}" if found.url else ""
    return Description(f"{text}, until {format_time(found.expires_at)}{where}", "bold yellow")


def _auth_resolved(found: AuthResolved) -> Description:
    return Description("access granted" if found.granted else "access refused", "yellow")


def _cancel_requested(found: CancelRequested) -> Description:
    return Description(f"cancel requested by {one_line(found.actor)}", "yellow")


def _note(note: Note) -> Description:
    return Description(f"{note.step_id}: {one_line(note.text)}".removeprefix(": "), "dim")


def _result(result: Result) -> Description:
    return Description(f"result\n{format_json(json.loads(result.result_json))}", "green")


def _error(error: RunError) -> Description:
    return Description(f"{one_line(error.message)} ({error.reason})", "red")


def _tool_call(call: ToolCalled) -> Description:
    attempt = f" (attempt {call.attempt})" if call.attempt > 1 else ""
    request = f"{one_line(call.tool)} {one_line(call.url)} {one_line(call.arguments_json)}"
    return Description(f"{call.step_id} → {request}{attempt}", "dim")


def _tool_result(result: ToolResult) -> Description:
    found = one_line(result.message or result.output_json)
    return Description(f"← {enum_word(result, 'outcome')} {found}".rstrip(), "dim")


def _reasoning(thought: Reasoning) -> Description:
    return Description(f"{thought.step_id}: {one_line(thought.text)}".removeprefix(": "), "dim italic")


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
    "step_started": _step_started,
    "step_completed": _step_completed,
    "approval_required": approval,
    "approval_resolved": _approval_resolved,
    "auth_required": _auth_required,
    "auth_resolved": _auth_resolved,
    "cancel_requested": _cancel_requested,
    "note": _note,
    "result": _result,
    "error": _error,
    "tool_call": _tool_call,
    "tool_result": _tool_result,
    "reasoning": _reasoning,
}
