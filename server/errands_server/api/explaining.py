"""Explanations of plans as messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from errands.v1 import plan_pb2 as pb

from ..domain.explanation import Choice, ClauseRead, Considered, Origin, Source
from ..domain.plan import Path

_SOURCES: Final[dict[Source, Any]] = {
    Source.INTENT: pb.ARGUMENT_SOURCE_INTENT,
    Source.CONTEXT: pb.ARGUMENT_SOURCE_CONTEXT,
    Source.STEP: pb.ARGUMENT_SOURCE_STEP,
    Source.SCHEMA: pb.ARGUMENT_SOURCE_SCHEMA,
}


def explanation(clauses: Iterable[ClauseRead]) -> pb.PlanExplanation:
    return pb.PlanExplanation(clauses=map(_clause, clauses))


def _clause(clause: ClauseRead) -> pb.ExplainedClause:
    return pb.ExplainedClause(
        text=clause.text,
        tools=map(_tool, clause.considered),
        calls=map(_call, clause.choices),
        missing=map(_dotted, clause.missing),
    )


def _tool(tool: Considered) -> pb.ConsideredTool:
    return pb.ConsideredTool(integration_id=tool.ref.integration_id, tool=tool.ref.name, score=tool.score)


def _call(choice: Choice) -> pb.ExplainedCall:
    return pb.ExplainedCall(
        step_id=choice.step,
        integration_id=choice.ref.integration_id,
        tool=choice.ref.name,
        arguments=map(_argument, choice.origins),
    )


def _argument(origin: Origin) -> pb.ExplainedArgument:
    return pb.ExplainedArgument(
        path=_dotted(origin.path), source=_SOURCES[origin.source], reason=origin.why, words=origin.words
    )


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))
