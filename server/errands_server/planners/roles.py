"""Roles: what a value stands for, told by the small word in front of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .mention import Kind
from .words import stem

_PLACES: Final = "location city place country region area address state where venue room"
_ENDS: Final = "to destination target end until recipient arrival receiver new finish"
_STARTS: Final = "from origin source start since sender departure base initial begin after old"
_LIMITS: Final = "limit count number top num size max n page"


def _table(*rows: tuple[str, str]) -> dict[str, frozenset[str]]:
    return {cue: frozenset(map(stem, roles.split())) for cues, roles in rows for cue in cues.split()}


_ROLES: Final = _table(
    ("to into until till", _ENDS),
    ("before", "end before until deadline due max"),
    ("from since", _STARTS),
    ("after", "start since after begin min"),
    ("within", "radius distance range max duration"),
    ("by", "author artist by creator director"),
    ("on for", "date day on when"),
    ("called named titled", "name title"),
    ("about regarding matching", "topic subject query q about search term keyword"),
    ("over above least", "min minimum"),
    ("under below most than", "max maximum"),
    ("top first last latest next limit", _LIMITS),
    ("as", "type status role as"),
)
_OF_TEXTS: Final = _table(("in at near around", _PLACES))
_OF_NUMBERS: Final = _table(("in", "year month"))
_NUMBERS: Final = frozenset({Kind.NUMBER, Kind.COUNT, Kind.PERCENT})
_NONE: Final = frozenset[str]()


def roles(kind: Kind, cues: Iterable[str]) -> frozenset[str]:
    """The stems of what a value of this kind stands for behind these words."""
    own = _OF_NUMBERS if kind in _NUMBERS else _OF_TEXTS
    return _NONE.union(*(_ROLES.get(cue, _NONE) | own.get(cue, _NONE) for cue in cues))
