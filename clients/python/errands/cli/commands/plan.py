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
    PlanExplanation,
)
from errands.v1.run_pb2 import CreateRunRequest, CreateRunResponse

from .. import describe
from ..documents import document, enum_word
from ..exit_codes import Exit
from ..names import find_integration_ids
from ..options import Command, approval_option, approval_strategy, intent_options
from ..preflight import describe_preflight
from ..session import Session, echo_json, with_session
from ..text import clean, one_line, shorten

_SHORT: Final = 60  # characters of the words an argument comes from


@click.command(cls=Command)
@intent_options
@click.option(
    "--explain", is_flag=True, help="Say which tools were considered and where arguments come from."
)
@approval_option
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
        selected_customer_integration_ids=find_integration_ids(session, integrations),
        context=context,
        user_id=user,
        approval_strategy=approval_strategy(approval),
        validate_only=True,
        explain=explain,
    )
    response = session.call("RunService/CreateRun", request, CreateRunResponse)
    if session.json:
        echo_json(document(response))
    else:
        shown = [describe.plan(response.plan).text, describe_preflight(response.preflight)]
        click.echo("\n".join([*filter(None, shown), *_describe_explanation(response.explanation)]))
    if response.plan.plan_type != PLAN_TYPE_JSON:
        sys.exit(Exit.NO_SUCCESS)


def _describe_explanation(explanation: PlanExplanation) -> Iterator[str]:
    for clause in explanation.clauses:
        yield ""
        yield f'"{one_line(clause.text)}"'
        tools = ", ".join(f"{one_line(tool.tool)} {tool.score:.2f}" for tool in clause.tools)
        yield clean(f"  tools considered (1 fits best): {tools or 'none'}")
        for call in clause.calls:
            yield from map(clean, _describe_call(call))
        for path in clause.missing:
            yield clean(f"    {one_line(path)}: missing")


def _describe_call(call: ExplainedCall) -> Iterator[str]:
    step = f"{call.step_id}  " if call.step_id else ""
    yield f"  {step}{one_line(call.tool)}"
    for argument in call.arguments:
        yield f"    {one_line(argument.path)}: {_describe_origin(argument)}"


def _describe_origin(argument: ExplainedArgument) -> str:
    reason = one_line(argument.reason)
    if argument.source == ARGUMENT_SOURCE_STEP:
        return f"from step {reason}"
    words = shorten(", ".join(argument.words), _SHORT)
    quoted = f' "{words}"' if words else ""
    return f"from the {enum_word(argument, 'source').lower()}{quoted} ({reason})"
