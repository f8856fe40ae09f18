"""`errands approvals`, `approve`, `deny` and `decide`."""

from __future__ import annotations

from typing import Final

import click

from errands.v1.approval_pb2 import (
    APPROVAL_STATUS_PENDING,
    Approval,
    ListApprovalsRequest,
    ListApprovalsResponse,
)

from .. import describe, prompts
from ..documents import document, enum_word
from ..options import Command
from ..session import Session, echo_json, with_session

_DOUBT_DECISIONS: Final = ("retry", "done", "fail")


@click.command(cls=Command)
@click.option("--all", "include_closed", is_flag=True, help="Also those that are decided, expired or closed.")
@click.option("--run", "run_id", default="", help="Only those of this run.")
@with_session
def approvals(session: Session, *, include_closed: bool, run_id: str) -> None:
    """List what waits for a decision, newest first, with everything it is about."""
    request = ListApprovalsRequest(
        status=None if include_closed else APPROVAL_STATUS_PENDING, run_id=run_id, page_size=100
    )
    pages = session.pages("ApprovalService/ListApprovals", request, ListApprovalsResponse)
    found = [approval for page in pages for approval in page.approvals]
    if session.json:
        echo_json([document(approval) for approval in found])
        return
    for approval in found:
        click.echo(f"{describe.approval(approval).text}\n  {_describe_status(approval)}")


@click.command(cls=Command)
@click.argument("approval_id", metavar="APPROVAL")
@click.option("--input", "answer", default="", help="The answer to the question of an INPUT, a JSON object.")
@click.option("--reason", default="", help="Why.")
@with_session
def approve(session: Session, *, approval_id: str, answer: str, reason: str) -> None:
    """Approve exactly what APPROVAL shows. Doing it again changes nothing."""
    input_json = prompts.normalize_json(answer)
    _show(session, prompts.decide(session, approval_id, "approve", reason=reason, input_json=input_json))


@click.command(cls=Command)
@click.argument("approval_id", metavar="APPROVAL")
@click.option("--reason", default="", help="Why.")
@with_session
def deny(session: Session, *, approval_id: str, reason: str) -> None:
    """Deny APPROVAL. Doing it again changes nothing."""
    _show(session, prompts.decide(session, approval_id, "deny", reason=reason))


@click.command(cls=Command)
@click.argument("approval_id", metavar="APPROVAL")
@click.argument("decision", type=click.Choice(_DOUBT_DECISIONS))
@click.option("--output", default="", help="With done: what the call answered, JSON.")
@click.option("--reason", default="", help="Why.")
@with_session
def decide(session: Session, *, approval_id: str, decision: str, output: str, reason: str) -> None:
    """Decide about a call whose outcome is in doubt.

    retry sends it again, and it may take effect twice; done takes it as carried out; fail gives it up.
    """
    output_json = prompts.normalize_json(output)
    _show(session, prompts.decide(session, approval_id, decision, reason=reason, output_json=output_json))


def _show(session: Session, approval: Approval) -> None:
    if session.json:
        echo_json(document(approval))
    else:
        click.echo(f"{approval.approval_id} {_describe_status(approval)}")


def _describe_status(approval: Approval) -> str:
    if approval.status == APPROVAL_STATUS_PENDING:
        return prompts.decision_commands(approval)
    decided = f": {enum_word(approval, 'decision')} by {approval.actor}" if approval.decision else ""
    return f"{enum_word(approval, 'status')}{decided}"
