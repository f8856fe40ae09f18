"""Prompts by which a person at the terminal decides approvals."""

from __future__ import annotations

import json
import shlex
from functools import partial
from typing import Any, Final

import click

from errands.v1.approval_pb2 import (
    APPROVAL_KIND_IN_DOUBT,
    APPROVAL_KIND_INPUT,
    Approval,
    DecideApprovalRequest,
    DecideApprovalResponse,
)

from .. import question_fields
from ..client import Error
from . import describe
from .documents import document
from .session import Session
from .text import clean

LATER: Final = "later"


def decide(
    session: Session,
    approval_id: str,
    decision: str,
    *,
    reason: str = "",
    output_json: str = "",
    input_json: str = "",
) -> Approval:
    """Send a decision: `approve`, `deny`, `retry`, `done` or `fail`. Returns the approval. Raises Error."""
    request = DecideApprovalRequest(
        approval_id=approval_id,
        decision=f"DECISION_{decision.upper()}",
        reason=reason,
        output_json=output_json,
        input_json=input_json,
    )
    return session.call("ApprovalService/DecideApproval", request, DecideApprovalResponse).approval


def decision_commands(approval: Approval) -> str:
    """The command lines that decide an approval, where there is no terminal to ask at."""
    if approval.kind == APPROVAL_KIND_IN_DOUBT:
        return f"decide with: errands decide {approval.approval_id} retry|done|fail"
    if approval.kind == APPROVAL_KIND_INPUT:
        fields = question_fields.parse_fields(approval.question.schema_json)
        shape = json.dumps({field.name: "…" for field in fields if field.required} or {}, ensure_ascii=False)
        answer = f"errands approve {approval.approval_id} --input {shlex.quote(clean(shape))}"
        return f"answer with: {answer}  or  errands deny {approval.approval_id}"
    return f"decide with: errands approve {approval.approval_id}  or  errands deny {approval.approval_id}"


def ask(session: Session, approval: Approval) -> str:
    """Ask at the terminal and send the decision to the server.

    Returns a line to show, or an empty text. A decision that cannot be delivered leaves the
    approval open.
    """
    choices = [*document(approval)["choices"], LATER]
    answer = click.prompt(" / ".join(choices), type=click.Choice(choices), show_choices=False)
    if answer == LATER:
        return decision_commands(approval)
    output = _ask_output() if answer == "done" else ""
    given = _ask_input(approval) if answer == "approve" and approval.kind == APPROVAL_KIND_INPUT else ""
    try:
        decide(session, approval.approval_id, answer, output_json=output, input_json=given)
    except Error as error:
        return f"not decided: {clean(str(session.explain(error)))}; {decision_commands(approval)}"
    return ""


def _ask_output() -> str:
    """Ask for the output of a call. Empty where the person does not know it."""
    return click.prompt(
        "what it answered (JSON; empty if not known)",
        default="",
        show_default=False,
        value_proc=normalize_json,
    )


def _ask_input(approval: Approval) -> str:
    """Ask for the fields of a question one by one; the server validates them together."""
    values: dict[str, Any] = {}
    for field in question_fields.parse_fields(approval.question.schema_json):
        default = field.default
        if isinstance(default, list) and not any("," in one for one in default):
            default = ", ".join(default)  # as it would be typed
        value = click.prompt(
            clean(f"{describe.field(field)}{'; several with commas' if field.kind == 'choices' else ''}"),
            default="" if default is None else default,
            show_default=default is not None,
            value_proc=partial(_parse_value, field),
        )
        values |= {} if value is None else {field.name: value}
    return json.dumps(values)


def _parse_value(field: question_fields.Field, text: Any) -> Any:
    """Parse what was typed for a field. UsageError: it does not fit; click asks again."""
    if not isinstance(text, str):
        return text  # the default, taken as it is
    given = [part.strip() for part in text.split(",")] if field.kind == "choices" else [text.strip()]
    try:
        value = field.parse(given)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if value is None and field.required:
        raise click.UsageError("must be given")
    return value


def normalize_json(text: str) -> str:
    """Check that text is JSON or empty and return it on one line. UsageError: it is neither."""
    try:
        return json.dumps(json.loads(text)) if text.strip() else ""
    except ValueError as error:
        raise click.UsageError(f"not JSON: {error}") from error
