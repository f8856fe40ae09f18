"""Drafting: binds one tool for one clause, with the look-ups its missing arguments need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from .actions import Action
from .arguments import Argument, Binding, Hearing, Source
from .clauses import Clause
from .drafts import Draft, slot, suppliers
from .evidence import FAINT, FAIR, GOOD, surroundings
from .hints import Hints
from .mentions import Mention, series
from .phrasing import Phrasing
from .ranking import Catalogue
from .schemas import Leaf, Type
from .sheets import Sheet
from .words import stem, words

_LOOKUPS: Final = 2  # how deep look-ups may need look-ups
_QUERIES: Final = frozenset(stem(word) for word in "q query search term text keyword filter name title".split())
_POINTERS: Final = frozenset("it its them they their that those this these him his her he she there".split())
_WHOLE: Final = frozenset("all every each any".split())


class Attempt(Struct, frozen=True):
    """What came of drafting one tool: every draft so far with its own last, and what is missing."""

    drafts: tuple[Draft, ...]
    missing: tuple[Leaf, ...]
    score: float


class Desk(Struct, frozen=True):
    """What lies before the planner while it works on one clause."""

    catalogue: Catalogue
    hints: Hints
    clause: Clause
    number: int
    hearing: Hearing
    earlier: tuple[Hearing, ...]


def hearing(intent: str, clause: Clause, found: Sequence[Mention]) -> Hearing:
    """What one clause of an intent offers."""
    inside = tuple(m for m in found if clause.start <= m.start and m.end <= clause.end)
    return Hearing(
        said=tuple(surroundings(intent, clause, inside)),
        rows=tuple(series(intent, inside)),
        phrasing=Phrasing(clause, inside),
    )


def attempt(desk: Desk, sheet: Sheet, drafts: tuple[Draft, ...]) -> Attempt:
    """Draft the call of `sheet` that a clause asks for: from its words, then context, then answers."""
    binding = Binding(sheet)
    binding.hear(desk.hearing)
    binding.phrase(desk.hearing.phrasing)
    binding.read(desk.hints)
    _slots(desk, binding, drafts)
    binding.hear(desk.hearing, least=FAIR, only=binding.missing())
    for earlier in reversed(desk.earlier):
        binding.hear(earlier, only=binding.missing())
    drafts = _look_up(desk, binding, drafts, _LOOKUPS)
    binding.hear(desk.hearing, least=FAINT, only=binding.missing())
    binding.settle()
    return _close(desk, binding, drafts)


def _close(desk: Desk, binding: Binding, drafts: tuple[Draft, ...]) -> Attempt:
    fan = max((drafts[a.slot.draft].fan for a in binding.arguments.values() if a.slot), default=1)
    if fan == 1:
        binding.repeat(desk.hearing)
        fan = max((len(a.values) for a in binding.arguments.values()), default=1)
    order = {leaf.path: place for place, leaf in enumerate(binding.sheet.takes)}
    arguments = tuple(sorted(binding.arguments.values(), key=lambda a: order[a.leaf.path]))
    draft = Draft(sheet=binding.sheet, arguments=arguments, clause=desk.number, fan=max(fan, 1))
    score = sum(argument.score for argument in arguments if argument.mentions)
    return Attempt((*drafts, draft), tuple(binding.missing()), score)


def _slots(desk: Desk, binding: Binding, drafts: tuple[Draft, ...]) -> None:
    """Fill identifiers and the like from the answers of earlier steps."""
    if not drafts:
        return
    spoken = list(words(desk.clause.text))
    points = any(word.text.lower() in _POINTERS for word in spoken)
    missing = binding.missing()
    for leaf in list(binding.open()):
        if leaf in missing or (leaf.identifies and (points or leaf.particular & {w.stem for w in spoken})):
            source = slot(leaf, binding.sheet, drafts)
            if source is not None:
                binding.add(_slotted(leaf, source))


def _slotted(leaf: Leaf, source: Source) -> Argument:
    where = ".".join(map(str, source.path))
    return Argument(leaf=leaf, source=f"step {source.draft + 1}: {where}", slot=source, score=GOOD)


def _look_up(desk: Desk, binding: Binding, drafts: tuple[Draft, ...], depth: int) -> tuple[Draft, ...]:
    """Put look-ups before the call for arguments nothing said, the best founded first."""
    if depth == 0 or _WHOLE & {word.text.lower() for word in words(desk.clause.text)}:
        return drafts
    while True:
        found = max(_finds(desk, binding, drafts, depth), key=lambda find: find[1].score, default=None)
        if found is None:
            return drafts
        leaf, look_up = found
        drafts = look_up.drafts
        binding.used |= {m for a in drafts[-1].arguments for m in a.mentions}
        source = slot(leaf, binding.sheet, drafts)
        if source is None:
            return drafts
        binding.add(_slotted(leaf, source))


def _finds(desk: Desk, binding: Binding, drafts: tuple[Draft, ...], depth: int) -> Iterator[tuple[Leaf, Attempt]]:
    for leaf in binding.missing():
        for sheet in desk.catalogue.sheets:
            if sheet.action is not Action.READ or sheet is binding.sheet:
                continue
            if next(suppliers(leaf, binding.sheet, sheet), None) is None:
                continue
            look_up = _find(desk, sheet, binding, drafts, depth)
            if not look_up.missing and look_up.drafts[-1].particular:
                yield leaf, look_up


def _find(desk: Desk, sheet: Sheet, taker: Binding, drafts: tuple[Draft, ...], depth: int) -> Attempt:
    """Draft one look-up from what the call it serves leaves unsaid."""
    binding = Binding(sheet, taker.used)
    binding.hear(desk.hearing)
    binding.read(desk.hints)
    queries = [leaf for leaf in binding.open() if leaf.type is Type.TEXT and leaf.words & _QUERIES]
    if not any(argument.mentions for argument in binding.arguments.values()):
        binding.hear(desk.hearing, least=FAIR, only=queries[:1])
    binding.hear(desk.hearing, least=FAIR, only=binding.missing())
    drafts = _look_up(desk, binding, drafts, depth - 1)
    binding.settle()
    return _close(desk, binding, drafts)
