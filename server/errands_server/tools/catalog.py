"""The tool catalog: the integrations of every tenant, in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from ..credentials.credential import Credential, unseal
from ..credentials.oauth.client import OAuthClient, unpack
from ..credentials.security_scheme import SecurityScheme, read_schemes
from ..domain.inputs import Selected
from ..domain.tool import Tool, ToolRef
from ..ports import Candidate
from ..singleflight import SingleFlight
from ..store.encryption import Sealer
from ..store.repositories.integrations import Integration
from ..store.store import Store
from .operation import Operation
from .origins import service_origin

MAX_REVISIONS: Final = 256  # kept in memory
MAX_TOOLS: Final = 10_000  # of the revisions kept; 250 MB where they are like GitHub's

_decode = msgspec.json.Decoder(tuple[Operation, ...]).decode


class LoadedRevision(Struct, frozen=True, kw_only=True):
    """One revision of an integration. Revisions are immutable."""

    integration_id: str
    revision: int
    name: str  # of the integration, when it was loaded
    kind: str
    internal: bool  # private addresses may be reached
    schemes: Mapping[str, SecurityScheme]  # by name
    operations: Mapping[str, Operation]  # by the name of the tool
    candidates: Sequence[Candidate]  # every tool, for planners


class ActiveIntegration(Struct, frozen=True, kw_only=True):
    """An active integration with what may change while a revision is in use."""

    integration: Integration
    origin: str  # where its credential may be sent
    credential: Credential | None  # the shared account
    client: OAuthClient | None = None


class ToolCatalog:
    """Caches revisions, which never change, and active integrations until `changed` is called.

    On SQLite every change is made by this process, which calls `changed` once it is committed.
    Where other processes share the database, `forget` is called every few seconds.
    """

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer
        self._revisions: OrderedDict[tuple[str, str, int], LoadedRevision] = OrderedDict()
        self._current: dict[str, Mapping[str, ActiveIntegration]] = {}
        self._changes = 0
        self._reading: SingleFlight[Mapping[str, ActiveIntegration]] = SingleFlight()
        self._loading: SingleFlight[LoadedRevision] = SingleFlight()

    async def aclose(self) -> None:
        """Wait for reads under way."""
        await self._reading.aclose()
        await self._loading.aclose()

    def changed(self, tenant: str) -> None:
        """Drop the active integrations of a tenant from memory: they have changed."""
        self._changes += 1
        self._current.pop(tenant, None)

    def forget(self) -> None:
        """Drop the active integrations of all tenants from memory: they may have changed."""
        self._changes += 1
        self._current.clear()

    async def active(self, tenant: str) -> Mapping[str, ActiveIntegration]:
        """The tenant's active integrations by id."""
        known = self._current.get(tenant)
        if known is None:
            changes = self._changes
            # A caller after a change must not get a read that began before it.
            known = await self._reading.join((tenant, changes), lambda: self._read_active(tenant))
            if changes == self._changes:  # otherwise the read may be older than the change
                self._current[tenant] = known
        return known

    async def candidates(self, tenant: str, selection: Sequence[Selected]) -> Sequence[Candidate]:
        """Every tool of the selected revisions. For one revision, always the same sequence object."""
        loaded = [await self.load(tenant, chosen.id, chosen.revision) for chosen in selection]
        if len(loaded) == 1:
            return loaded[0].candidates
        return [candidate for revision in loaded for candidate in revision.candidates]

    async def tool(self, tenant: str, ref: ToolRef) -> tuple[LoadedRevision, Tool]:
        """A tool and its revision. LookupError: the revision has no such tool."""
        loaded = await self.load(tenant, ref.integration_id, ref.revision)
        return loaded, loaded.operations[ref.name].tool

    async def load(self, tenant: str, integration_id: str, revision: int) -> LoadedRevision:
        """A revision, also of an integration that is no longer active. LookupError: there is none."""
        key = (tenant, integration_id, revision)
        loaded = self._revisions.get(key)
        if loaded is None:
            loaded = self._revisions[key] = await self._loading.join(key, lambda: self._read(*key))
        self._revisions.move_to_end(key)
        self._evict()
        return loaded

    def _evict(self) -> None:
        """Drop the revisions used longest ago, never the latest."""
        tools = sum(len(kept.operations) for kept in self._revisions.values())
        while len(self._revisions) > MAX_REVISIONS or (tools > MAX_TOOLS and len(self._revisions) > 1):
            _, dropped = self._revisions.popitem(last=False)
            tools -= len(dropped.operations)

    async def _read(self, tenant: str, integration_id: str, number: int) -> LoadedRevision:
        async with self._store.begin(tenant) as transaction:
            revision = await transaction.integrations.revision(integration_id, number)
            integration = await transaction.integrations.find(integration_id)
        if revision is None:
            raise LookupError(f"integration {integration_id} has no revision {number}")
        name = integration_id if integration is None else integration.name
        operations = {operation.tool.name: operation for operation in _decode(revision.operations)}
        return LoadedRevision(
            integration_id=integration_id,
            revision=number,
            name=name,
            kind=revision.kind,
            internal=revision.internal,
            schemes=read_schemes(revision.schemes),
            operations=operations,
            candidates=tuple(
                Candidate(ToolRef(integration_id, number, tool_name), name, operation.tool)
                for tool_name, operation in operations.items()
            ),
        )

    async def _read_active(self, tenant: str) -> dict[str, ActiveIntegration]:
        found: dict[str, ActiveIntegration] = {}
        async with self._store.begin(tenant) as transaction:
            for integration in await transaction.integrations.active():
                revision = await transaction.integrations.revision(integration.id, integration.revision)
                assert revision is not None  # noqa: S101 (a foreign key holds it)
                sealed = revision.credential
                found[integration.id] = ActiveIntegration(
                    integration=integration,
                    origin=service_origin(revision.base_url),
                    credential=None if sealed is None else unseal(self._sealer, sealed, integration.id),
                    client=unpack(
                        self._sealer, integration.oauth_client, integration.oauth_secret, integration.id
                    ),
                )
        return found
