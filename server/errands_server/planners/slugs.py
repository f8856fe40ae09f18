"""Slugs: `ada/notes` names something under its owner, and so fills two parameters at once."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from ..domain.explanation import Source as Origin
from .arguments import Binding
from .bound import Argument
from .hearing import Hearing
from .mention import Kind
from .schemas import Leaf, Type
from .sheets import Sheet
from .words import stemmed

_TEXTS: Final = frozenset({Type.TEXT, Type.ID})
_OWNERS: Final = stemmed("owner org organization user account namespace group workspace tenant")


def divide(binding: Binding, hearing: Hearing) -> None:
    """Give the two parameters for an owner and a name the first slug that is said.

    Everything that is done in one place names the same one, so another call may have it too.
    """
    slugs = [said for said in hearing.said if said.mention.kind is Kind.SLUG]
    pair = _pair(binding.sheet) if slugs else None
    if pair is None or not binding.arguments.keys().isdisjoint(leaf.path for leaf in pair):
        return
    others = {
        word for leaf in binding.sheet.takes if leaf not in pair for word in leaf.particular.union(leaf.forms)
    }
    slug = next((said.mention for said in slugs if said.noun not in others), None)
    if slug is None:
        return
    for leaf, value in zip(pair, str(slug.value).split("/"), strict=True):
        why = f"its part of {slug.value!r}"
        mentions = frozenset({slug})
        binding.add(Argument(leaf=leaf, origin=Origin.INTENT, why=why, values=(value,), mentions=mentions))


def _pair(sheet: Sheet) -> tuple[Leaf, Leaf] | None:
    """The first two texts that stand beside each other in the path; without a path, an owner and the next."""
    texts = [leaf for leaf in sheet.takes if leaf.required and leaf.type in _TEXTS and not leaf.array]
    path = sheet.tool.path
    for one, other in pairwise(texts):
        beside = f"{{{one.name}}}/{{{other.name}}}" in path if path else bool(one.words & _OWNERS)
        if beside and len(one.path) == len(other.path) == 1:
            return one, other
    return None
