"""`errands audit`."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Final

import click

from errands.v1.audit_pb2 import AuditEntry, ListAuditRequest, ListAuditResponse

from ..documents import document, format_time
from ..options import Command
from ..session import Session, echo_json, with_session
from ..text import format_table, one_line

_PAGE: Final = 100


@click.command(cls=Command)
@click.option("--actor", default="", help="Only by this actor, such as key:ID or link.")
@click.option("--action", default="", help="Only this action, such as approval.decide.")
@click.option("--subject", default="", help="Only to what has this id.")
@click.option("--after", type=click.DateTime(), help="Only later than this moment, in UTC.")
@click.option("--before", type=click.DateTime(), help="Only before this moment, in UTC.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many.")
@with_session
def audit(
    session: Session,
    *,
    actor: str,
    action: str,
    subject: str,
    after: datetime | None,
    before: datetime | None,
    limit: int,
) -> None:
    """List who decided, cancelled and changed what, newest first."""
    request = ListAuditRequest(page_size=min(limit, _PAGE), actor=actor, action=action, subject=subject)
    if after:
        request.created_after.FromDatetime(after.replace(tzinfo=UTC))
    if before:
        request.created_before.FromDatetime(before.replace(tzinfo=UTC))
    pages = session.pages("AuditService/ListAudit", request, ListAuditResponse)
    found = list(islice((entry for page in pages for entry in page.entries), limit))
    if session.json:
        echo_json([document(entry) for entry in found])
    elif found:
        click.echo(format_table(("AT", "ACTOR", "ACTION", "SUBJECT", "DETAILS"), map(_row, found)))


def _row(entry: AuditEntry) -> tuple[str, ...]:
    details = "" if entry.details_json == "{}" else one_line(entry.details_json)
    return format_time(entry.created_at), entry.actor, entry.action, one_line(entry.subject), details
