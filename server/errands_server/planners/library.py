"""Library: the catalogues and sheets kept between plans."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final, TypeAlias

from ..domain.tool import ToolRef
from ..lru import Cache
from ..ports import Candidate
from ..singleflight import Flights
from .forms import informed
from .ranking import Catalogue
from .sheets import Sheet, read

MOST_TOOLS: Final = 10_000  # of the catalogues kept, each counted as often as it is in one
_SHEETS: Final = 4_096
_FEW: Final = 32  # tools read on the event loop: a thread would take longer

_Key: TypeAlias = tuple[tuple[ToolRef, str], ...]


class Library:
    """Keeps what was read of tools. Tool refs name immutable revisions, so nothing goes stale."""

    def __init__(self, *, tools: int = MOST_TOOLS) -> None:
        self._sheets: Cache[tuple[ToolRef, str], Sheet] = Cache(_SHEETS)
        self._catalogues: Cache[_Key, Catalogue] = Cache(tools, lambda catalogue: len(catalogue.sheets))
        self._seen: Cache[int, tuple[Sequence[Candidate], Catalogue]] = Cache(tools, _tools)
        self._reading: Flights[Catalogue] = Flights()

    async def catalogue(self, candidates: Sequence[Candidate]) -> Catalogue:
        """The index over these candidates; deprecated tools stay out where others remain.

        Many tools are read beside the event loop, and once for all who wait for them.
        """
        same = self._seen.find(id(candidates))
        if same is not None and same[0] is candidates:
            return same[1]
        catalogue = await self._named(candidates)
        if isinstance(candidates, tuple):  # and so never another under the same identity
            self._seen.keep(id(candidates), (candidates, catalogue))
        return catalogue

    async def _named(self, candidates: Sequence[Candidate]) -> Catalogue:
        key = tuple([_name(candidate) for candidate in candidates])
        kept = self._catalogues.find(key)
        if kept is not None:
            return kept
        if len(candidates) <= _FEW:
            return self._read(key, candidates)
        return await self._reading.join(key, lambda: asyncio.to_thread(self._read, key, candidates))

    def _read(self, key: _Key, candidates: Sequence[Candidate]) -> Catalogue:
        live = [c for c in candidates if not c.tool.deprecated] or candidates
        return self._catalogues.keep(key, Catalogue(informed([self._sheet(c) for c in live])))

    def _sheet(self, candidate: Candidate) -> Sheet:
        name = _name(candidate)
        kept = self._sheets.find(name)
        if kept is None:
            time.sleep(0)  # lets the event loop in, which a computing thread keeps waiting
            kept = self._sheets.keep(name, read(candidate))
        return kept


def _tools(seen: tuple[Sequence[Candidate], Catalogue]) -> int:
    return len(seen[0])


def _name(candidate: Candidate) -> tuple[ToolRef, str]:
    return candidate.ref, candidate.integration_name
