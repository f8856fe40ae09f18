"""Asking: how a person at the terminal decides what a run asks."""

from __future__ import annotations

import json
from typing import Final

import click

from errands.cli import describe
from errands.cli.documents import bare
from errands.cli.session import Session
from errands.client import Error
from errands.v1 import approval_pb2
from errands.v1.approval_pb2 import (
    APPROVAL_KIND_IN_DOUBT,
    Approval,
    DecideApprovalRequest,
    DecideApprovalResponse,
    Decision,
)

LATER: Final = "later"


def decide(
    session: Session, approval_id: str, decision: str, *, reason: str = "", output_json: str = ""
) -> Approval:
    """Decide as `approve`, `deny`, `retry`, `done` or `fail`. Raises Error."""
    request = DecideApprovalRequest(
        approval_id=approval_id, decision=_decision(decision), reason=reason, output_json=output_json
    )
    return session.call("ApprovalService/DecideApproval", request, DecideApprovalResponse).approval


def commands(asked: Approval) -> str:
    """The command lines that decide it, for whoever is not asked here."""
    if asked.kind == APPROVAL_KIND_IN_DOUBT:
        return f"decide with: errands decide {asked.approval_id} retry|done|fail"
    return f"decide with: errands approve {asked.approval_id}  or  errands deny {asked.approval_id}"


def ask(session: Session, asked: Approval) -> str:
    """Ask at the terminal and carry the answer to the server; says what came of it.

    An answer that cannot be delivered decides nothing, and the approval stays open.
    """
    choices = [bare_choice(asked, index) for index in range(len(asked.choices))]
    answer = click.prompt(
        f"{', '.join(choices)} or {LATER}?", type=click.Choice([*choices, LATER]), show_choices=False
    )
    if answer == LATER:
        return commands(asked)
    output = _output() if answer == "done" else ""
    try:
        decide(session, asked.approval_id, answer, output_json=output)
    except Error as error:
        return f"not decided: {session.explain(error)}; {commands(asked)}"
    return ""
