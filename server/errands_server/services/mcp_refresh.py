"""Keeps the tools of MCP servers current: a changed list becomes a new revision of the integration."""

from __future__ import annotations

import asyncio
from typing import Final, Self

import structlog

from ..credentials.requirements import CredentialRequirement, ResolvedCredential
from ..credentials.resolver import CredentialResolver
from ..domain.errors import Conflict
from ..domain.tool import ToolRef
from ..environment import Environment
from ..ports import AuthorizationRequired, CallFailed, CallRequest
from ..store.repositories.integrations import Integration, Revision
from ..store.store import Store
from ..tools.catalog import ActiveIntegration, ToolCatalog
from ..tools.mcp.endpoint import Listing, ServerError, SessionKey, Target, Unreadable
from ..tools.mcp.importer import KIND, McpImporter, apply_listing
from ..tools.mcp.session_pool import CannotOpen, SdkMissing

_WAIT: Final = 5.0  # seconds a grant waits for the listing it makes possible
_log = structlog.get_logger("errands.mcp")


class ToolListings:
    """Stores changed tool lists. Runs keep the revision they were planned with."""

    def __init__(self, store: Store, catalog: ToolCatalog, environment: Environment) -> None:
        self._store = store
        self._catalog = catalog
        self._environment = environment

    async def store(self, owner: SessionKey, target: Target, listing: Listing) -> None:
        """Add a revision with these tools, unless they are unchanged or the server is no longer used."""
        while (found := await self._find_current(owner, target)) is not None:
            integration, old = found
            new = await asyncio.to_thread(apply_listing, old, listing)
            if new is old:
                return
            try:
                async with self._store.begin(owner.tenant, writes=True) as transaction:
                    await transaction.integrations.revise(integration, new, self._environment.now())
            except Conflict:
                continue  # another change was first; this one goes on top of it
            self._catalog.changed(owner.tenant)
            _log.info("tools changed", integration_id=integration.id, tools=new.tool_count)
            return

    async def _find_current(self, owner: SessionKey, target: Target) -> tuple[Integration, Revision] | None:
        async with self._store.begin(owner.tenant) as transaction:
            integration = await transaction.integrations.find(owner.integration_id)
            if integration is None or not integration.active or integration.kind != KIND:
                return None
            revision = await transaction.integrations.revision(integration.id, integration.revision)
        if revision is None or revision.base_url != target.address:
            return None
        return integration, revision


class ToolListRefresh:
    """Lists the tools of servers that list them to authorized users only."""

    def __init__(
        self,
        catalog: ToolCatalog,
        importer: McpImporter,
        resolver: CredentialResolver,
        listings: ToolListings,
    ) -> None:
        self._catalog = catalog
        self._importer = importer
        self._resolver = resolver
        self._listings = listings
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel the requests that are under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def list_after_grant(self, tenant: str, integration_id: str, user_id: str) -> None:
        """List the tools of a server that has shown none so far, as this user; waits up to 5 seconds."""
        current = (await self._catalog.active(tenant)).get(integration_id)
        if current is None or current.integration.kind != KIND or current.integration.tool_count:
            return
        task = asyncio.create_task(self._list_tools(tenant, current, user_id), name="errands mcp listing")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=_WAIT)

    async def _list_tools(self, tenant: str, current: ActiveIntegration, user_id: str) -> None:
        integration = current.integration
        try:
            access = await self._access(tenant, current, user_id)
            if isinstance(access, ResolvedCredential):
                target = self._importer.target(
                    integration.base_url, internal=integration.internal, credential=access.credential
                )
                owner = SessionKey(tenant, integration.id, integration.revision, user_id, b"")
                await self._listings.store(owner, target, await self._importer.listing(target))
        except (CannotOpen, SdkMissing, ServerError, Unreadable, TimeoutError, LookupError):
            _log.warning("a guarded server listed no tools", integration_id=integration.id)

    async def _access(
        self, tenant: str, current: ActiveIntegration, user_id: str
    ) -> ResolvedCredential | AuthorizationRequired | CallFailed:
        integration = current.integration
        loaded = await self._catalog.load(tenant, integration.id, integration.revision)
        request = CallRequest(
            ref=ToolRef(integration.id, integration.revision, ""),
            arguments={},
            idempotency_key="",
            user_id=user_id,
            tenant=tenant,
        )
        requirement = CredentialRequirement(
            origin=current.origin,
            internal=integration.internal,
            secured=True,
            security=tuple((name,) for name in loaded.schemes),
            schemes=loaded.schemes,
            shared=current.credential,
            client=current.client,
        )
        return await self._resolver.obtain(request, requirement)
