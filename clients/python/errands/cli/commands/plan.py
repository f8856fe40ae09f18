"""`errands plan`: the plan of an intent and the reasons for it, with nothing started."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

import click

from errands.v1.plan_pb2 import (
    ARGUMENT_SOURCE_STEP,
    PLAN_TYPE_JSON,
    ExplainedArgument,
    ExplainedCall,
    ExplainedClause,
    PlanExplanation,
)
from errands.v1.run_pb2 import CreateRunRequest, CreateRunResponse

from .. import describe
from ..documents import bare, document
from ..exit_codes import Exit
from ..names import integration_ids
from ..options import Command, asking_people, of_an_intent, strategy
from ..preflight import foreseen
from ..session import Session, echo_json, with_session
from ..text import clean, line, shortened

_SHORT: Final = 60  # characters of the words an argument comes from


@click.command(cls=Command)
@of_an_intent
@click.option(
    "--explain", is_flag=True, help="Say which tools were considered and where arguments come from."
)
@asking_people
@with_session
def plan(
    session: Session,
    *,
    intent: str,
    integrations: tuple[str, ...],
    user: str,
    context: str,
    explain: bool,
    approval: str,
) -> None:
    """Show how INTENT would be carried out, what is missing for it and who would be asked.

    Nothing is started.

    Ends with 4 where there is no plan.
    """
    request = CreateRunRequest(
        intent=intent,
        selected_customer_integration_ids=integration_ids(session, integrations),
        context=context,
        user_id=user,
        approval_strategy=strategy(approval),
        validate_only=True,
        explain=explain,
    )
    answered = session.call("RunService/CreateRun", request, CreateRunResponse)
    if session.json:
        echo_json(document(answered))
    else:
        shown = [describe.plan(answered.plan).text, foreseen(answered.preflight)]
        click.echo("\n".join([*filter(None, shown), *_explanation(answered.explanation)]))
    if answered.plan.plan_type != PLAN_TYPE_JSON:
        sys.exit(Exit.NO_SUCCESS)


def _explanation(explanation: PlanExplanation) -> Iterator[str]:
    for clause in explanation.clauses:
        yield from ("", f'"{line(clause.text)}"', *map(clean, _clause(clause)))


def _clause(clause: ExplainedClause) -> Iterator[str]:
    tools = ", ".join(f"{line(tool.tool)} {tool.score:.2f}" for tool in clause.tools)
    yield f"  tools considered (1 fits best): {tools or 'none'}"
    for call in clause.calls:
        yield from _call(call)
    for path in clause.missing:
        yield f"    {line(path)}: missing"


def _call(call: ExplainedCall) -> Iterator[str]:
    step = f"{call.step_id}  " if call.step_id else ""
    yield f"  {step}{line(call.tool)}"
    for argument in call.arguments:
        yield f"    {line(argument.path)}: {_origin(argument)}"


def _origin(argument: ExplainedArgument) -> str:
    reason = line(argument.reason)
    if argument.source == ARGUMENT_SOURCE_STEP:
        return f"from step {reason}"
    words = shortened(", ".join(argument.words), _SHORT)
    said = f' "{words}"' if words else ""
    return f"from the {bare(argument, 'source').lower()}{said} ({reason})"
