"""`errands ls`, `get` and `cancel`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import islice
from typing import Final

import click

from errands.v1.event_pb2 import RunStatus
from errands.v1.run_pb2 import (
    CancelRunRequest,
    CancelRunResponse,
    GetRunRequest,
    GetRunResponse,
    ListRunsRequest,
    ListRunsResponse,
    Run,
)

from . import describe
from .documents import bare, document, when
from .named import integration_ids
from .options import Command
from .session import Session, echo_json, with_session
from .words import columns, line, pretty, shortened

_STATUSES: Final = [name.removeprefix("RUN_STATUS_") for name in RunStatus.keys()[1:]]
_PAGE: Final = 100


@click.command(cls=Command)
@click.option(
    "--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only runs with this status."
)
@click.option("--user", default="", help="Only runs of this user.")
@click.option(
    "--integration", "integrations", multiple=True, help="Only runs that may use any of these, by id or name."
)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most this many.")
@with_session
def ls(session: Session, *, status: str | None, user: str, integrations: tuple[str, ...], limit: int) -> None:
    """List runs, newest first."""
    request = ListRunsRequest(
        user_id=user,
        status=f"RUN_STATUS_{status}" if status else None,
        customer_integration_ids=integration_ids(session, integrations) if integrations else [],
        page_size=min(limit, _PAGE),
    )
    pages = session.pages("RunService/ListRuns", request, ListRunsResponse)
    runs = list(islice((run for page in pages for run in page.runs), limit))
    if session.json:
        echo_json([document(run) for run in runs])
    elif runs:
        click.echo(columns(("RUN", "STATUS", "CREATED", "USER", "INTENT"), map(_row, runs)))


def _row(run: Run) -> tuple[str, ...]:
    room = max(20, shutil.get_terminal_size((160, 0)).columns - 90)
    intent = shortened(run.intent, room)
    return run.run_id, bare(run, "status"), when(run.created_at), shortened(run.user_id, 24), intent


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.option("--events", is_flag=True, help="With its events.")
@with_session
def get(session: Session, *, run_id: str, events: bool) -> None:
    """Show RUN as it is now."""
    request = GetRunRequest(run_id=run_id, include_events=events)
    _show(session, session.call("RunService/GetRun", request, GetRunResponse).run)


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@with_session
def cancel(session: Session, *, run_id: str) -> None:
    """Stop RUN: no call starts from this moment on, and those under way get a short grace.

    Ends with 0 once it is stored, whether or not calls under way outlast the wait.
    """
    request = CancelRunRequest(run_id=run_id)
    _show(session, session.call("RunService/CancelRun", request, CancelRunResponse).run)


def _show(session: Session, run: Run) -> None:
    if session.json:
        echo_json(document(run))
    else:
        click.echo("\n".join(_lines(run)))


def _lines(run: Run) -> Iterator[str]:
    yield f"{run.run_id}  {bare(run, 'status')}"
    yield f"intent   {line(run.intent)}"
    yield f"user     {line(run.user_id)}"
    yield f"created  {when(run.created_at)}, last event {run.last_sequence} at {when(run.updated_at)}"
    yield describe.plan(run.plan).text
    for step in run.steps_finished:
        yield f"{step.step_id} {bare(step, 'outcome')}: {line(step.description)}"
    for asked in run.pending_approvals:
        yield describe.approval(asked).text
    if run.authorization_url:
        yield f"authorize here: {line(run.authorization_url)}"
    for event in run.events:
        yield f"{event.sequence:>4}  {describe.event(event).text}"
    if run.HasField("error"):
        yield f"error    {line(run.error.message)} ({run.error.reason})"
    if run.result_json:
        yield f"result\n{pretty(document(run)['result'])}"
