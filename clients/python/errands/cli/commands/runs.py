"""`errands run`, `watch`, `ls`, `get` and `cancel`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import click

from errands.v1.event_pb2 import RunStatus
from errands.v1.run_pb2 import (
    CancelRunRequest,
    CancelRunResponse,
    CreateRunRequest,
    CreateRunResponse,
    GetRunRequest,
    GetRunResponse,
    ListRunsRequest,
    ListRunsResponse,
    Run,
)

from .. import describe, exit_codes
from ..describe import plan
from ..documents import document, enum_word, format_time
from ..follow import FINAL
from ..names import find_integration_ids
from ..options import Command, approval_option, approval_strategy, intent_options
from ..preflight import describe_preflight
from ..prompts import normalize_json
from ..session import Session, echo_json, with_session
from ..text import format_json, format_table, one_line, shorten
from ..watch import watch as watch_run

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
        customer_integration_ids=find_integration_ids(session, integrations) if integrations else [],
        page_size=min(limit, _PAGE),
    )
    pages = session.pages("RunService/ListRuns", request, ListRunsResponse)
    runs = list(islice((run for page in pages for run in page.runs), limit))
    if session.json:
        echo_json([document(run) for run in runs])
    elif runs:
        click.echo(format_table(("RUN", "STATUS", "CREATED", "USER", "INTENT"), map(_row, runs)))


def _row(run: Run) -> tuple[str, ...]:
    room = max(20, shutil.get_terminal_size((160, 0)).columns - 90)
    intent = shorten(run.intent, room)
    return run.run_id, enum_word(run, "status"), format_time(run.created_at), shorten(run.user_id, 24), intent


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
        click.echo("\n".join(_describe_run(run)))


def _describe_run(run: Run) -> Iterator[str]:
    yield f"{run.run_id}  {enum_word(run, 'status')}"
    yield f"intent   {one_line(run.intent)}"
    yield f"user     {one_line(run.user_id)}"
    created, updated = format_time(run.created_at), format_time(run.updated_at)
    yield f"created  {created}, last event {run.last_sequence} at {updated}"
    yield describe.plan(run.plan).text
    for step in run.steps_finished:
        yield f"{step.step_id} {enum_word(step, 'outcome')}: {one_line(step.description)}"
    for approval in run.pending_approvals:
        yield describe.approval(approval).text
    if run.authorization_url:
        yield f"authorize here: {one_line(run.authorization_url)}"
    for event in run.events:
        yield f"{event.sequence:>4}  {describe.event(event).text}"
    if run.HasField("error"):
        yield f"error    {one_line(run.error.message)} ({run.error.reason})"
    if run.result_json:
        yield f"result\n{format_json(document(run)['result'])}"


@click.command(cls=Command)
@intent_options
@approval_option
@click.option("--schema", default="", help="JSON Schema of the result: a file, or the JSON itself.")
@click.option("--repeat-key", default="", help="Name the run, or repeat the run so named.")
@click.option("--request-id", default="", help="Makes the command safe to repeat for 24 hours.")
@click.option("--tool-calls", is_flag=True, help="Show calls and their answers too.")
@click.option("--detach", is_flag=True, help="Print the run's id and leave it to itself.")
@click.option("--validate", is_flag=True, help="Say what would happen, and start nothing.")
@with_session
def run(
    session: Session,
    *,
    intent: str,
    integrations: tuple[str, ...],
    user: str,
    approval: str,
    context: str,
    schema: str,
    repeat_key: str,
    request_id: str,
    tool_calls: bool,
    detach: bool,
    validate: bool,
) -> None:
    """Start a run of INTENT, show what it does and ask what it asks.

    Interrupting leaves the run going. The exit code says how it ended.
    """
    request = CreateRunRequest(
        intent=intent,
        selected_customer_integration_ids=find_integration_ids(session, integrations),
        context=context,
        user_id=user,
        approval_strategy=approval_strategy(approval),
        repeat_key=repeat_key,
        output_schema_json=_read_schema(schema),
        validate_only=validate,
        request_id=request_id,
        plan_wait_ms=None if detach or validate else 0,
    )
    created = session.call("RunService/CreateRun", request, CreateRunResponse)
    if validate:
        _show_validated(session, created)
    elif detach and session.json:
        echo_json(document(created))
    elif detach:
        click.echo(created.run_id)
    else:
        sys.exit(watch_run(session, created.run_id, tool_calls=tool_calls))


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.option("--after", type=click.IntRange(min=0), default=0, help="Only events behind this sequence.")
@click.option("--tool-calls", is_flag=True, help="Show calls and their answers too.")
@with_session
def watch(session: Session, *, run_id: str, after: int, tool_calls: bool) -> None:
    """Show the events of RUN until it ends, and ask what it asks. The exit code says how it ended."""
    sys.exit(watch_run(session, run_id, after=after, tool_calls=tool_calls))


def _read_schema(given: str) -> str:
    if not given or given.lstrip().startswith("{"):
        return normalize_json(given)
    try:
        return normalize_json(Path(given).read_text())
    except OSError as error:
        raise click.BadParameter(f"{given}: {error.strerror}", param_hint="--schema") from error


def _show_validated(session: Session, created: CreateRunResponse) -> None:
    if session.json:
        echo_json(document(created))
    else:
        click.echo("\n".join(filter(None, [plan(created.plan).text, describe_preflight(created.preflight)])))
    if created.status in FINAL:
        sys.exit(exit_codes.of_status(enum_word(created, "status")))
