"""Asking: how a person at the terminal decides what a run asks."""

from __future__ import annotations

import json
from typing import Final

import click

from errands.cli.documents import document
from errands.cli.session import Session
from errands.cli.words import clean
from errands.client import Error
from errands.v1.approval_pb2 import (
    APPROVAL_KIND_IN_DOUBT,
    Approval,
    DecideApprovalRequest,
    DecideApprovalResponse,
)

LATER: Final = "later"


def decide(
    session: Session, approval_id: str, decision: str, *, reason: str = "", output_json: str = ""
) -> Approval:
    """Decide as `approve`, `deny`, `retry`, `done` or `fail`. Raises Error."""
    request = DecideApprovalRequest(
        approval_id=approval_id,
        decision=f"DECISION_{decision.upper()}",
        reason=reason,
        output_json=output_json,
    )
    return session.call("ApprovalService/DecideApproval", request, DecideApprovalResponse).approval


def commands(asked: Approval) -> str:
    """The command lines that decide it, for whoever is not asked here."""
    if asked.kind == APPROVAL_KIND_IN_DOUBT:
        return f"decide with: errands decide {asked.approval_id} retry|done|fail"
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
    try:
        decide(session, asked.approval_id, answer, output_json=output)
    except Error as error:
        return f"not decided: {clean(str(session.explain(error)))}; {commands(asked)}"
    return ""


def _output() -> str:
    """What the call answered, as far as the person knows; empty where they do not."""
    return click.prompt(
        "what it answered (JSON; empty if not known)", default="", show_default=False, value_proc=json_text
    )


def json_text(text: str) -> str:
    """The text itself, if it is JSON or empty. UsageError: it is neither."""
    try:
        return json.dumps(json.loads(text)) if text.strip() else ""
    except ValueError as error:
        raise click.UsageError(f"not JSON: {error}") from error
