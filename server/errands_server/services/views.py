"""A run as callers see it: its log folded, beside what it was given."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from ..domain.errors import NotFound, Reason
from ..domain.events import Record
from ..domain.fold import fold
from ..domain.run import Run
from ..executor import documents
from ..store.journal import Journal
from ..store.journal_reads import PAGE, Head, Inputs, Latest

MAX_EVENTS: Final = 1_000
MAX_EVENTS_IN_LISTS: Final = 50
_REMEMBERED: Final = 512  # runs whose fold is kept


class RunView(Struct, frozen=True, kw_only=True):
    """Everything there is to say of a run. `result` is JSON text, empty where there is none."""

    head: Head
    inputs: Inputs
    run: Run
    records: Sequence[Record] = ()
    result: bytes = b""


class _Known(Struct, frozen=True):
    """What is kept of a run: its fold so far, and what it was given, which never changes."""

    run: Run
    inputs: Inputs


class Views:
    """Reads runs. A fold is kept, and the log is asked every time for what came behind it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def view(self, tenant: str, run_id: str, *, events: int = 0) -> RunView:
        """The run as it is now, with enough records to show `events`. RUN_NOT_FOUND."""
        known = self._known.get(run_id)
        run = Run() if known is None else known.run
        latest = await self._latest(tenant, run_id, run.sequence)
        run = fold(latest.records, run)
        while run.sequence < latest.head.last_sequence:
            latest = await self._latest(tenant, run_id, run.sequence)
            run = fold(latest.records, run)
        inputs = await self._journal.inputs(run_id) if known is None else known.inputs
        self._remember(run_id, _Known(run, inputs))
        result = b""
        if run.result is not None:
            result = await documents.text(self._journal, run_id, run.result)
        return RunView(
            head=latest.head,
            inputs=inputs,
            run=run,
            records=await self._records(run_id, events) if events else (),
            result=result,
        )

    async def _latest(self, tenant: str, run_id: str, after: int) -> Latest:
        latest = await self._journal.latest(run_id, after)
        if latest is None or latest.head.tenant != tenant:
            raise NotFound(Reason.RUN_NOT_FOUND, f"there is no run {run_id}", subject=run_id)
        return latest

    def _remember(self, run_id: str, known: _Known) -> None:
        self._known[run_id] = known
        self._known.move_to_end(run_id)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def _records(self, run_id: str, events: int) -> list[Record]:
        # Not every record is shown; logs in which under a quarter is do not occur.
        records: list[Record] = []
        while len(records) < 4 * events:
            page = await self._journal.read(run_id, len(records))
            records += page
            if len(page) < PAGE:
                break
        return records
