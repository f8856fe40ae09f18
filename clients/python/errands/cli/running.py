"""`errands run` and `errands watch`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from errands.v1.run_pb2 import CreateRunRequest, CreateRunResponse

from . import exits
from .asking import json_text
from .describe import plan
from .documents import bare, document
from .follow import FINAL
from .foreseen import foreseen
from .named import integration_ids
from .options import Command, asking_people, of_an_intent, strategy
from .session import Session, echo_json, with_session
from .watching import watch as watch_run


@click.command(cls=Command)
@of_an_intent
@asking_people
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
        selected_customer_integration_ids=integration_ids(session, integrations),
        context=context,
        user_id=user,
        approval_strategy=strategy(approval),
        repeat_key=repeat_key,
        output_schema_json=_schema(schema),
        validate_only=validate,
        request_id=request_id,
        plan_wait_ms=None if detach or validate else 0,
    )
    created = session.call("RunService/CreateRun", request, CreateRunResponse)
    if validate:
        _show_validated(session, created)
    elif detach:
        _show_detached(session, created)
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


def _schema(given: str) -> str:
    if not given or given.lstrip().startswith("{"):
        return json_text(given)
    try:
        return json_text(Path(given).read_text())
    except OSError as error:
        raise click.BadParameter(f"{given}: {error.strerror}", param_hint="--schema") from error


def _show_validated(session: Session, created: CreateRunResponse) -> None:
    if session.json:
        echo_json(document(created))
    else:
        click.echo("\n".join(filter(None, [plan(created.plan).text, foreseen(created.preflight)])))
    if created.status in FINAL:
        sys.exit(exits.of_status(bare(created, "status")))


def _show_detached(session: Session, created: CreateRunResponse) -> None:
    if session.json:
        echo_json(document(created))
    else:
        click.echo(created.run_id)
