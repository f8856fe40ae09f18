"""Keeps catalogues of MCP servers current: what a server lists anew becomes a new revision."""

from __future__ import annotations

import asyncio

import structlog

from ..domain.errors import Conflict
from ..store.integrations import Integration, Revision
from ..store.store import Store
from ..tools.catalogue import Catalogue
from ..tools.mcp.importing import KIND, read_listing
from ..tools.mcp.target import Listing, Owner, Target
from ..world import World

_log = structlog.get_logger("errands.mcp")


class Relisting:
    """Stores new listings. Runs keep to the revision they were planned with."""

    def __init__(self, store: Store, catalogue: Catalogue, world: World) -> None:
        self._store = store
        self._catalogue = catalogue
        self._world = world

    async def listed(self, owner: Owner, target: Target, listing: Listing) -> None:
        """Add a revision with these tools, unless it would change none or the server is no longer used."""
        while (found := await self._newest(owner, target)) is not None:
            integration, old = found
            new = await asyncio.to_thread(read_listing, old, listing)
            if new is old:
                return
            try:
                async with self._store.begin(owner.tenant, writes=True) as transaction:
                    await transaction.integrations.revise(integration, new, self._world.now())
            except Conflict:
                continue  # another change was first; this one goes on top of it
            self._catalogue.changed(owner.tenant)
            _log.info("tools changed", integration_id=integration.id, tools=new.tool_count)
            return

    async def _newest(self, owner: Owner, target: Target) -> tuple[Integration, Revision] | None:
        async with self._store.begin(owner.tenant) as transaction:
            integration = await transaction.integrations.find(owner.integration_id)
            if integration is None or not integration.active or integration.kind != KIND:
                return None
            revision = await transaction.integrations.revision(integration.id, integration.revision)
        if revision is None or revision.base_url != target.place:
            return None
        return integration, revision
