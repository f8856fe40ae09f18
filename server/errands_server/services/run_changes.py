"""Changes runs on a caller's behalf: read, decide, append, and again where another was first."""

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
"""The events that follow; raises what the caller is to be told. The draft keeps large documents."""


async def change(journal: Journal, environment: Environment, tenant: str, run_id: str, decide: Decide) -> Run:
    """The run after what `decide` gives. Raises as `change_together` does."""
    return (await change_together(journal, environment, tenant, {run_id: decide}))[run_id]


async def change_together(
    journal: Journal, environment: Environment, tenant: str, decisions: Mapping[str, Decide]
) -> dict[str, Run]:
    """The runs after what was decided for each, all or none.

    Every `decide` is asked anew whenever another writer was first. RUN_BUSY: others were
    first every time. COMMIT_UNKNOWN: the store was lost at the commit.
    """
    runs: dict[str, Run] = {}
    for _ in range(_TRIES):
        drafts: dict[str, Draft] = {}
        for run_id, decide in decisions.items():
            run = await journal.fold(run_id, runs.get(run_id))
            drafts[run_id] = _decided(Draft(run, environment.now()), decide)
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


def _decided(draft: Draft, decide: Decide) -> Draft:
    draft.add(*decide(draft))
    draft.announce()
    return draft


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
