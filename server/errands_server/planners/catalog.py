"""The catalog planner: plans from tool descriptions alone, without a model or a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from ..domain.errors import Reason
from ..domain.plan import MAX_STEPS, Plan
from ..domain.tool import Effect
from ..ports import Brief, Finding, Refusal
from .assembly import assemble
from .clauses import Clause, clauses
from .conclusion import conclusion
from .demands import demand
from .drafting import attempt, hearing
from .drafts import Draft
from .hints import Hints
from .lookups import Attempt, Desk
from .mentions import Mention, mentions
from .ranking import FITS, Library, Ranked
from .schemas import Leaf

_LONGEST: Final = 4_000  # characters; longer intents are documents, not demands
_MOST: Final = 20  # demands in one intent, and things one counts; more would hold up the event loop
_TRIED: Final = 3  # tools per clause whose arguments are looked at
_CLOSE: Final = 0.75  # of the best score, for a tool to be tried beside it
_ARGUMENT: Final = 0.04  # what one point of evidence for an argument adds to a tool's score
_LOOK_UP: Final = 0.1  # what a look-up takes off it: of two ways the shorter


class Reading(Struct, frozen=True):
    """How one clause was read: the tools considered, best first, and the calls it led to."""

    clause: Clause
    ranked: tuple[Ranked, ...]
    drafts: tuple[Draft, ...] = ()
    missing: tuple[Leaf, ...] = ()
    ignored: tuple[Mention, ...] = ()  # what must not be left out, and was
    crowded: bool = False  # counts more things than are worked on at once

    @property
    def fits(self) -> bool:
        """Whether any tool answers the clause well enough."""
        return bool(self.ranked) and self.ranked[0].score >= FITS

    @property
    def served(self) -> bool:
        """Whether calls were found that do what the clause asks."""
        return self.fits and not self.missing and not self.ignored and not self.crowded


class CatalogPlanner:
    """Plans by matching words. Deterministic: the same brief gives the same plan.

    It refuses rather than guesses: a demand no tool fits, or a required argument nothing
    gives, refuses the whole plan. For one event loop; it keeps what it read of tools.
    """

    def __init__(self) -> None:
        self._library = Library()

    async def plan(self, brief: Brief) -> Plan | Refusal:
        """A sound plan over the candidates, or why there is none."""
        if len(brief.intent) > _LONGEST:
            return _refused(f"The intent is longer than {_LONGEST} characters; say it in fewer words.")
        readings = self.explain(brief)
        if not readings:
            return _refused("The intent asks for nothing.")
        return _objection(readings) or assemble(readings[-1].drafts)

    async def conclude(self, intent: str, schema: Mapping[str, Any], findings: Sequence[Finding]) -> Any:
        """A result from the findings, with only values that are in them; what is not there stays missing."""
        return conclusion(schema, findings)

    def explain(self, brief: Brief) -> tuple[Reading, ...]:
        """How each clause was read, up to the first that cannot be served or is one too many.

        The drafts of a reading include those of the readings before it.
        """
        catalogue = self._library.catalogue(brief.candidates)
        hints = Hints(brief.context)
        found = mentions(brief.intent, hints.local(brief.now))
        heard = [(clause, hearing(brief.intent, clause, found)) for clause in clauses(brief.intent, found)]
        readings: list[Reading] = []
        drafts: tuple[Draft, ...] = ()
        for number, (clause, said) in enumerate(heard[: _MOST + 1]):
            earlier = tuple(other for _, other in heard[:number])
            desk = Desk(catalogue, hints, clause, number, said, earlier)
            reading = _read(desk, drafts)
            readings.append(reading)
            if not reading.served:
                break
            drafts = reading.drafts
        return tuple(readings)


def _read(desk: Desk, drafts: tuple[Draft, ...]) -> Reading:
    ranked = tuple(desk.catalogue.rank(demand(desk.clause, desk.hearing, desk.catalogue.knows), _TRIED))
    reading = Reading(desk.clause, ranked)
    if not reading.fits:
        return reading
    close = [r for r in ranked if r.score >= max(FITS, ranked[0].score * _CLOSE)]
    if any(len(desk.hearing.row(r.sheet)) > _MOST for r in close):
        return Reading(desk.clause, ranked, crowded=True)
    best = _best(desk, close, drafts)
    return Reading(desk.clause, ranked, _ordered(desk, best.drafts, len(drafts)), best.missing, best.ignored)


def _best(desk: Desk, ranked: Sequence[Ranked], drafts: tuple[Draft, ...]) -> Attempt:
    """Of the tools that fit about as well, the one whose arguments are given best."""
    tried = [(attempt(desk, r.sheet, drafts), r.score) for r in ranked]
    return max(tried, key=lambda pair: _worth(pair[0], pair[1], len(drafts)))[0]


def _worth(tried: Attempt, fit: float, earlier: int) -> tuple[bool, bool, float]:
    look_ups = len(tried.drafts) - earlier - 1
    return not tried.missing, tried.complete, fit + tried.score * _ARGUMENT - look_ups * _LOOK_UP


def _ordered(desk: Desk, drafts: tuple[Draft, ...], earlier: int) -> tuple[Draft, ...]:
    """A call the intent puts behind another demand waits for what does that, unless both only read."""
    last = drafts[-1]
    if not desk.clause.after or not earlier:
        return drafts
    # Look-ups stand before the call they serve: the last draft is the demand's own.
    before = drafts[earlier - 1]
    if last.sheet.tool.effect is before.sheet.tool.effect is Effect.READ:
        return drafts
    return (*drafts[:-1], msgspec.structs.replace(last, after=(earlier - 1,)))


def _objection(readings: Sequence[Reading]) -> Refusal | None:
    last = readings[-1]
    if not last.fits:
        return _refused(_nothing_fits(last))
    if last.missing:
        return Refusal(Reason.ARGUMENT_MISSING, _incomplete(last))
    if last.ignored:
        return _refused(_ignorant(last))
    if last.crowded or len(readings) > _MOST or len(last.drafts) > MAX_STEPS:
        return _refused(f"The intent asks for more than {_MOST} things; ask for less at once.")
    return None


def _refused(message: str) -> Refusal:
    return Refusal(Reason.NO_FITTING_TOOL, message)


def _nothing_fits(reading: Reading) -> str:
    near = ", ".join(ranked.sheet.tool.name for ranked in reading.ranked)
    nearest = f"; the nearest are {near}" if near else ""
    return f"No tool fits {reading.clause.text.strip()!r}{nearest}."


def _incomplete(reading: Reading) -> str:
    sheet = reading.drafts[-1].sheet
    names = " and ".join(repr(_dotted(leaf)) for leaf in reading.missing)
    return f"{sheet.title} ({sheet.tool.name}) needs {names}; say it in the intent or the context."


def _ignorant(reading: Reading) -> str:
    sheet = reading.drafts[-1].sheet
    values = " and ".join(repr(str(mention.value)) for mention in reading.ignored)
    return f"{sheet.title} ({sheet.tool.name}) fits, but takes nothing that {values} could be."


def _dotted(leaf: Leaf) -> str:
    return ".".join(str(part) for part in leaf.path if part not in ("body", 0)) or leaf.name
