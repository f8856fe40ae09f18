"""The catalog planner: plans from tool descriptions alone, without a model or a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from ...domain.errors import Reason
from ...domain.explanation import Choice, ClauseRead, Considered, Origin
from ...domain.plan import MAX_STEPS, Plan
from ...domain.tool import Effect
from ...lru import LruCache
from ...ports import Brief, Planned, Refusal, ResultBrief
from .entity import Kind, Mention
from .interpreter import MOST, Interpretation, Interpreter
from .lookups import DraftCall, step_id
from .parameters import ToolParameter
from .plan_builder import build_plan
from .qualifiers import find_qualifier
from .result_builder import build_result
from .slot_filling import Argument
from .tool_index import ToolIndexCache


def _account(intent: str, clauses: Sequence[Interpretation]) -> Iterator[ClauseRead]:
    """The account of the clauses. Calls name their steps if every clause is served."""
    planned = all(clause.is_served for clause in clauses)
    known = 0
    for clause in clauses:
        fresh = list(enumerate(clause.drafts))[known:]
        known += len(fresh)
        yield ClauseRead(
            text=clause.clause.text.strip(),
            considered=tuple(Considered(one.profile.candidate.ref, one.score) for one in clause.ranked),
            choices=tuple(_choice(intent, draft, step_id(n) if planned else "") for n, draft in fresh),
            missing=tuple(parameter.path for parameter in clause.missing),
        )


def _choice(intent: str, draft: DraftCall, step: str) -> Choice:
    origins = tuple(_origin(intent, argument) for argument in draft.arguments)
    return Choice(step=step, ref=draft.profile.candidate.ref, origins=origins)


def _origin(intent: str, argument: Argument) -> Origin:
    mentions = sorted(argument.mentions, key=lambda mention: mention.start)
    return Origin(
        path=argument.parameter.path,
        source=argument.origin,
        why=argument.why,
        words=tuple(intent[mention.start : mention.end] for mention in mentions),
    )


MOST_KEPT: Final = 8 << 20  # bytes of cached plans, with their briefs

_LONGEST: Final = 4_000  # characters; a longer intent is a document, not a request


class CatalogPlanner:
    """Plans by matching words. Deterministic: the same brief gives the same plan.

    It refuses rather than guesses: a clause that no tool fits, or a required argument without
    a value, refuses the whole plan. For one event loop; it caches tool indexes and plans.
    """

    instant = True

    def __init__(self) -> None:
        self._indexes = ToolIndexCache()
        self._made: LruCache[_Key, Planned] = LruCache(MOST_KEPT, _size)

    async def plan(self, brief: Brief) -> Planned:
        """Return a sound plan over the candidates, or why there is none; with the account, if wanted."""
        if len(brief.intent) > _LONGEST:
            message = f"The intent is longer than {_LONGEST} characters; say it in fewer words."
            return Planned(_no_fitting_tool(message))
        index = await self._indexes.index(brief.candidates)
        key = (brief.intent, brief.context, brief.now.timestamp() // _QUARTER, index.number)
        if not brief.explain and (kept := self._made.find(key)):
            return kept
        interpreter = Interpreter(brief, index)
        clauses = interpreter.interpret()
        outcome = _outcome(brief.intent, interpreter.mentions, clauses)
        if brief.explain:
            return Planned(outcome, tuple(_account(brief.intent, clauses)))
        lasting = not any(mention.kind in _PASSING for mention in interpreter.mentions)
        planned = Planned(outcome)
        return self._made.keep(key, planned) if lasting and len(brief.context) <= _LONGEST else planned

    async def conclude(self, brief: ResultBrief) -> Any:
        """Return a result with only values that are in the findings; what is not there stays missing."""
        return build_result(brief.schema, brief.findings)


# All that a plan depends on. Time counts for the dates in an intent, and for today's date, which changes
# somewhere in the world every quarter of an hour. Plans with dates or times are not cached.
_Key: TypeAlias = tuple[str, str, float, int]
_QUARTER: Final = 900  # seconds
_PASSING: Final = frozenset({Kind.DATE, Kind.TIME, Kind.PERIOD})


def _size(planned: Planned) -> int:
    return len(msgspec.json.encode(planned.outcome)) + 2 * _LONGEST


def _outcome(intent: str, mentions: Sequence[Mention], clauses: Sequence[Interpretation]) -> Plan | Refusal:
    refusal = _refusal(clauses) or _not_understood(intent, mentions, clauses)
    return refusal or build_plan(clauses[-1].drafts)


def _not_understood(
    intent: str, mentions: Sequence[Mention], clauses: Sequence[Interpretation]
) -> Refusal | None:
    """Why nothing is changed where the intent says more than a plan of calls can."""
    requests = [
        intent[start : end + 1]
        for clause in clauses
        if clause.draft and clause.draft.profile.tool.effect is Effect.WRITE
        for start, end in clause.clause.asks or [(clause.clause.start, clause.clause.end)]
    ]
    if not requests:
        return None
    qualifier = find_qualifier(intent, requests, mentions, clauses[-1].drafts)
    if qualifier is None:
        return None
    message = (
        f"{qualifier.words!r} {qualifier.change}, which a plan of this planner cannot say. Nothing was sent. "
        "Say what is to be done now, without it; put texts that are to be sent in quotes."
    )
    return Refusal(Reason.INTENT_NOT_UNDERSTOOD, message)


def _refusal(clauses: Sequence[Interpretation]) -> Refusal | None:
    """Why there is no plan. Only the last clause can be without a call."""
    if not clauses:
        return _no_fitting_tool("The intent asks for nothing.")
    last = clauses[-1]
    if not last.fits:
        near = list(dict.fromkeys(ranked.profile.tool.name for ranked in last.ranked))
        nearest = f"; the nearest {'are' if near[1:] else 'is'} {', '.join(near)}" if near else ""
        return _no_fitting_tool(f"No tool fits {last.clause.text.strip()!r}{nearest}.")
    profile = last.drafts[-1].profile if last.drafts else None
    tool = f"{profile.title} ({profile.tool.name})" if profile else ""
    if last.missing:
        names = " and ".join(repr(_dotted(parameter)) for parameter in last.missing)
        message = f"{tool} needs {names}; say it in the intent or the context."
        return Refusal(Reason.ARGUMENT_MISSING, message)
    if last.ignored:
        values = " and ".join(repr(str(mention.value)) for mention in last.ignored)
        return _no_fitting_tool(f"{tool} fits, but takes nothing that {values} could be.")
    if last.too_many or len(clauses) > MOST or len(last.drafts) > MAX_STEPS:
        return _no_fitting_tool(f"The intent asks for more than {MOST} things; ask for less at once.")
    return None


def _no_fitting_tool(message: str) -> Refusal:
    return Refusal(Reason.NO_FITTING_TOOL, message)


def _dotted(parameter: ToolParameter) -> str:
    return ".".join(str(part) for part in parameter.path if part not in ("body", 0)) or parameter.name
