"""Lets runs that wait for access to an integration go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..domain.draft import Draft
from ..domain.event import AnyEvent, AuthResolved
from ..store.reading import Head
from ..store.runs import RunFilter
from ..store.store import Store
from ..world import World
from .changes import change

_PAGE: Final = 100


class Authorizations:
    """What runs wait for before they may call an integration."""

    def __init__(self, store: Store, world: World) -> None:
        self._store = store
        self._world = world

    async def grant(self, tenant: str, integration_id: str) -> int:
        """Let every run of the tenant that waits for this integration go on; how many were asked."""
        granted = 0
        before = ""
        while heads := await self._waiting(tenant, integration_id, before):
            for head in heads:
                await change(
                    self._store.journal,
                    self._world,
                    tenant,
                    head.run_id,
                    lambda draft: _granted(draft, integration_id),
                )
            granted += len(heads)
            before = heads[-1].run_id
        return granted

    async def _waiting(self, tenant: str, integration_id: str, before: str) -> Sequence[Head]:
        wanted = RunFilter(integration_ids=[integration_id], before=before, unfinished=True)
        async with self._store.begin(tenant) as transaction:
            return await transaction.runs.list(wanted, limit=_PAGE)


def _granted(draft: Draft, integration_id: str) -> list[AnyEvent]:
    return [
        AuthResolved(authorization_id=key, granted=True)
        for key, request in draft.run.authorizations.items()
        if request.integration_id == integration_id
    ]
