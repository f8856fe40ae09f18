"""Changes runs for a caller: read, decide, append; again where another writer was first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ..domain.draft import Draft
from ..domain.errors import CommitUnknown, Conflict, Reason, RunChanged, Unavailable
from ..domain.events import AnyEvent
from ..domain.run import Run
from ..environment import Environment
from ..store.journal import Journal
from ..store.write_requests import Append

_TRIES: Final = 20

Decide = Callable[[Draft], list[AnyEvent]]
"""The events to append to a draft, whose artifacts take large documents. Raises what refuses the change."""


async def change(journal: Journal, environment: Environment, tenant: str, run_id: str, decide: Decide) -> Run:
    """Append what `decide` returns, and return the run after it. Raises as `change_together`."""
    return (await change_together(journal, environment, tenant, {run_id: decide}))[run_id]


async def change_together(
    journal: Journal, environment: Environment, tenant: str, decisions: Mapping[str, Decide]
) -> dict[str, Run]:
    """Append what is decided for each run, all or none, and return the runs after it.

    Each `decide` is called again whenever another writer was first. RUN_BUSY: that was so every time.
    COMMIT_UNKNOWN: the store was lost at the commit.
    """
    runs: dict[str, Run] = {}
    for _ in range(_TRIES):
        drafts: dict[str, Draft] = {}
        for run_id, decide in decisions.items():
            run = await journal.fold(run_id, runs.get(run_id))
            draft = drafts[run_id] = Draft(run, environment.now())
            draft.add(*decide(draft))
            draft.announce()
        runs = {run_id: draft.base for run_id, draft in drafts.items()}
        try:
            appends = [_append(tenant, key, draft) for key, draft in drafts.items() if draft.records]
            if appends:
                await journal.append_together(appends)
        except RunChanged:
            continue
        except CommitUnknown as error:
            message = "the database was lost at the commit; read before you try again"
            raise Unavailable(Reason.COMMIT_UNKNOWN, message) from error
        return {run_id: draft.run for run_id, draft in drafts.items()}
    raise Conflict(Reason.RUN_BUSY, "the run kept changing; try again")


def _append(tenant: str, run_id: str, draft: Draft) -> Append:
    return Append(
        tenant=tenant,
        run_id=run_id,
        after=draft.base.sequence,
        epoch=None,
        records=draft.records,
        run=draft.run,
        artifacts=draft.artifacts,
    )
