"""Makes revisions of an integration from its description: an OpenAPI document or an MCP server."""

from __future__ import annotations

import asyncio

from msgspec import Struct
from msgspec.structs import replace

from ..credentials.credential import Credential, unseal
from ..domain.errors import Invalid, Violation
from ..store.encryption import Sealer
from ..store.repositories.integrations import Revision
from ..tools.mcp import importer as mcp
from ..tools.mcp.importer import McpImporter, McpSource, McpTerms
from ..tools.openapi.import_limits import ImportLimits, ImportSlot
from ..tools.openapi.importer import OpenApiSource, OpenApiTerms, given_base_url, import_source, reimport
from ..tools.origins import service_origin


class ImportRequest(Struct, frozen=True, kw_only=True):
    """What to import. None leaves a field of the revision as it is."""

    tenant: str
    operator: bool = False  # whether the caller may allow private addresses
    source: OpenApiSource | McpSource | None = None
    base_url: str | None = None  # where calls go; "" for what the document says
    internal: bool = False  # whether private addresses are allowed
    honours_keys: bool | None = None  # whether the service honours idempotency keys
    credential: Credential | None = None  # new with this request
    remove_credential: bool = False


class IntegrationImports:
    """Imports descriptions of every kind. A new credential is used to read them; the caller stores it."""

    def __init__(self, importer: McpImporter, sealer: Sealer) -> None:
        self._importer = importer
        self._sealer = sealer
        self._limits = ImportLimits()

    async def import_new(self, wanted: ImportRequest) -> Revision:
        """The first revision. DOCUMENT_INVALID, DOCUMENT_UNREACHABLE, ADDRESS_FORBIDDEN, FIELD_INVALID."""
        honours_keys = bool(wanted.honours_keys)
        if isinstance(wanted.source, McpSource):
            terms = McpTerms(internal=wanted.internal, honours_keys=honours_keys)
            return await self._importer.import_source(wanted.source, terms, wanted.credential)
        return await import_source(
            wanted.source or OpenApiSource(),
            OpenApiTerms(base_url=wanted.base_url or "", internal=wanted.internal, honours_keys=honours_keys),
            slot=self._limits.slot(wanted.tenant),
        )

    async def reimport(self, integration_id: str, old: Revision, wanted: ImportRequest) -> Revision:
        """The old revision with the changes for which the description is read again.

        Raises as `import_new`.
        """
        if wanted.source is None and wanted.base_url is None and wanted.honours_keys is None:
            return old
        if wanted.source is not None and isinstance(wanted.source, McpSource) != (old.kind == mcp.KIND):
            message = f"this integration is of kind {old.kind}; make another one for this"
            field = wanted.source.field if isinstance(wanted.source, McpSource) else "openapi"
            raise Invalid([Violation(field, message)])
        if old.kind == mcp.KIND:
            new = await self._reimport_mcp(integration_id, old, wanted)
        else:
            new = await _reimport_openapi(old, wanted, self._limits.slot(wanted.tenant))
        shared = new.shared or old.credential is not None
        return replace(
            new,
            auth_type=old.auth_type,
            shared=shared,
            credential=old.credential,
            rate_limit=old.rate_limit,
            max_concurrency=old.max_concurrency,
        )

    async def _reimport_mcp(self, integration_id: str, old: Revision, wanted: ImportRequest) -> Revision:
        if wanted.base_url is not None:
            raise Invalid([Violation("base_url", "goes only with openapi; mcp_url says where the server is")])
        terms = McpTerms(internal=old.internal, honours_keys=_honours_keys(old, wanted))
        if not isinstance(wanted.source, McpSource):
            return await asyncio.to_thread(mcp.reimport, old, terms)
        if not wanted.operator and service_origin(wanted.source.address()) != service_origin(old.base_url):
            terms = replace(terms, internal=False)  # what an operator allowed, it allowed for one origin
        credential = self._credential(integration_id, old, wanted)
        return await self._importer.import_source(wanted.source, terms, credential, old)

    def _credential(self, integration_id: str, old: Revision, wanted: ImportRequest) -> Credential | None:
        """The credential to list tools with; a stored one is sent only to the origin it was stored for."""
        assert isinstance(wanted.source, McpSource)  # noqa: S101 (the caller looked)
        if wanted.credential is not None or wanted.remove_credential or old.credential is None:
            return wanted.credential
        stays = service_origin(wanted.source.address()) == service_origin(old.base_url)
        return unseal(self._sealer, old.credential, integration_id) if stays else None


async def _reimport_openapi(old: Revision, wanted: ImportRequest, slot: ImportSlot) -> Revision:
    base_url = wanted.base_url
    if base_url is None:
        base_url = await given_base_url(old.document)
    terms = OpenApiTerms(
        base_url=base_url,
        current_url=old.base_url if wanted.base_url is None else "",
        internal=old.internal,
        # What an operator allowed, it allowed for one origin.
        only_from="" if wanted.operator else service_origin(old.base_url),
        honours_keys=_honours_keys(old, wanted),
    )
    if isinstance(wanted.source, OpenApiSource):
        return await import_source(wanted.source, terms, slot=slot)
    return await reimport(old.document, terms, slot=slot)


def _honours_keys(old: Revision, wanted: ImportRequest) -> bool:
    return old.honours_keys if wanted.honours_keys is None else wanted.honours_keys
