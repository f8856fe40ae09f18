"""Forms: how a value is written for a parameter, where a description tells: `shelves/<shelf name>`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec.structs import replace

from .schemas import Leaf, Type
from .sheets import Sheet
from .words import stem

# What stands before the name of which kind of thing.
_FORM: Final = re.compile(r"`(?P<before>[\w:.-]+[/:])<(?P<noun>[a-z]+)[ _-]name>`", re.IGNORECASE)
_SPOKEN: Final = 0.8  # what a kind of thing weighs in a tool that takes it in a form of its own
_TEXTS: Final = frozenset({Type.TEXT, Type.ID})

_Shared: TypeAlias = tuple[str, str, str]  # integration, name and description: parameters that are one


def informed(sheets: Sequence[Sheet]) -> Sequence[Sheet]:
    """The sheets, with the forms their parameters take: told by themselves, by their tool, or by another
    tool of the integration about a parameter of the same name that is described in the same words."""
    told = {_shared(sheet, leaf): forms for sheet in sheets for leaf, forms in _told(sheet)}
    return [_informed(sheet, told) for sheet in sheets] if told else sheets


def _told(sheet: Sheet) -> Iterator[tuple[Leaf, Mapping[str, str]]]:
    """What a tool tells of the forms its parameters take."""
    by_all = _forms(sheet.tool.description)
    for leaf in sheet.takes:
        named = by_all and re.search(rf"`[:{{]?{re.escape(leaf.name)}}}?`", sheet.tool.description)
        if leaf.type in _TEXTS and (forms := by_all if named else _forms(_description(leaf))):
            yield leaf, forms


def _forms(text: str) -> dict[str, str]:
    return {stem(form["noun"]): form["before"] for form in _FORM.finditer(text)} if "<" in text else {}


def _description(leaf: Leaf) -> str:
    return str(leaf.schema.get("description") or "")


def _shared(sheet: Sheet, leaf: Leaf) -> _Shared:
    return sheet.candidate.ref.integration_id, leaf.name, _description(leaf)


def _informed(sheet: Sheet, told: Mapping[_Shared, Mapping[str, str]]) -> Sheet:
    forms = {leaf.path: found for leaf in sheet.takes if (found := told.get(_shared(sheet, leaf)))}
    if not forms:
        return sheet
    # What has a form is written as text, whatever its name says.
    takes = tuple(
        replace(leaf, forms=forms[leaf.path], type=Type.TEXT) if leaf.path in forms else leaf
        for leaf in sheet.takes
    )
    # The kinds of what a tool deals with are other words for it: a branch is a reference.
    kinds = frozenset(noun for leaf in takes if leaf.words & sheet.resource for noun in leaf.forms)
    return replace(sheet, takes=takes, kinds=kinds, terms={**dict.fromkeys(kinds, _SPOKEN), **sheet.terms})
