"""Asking: how a person at the terminal decides what a run asks."""

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
    """Decide as `approve`, `deny`, `retry`, `done` or `fail`. Raises Error."""
    request = DecideApprovalRequest(
        approval_id=approval_id,
        decision=f"DECISION_{decision.upper()}",
        reason=reason,
        output_json=output_json,
        input_json=input_json,
    )
    return session.call("ApprovalService/DecideApproval", request, DecideApprovalResponse).approval


def commands(asked: Approval) -> str:
    """The command lines that decide it, for whoever is not asked here."""
    if asked.kind == APPROVAL_KIND_IN_DOUBT:
        return f"decide with: errands decide {asked.approval_id} retry|done|fail"
    if asked.kind == APPROVAL_KIND_INPUT:
        fields = question_fields.fields(asked.question.schema_json)
        shape = json.dumps({field.name: "…" for field in fields if field.required} or {}, ensure_ascii=False)
        answer = f"errands approve {asked.approval_id} --input {shlex.quote(clean(shape))}"
        return f"answer with: {answer}  or  errands deny {asked.approval_id}"
    return f"decide with: errands approve {asked.approval_id}  or  errands deny {asked.approval_id}"


def ask(session: Session, asked: Approval) -> str:
    """Ask at the terminal and carry the answer to the server. What it returns should be said, if anything.

    An answer that cannot be delivered decides nothing, and the approval stays open.
    """
    choices = [*document(asked)["choices"], LATER]
    answer = click.prompt(" / ".join(choices), type=click.Choice(choices), show_choices=False)
    if answer == LATER:
        return commands(asked)
    output = _output() if answer == "done" else ""
    given = _input(asked) if answer == "approve" and asked.kind == APPROVAL_KIND_INPUT else ""
    try:
        decide(session, asked.approval_id, answer, output_json=output, input_json=given)
    except Error as error:
        return f"not decided: {clean(str(session.explain(error)))}; {commands(asked)}"
    return ""


def _output() -> str:
    """What the call answered, as far as the person knows; empty where they do not."""
    return click.prompt(
        "what it answered (JSON; empty if not known)", default="", show_default=False, value_proc=json_text
    )


def _input(asked: Approval) -> str:
    """The answer to a question, asked field by field; the server looks at it as a whole."""
    answer: dict[str, Any] = {}
    for field in question_fields.fields(asked.question.schema_json):
        value = click.prompt(
            clean(f"{describe.field(field)}{'; several with commas' if field.kind == 'choices' else ''}"),
            default=_default(field),
            show_default=field.default is not None,
            value_proc=partial(_value, field),
        )
        answer |= {} if value is None else {field.name: value}
    return json.dumps(answer)


def _default(field: question_fields.Field) -> Any:
    """What an empty line stands for; several as they would be typed."""
    given = field.default
    if isinstance(given, list) and not any("," in one for one in given):
        return ", ".join(given)
    return "" if given is None else given


def _value(field: question_fields.Field, text: Any) -> Any:
    """What was typed, as the field has it. UsageError: it cannot be that; the question is asked again."""
    if not isinstance(text, str):
        return text  # the default, taken as it is
    given = [part.strip() for part in text.split(",")] if field.kind == "choices" else [text.strip()]
    try:
        value = field.value(given)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if value is None and field.required:
        raise click.UsageError("must be given")
    return value


def json_text(text: str) -> str:
    """The text itself, if it is JSON or empty. UsageError: it is neither."""
    try:
        return json.dumps(json.loads(text)) if text.strip() else ""
    except ValueError as error:
        raise click.UsageError(f"not JSON: {error}") from error
