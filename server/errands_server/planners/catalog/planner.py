"""The catalog planner: plans from tool descriptions alone, without a model or a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from ...domain.errors import Reason
from ...domain.explanation import Choice, ClauseRead, Considered, Origin
from ...domain.plan import MAX_STEPS, Plan
from ...lru import LruCache
from ...ports import Brief, Planned, Refusal, ResultBrief
from .entity import Kind
from .interpreter import MOST, Interpreter, Reading
from .lookups import DraftCall, step_id
from .parameters import ToolParameter
from .plan_builder import assemble
from .result_builder import conclusion
from .slot_filling import Argument
from .tool_index import ToolIndexCache


def _account(intent: str, readings: Sequence[Reading]) -> Iterator[ClauseRead]:
    """The clauses as they were read. Calls name their steps where every clause is served."""
    planned = all(reading.served for reading in readings)
    known = 0
    for reading in readings:
        fresh = list(enumerate(reading.drafts))[known:]
        known += len(fresh)
        yield ClauseRead(
            text=reading.clause.text.strip(),
            considered=tuple(Considered(r.sheet.candidate.ref, r.score) for r in reading.ranked),
            choices=tuple(_choice(intent, draft, step_id(n) if planned else "") for n, draft in fresh),
            missing=tuple(leaf.path for leaf in reading.missing),
        )


def _choice(intent: str, draft: DraftCall, step: str) -> Choice:
    origins = tuple(_origin(intent, argument) for argument in draft.arguments)
    return Choice(step=step, ref=draft.sheet.candidate.ref, origins=origins)


def _origin(intent: str, argument: Argument) -> Origin:
    said = sorted(argument.mentions, key=lambda mention: mention.start)
    return Origin(
        path=argument.leaf.path,
        source=argument.origin,
        why=argument.why,
        words=tuple(intent[mention.start : mention.end] for mention in said),
    )


MOST_KEPT: Final = 8 << 20  # bytes of plans made before, with what each was made from

_LONGEST: Final = 4_000  # characters; longer intents are documents, not demands


class CatalogPlanner:
    """Plans by matching words. Deterministic: the same brief gives the same plan.

    It refuses rather than guesses: a demand no tool fits, or a required argument nothing
    gives, refuses the whole plan. For one event loop; it keeps what it read of tools.
    """

    instant = True

    def __init__(self) -> None:
        self._library = ToolIndexCache()
        self._made: LruCache[_Key, Planned] = LruCache(MOST_KEPT, _size)

    async def plan(self, brief: Brief) -> Planned:
        """Return a sound plan over the candidates, or why there is none; with the account, if wanted."""
        if refusal := _too_long(brief):
            return Planned(refusal)
        catalog = await self._library.catalog(brief.candidates)
        key = (brief.intent, brief.context, brief.now.timestamp() // _QUARTER, catalog.number)
        if not brief.explain and (kept := self._made.find(key)):
            return kept
        interpreter = Interpreter(brief, catalog)
        readings = interpreter.readings()
        outcome = _outcome(readings)
        if brief.explain:
            return Planned(outcome, tuple(_account(brief.intent, readings)))
        lasting = not any(mention.kind in _PASSING for mention in interpreter.mentions)
        planned = Planned(outcome)
        return self._made.keep(key, planned) if lasting and len(brief.context) <= _LONGEST else planned

    async def conclude(self, brief: ResultBrief) -> Any:
        """Return a result with only values that are in the findings; what is not there stays missing."""
        return conclusion(brief.schema, brief.findings)


# All that a plan follows from. Time is in it only as the dates and times an intent speaks of, and as
# the day it is somewhere, which changes at a quarter of an hour. Plans with such mentions are not kept.
_Key: TypeAlias = tuple[str, str, float, int]
_QUARTER: Final = 900  # seconds
_PASSING: Final = frozenset({Kind.DATE, Kind.TIME, Kind.PERIOD})


def _size(planned: Planned) -> int:
    return len(msgspec.json.encode(planned.outcome)) + 2 * _LONGEST


def _too_long(brief: Brief) -> Refusal | None:
    if len(brief.intent) <= _LONGEST:
        return None
    return _refused(f"The intent is longer than {_LONGEST} characters; say it in fewer words.")


def _outcome(readings: Sequence[Reading]) -> Plan | Refusal:
    if not readings:
        return _refused("The intent asks for nothing.")
    return _objection(readings) or assemble(readings[-1].drafts)


def _objection(readings: Sequence[Reading]) -> Refusal | None:
    last = readings[-1]
    if not last.fits:
        return _refused(_nothing_fits(last))
    if last.missing:
        return Refusal(Reason.ARGUMENT_MISSING, _incomplete(last))
    if last.ignored:
        return _refused(_ignorant(last))
    if last.crowded or len(readings) > MOST or len(last.drafts) > MAX_STEPS:
        return _refused(f"The intent asks for more than {MOST} things; ask for less at once.")
    return None


def _refused(message: str) -> Refusal:
    return Refusal(Reason.NO_FITTING_TOOL, message)


def _nothing_fits(reading: Reading) -> str:
    near = list(dict.fromkeys(ranked.sheet.tool.name for ranked in reading.ranked))
    nearest = f"; the nearest {'are' if near[1:] else 'is'} {', '.join(near)}" if near else ""
    return f"No tool fits {reading.clause.text.strip()!r}{nearest}."


def _incomplete(reading: Reading) -> str:
    sheet = reading.drafts[-1].sheet
    names = " and ".join(repr(_dotted(leaf)) for leaf in reading.missing)
    return f"{sheet.title} ({sheet.tool.name}) needs {names}; say it in the intent or the context."


def _ignorant(reading: Reading) -> str:
    sheet = reading.drafts[-1].sheet
    values = " and ".join(repr(str(mention.value)) for mention in reading.ignored)
    return f"{sheet.title} ({sheet.tool.name}) fits, but takes nothing that {values} could be."


def _dotted(leaf: ToolParameter) -> str:
    return ".".join(str(part) for part in leaf.path if part not in ("body", 0)) or leaf.name
