"""A run as callers see it: its log folded, beside what it was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from ..domain.event import Record
from ..domain.run import Run, fold
from ..executor import documents
from ..store.journal import Journal
from ..store.reading import Head, Inputs

MAX_EVENTS: Final = 1_000
MAX_EVENTS_IN_LISTS: Final = 50


class RunView(Struct, frozen=True, kw_only=True):
    """Everything there is to say of a run. `result` is JSON text, empty where there is none."""

    head: Head
    inputs: Inputs
    run: Run
    records: Sequence[Record] = ()
    result: bytes = b""


async def view(journal: Journal, head: Head, *, keep: int = 0) -> RunView:
    """The run behind `head` as it is now, with its records where `keep` is not 0."""
    records = await whole_log(journal, head.run_id)
    run = fold(records)
    result = b""
    if run.result is not None:
        result = await documents.text(journal, head.run_id, run.result)
    return RunView(
        head=head,
        inputs=await journal.inputs(head.run_id),
        run=run,
        records=records if keep else (),
        result=result,
    )


async def whole_log(journal: Journal, run_id: str) -> list[Record]:
    """Every record of a run."""
    records: list[Record] = []
    while page := await journal.read(run_id, len(records)):
        records += page
    return records
