"""Imports, changes, lists and deletes integrations."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from msgspec import Struct
from msgspec.structs import replace

from ..credentials.credential import Credential, seal
from ..credentials.oauth.client import CLIENT_CREDENTIALS, OAuthClient, pack, parse_public, unpack
from ..credentials.security_scheme import read_schemes
from ..domain.errors import Invalid, NotFound, Reason, Violation
from ..domain.tool import Tool
from ..environment import Environment
from ..store.encryption import Sealer
from ..store.repositories.audit import AuditAction
from ..store.repositories.integrations import Integration, Revision
from ..store.store import Store
from ..tools.catalog import ToolCatalog
from ..tools.mcp.importer import McpSource
from ..tools.openapi.importer import OpenApiSource, ToolChanges, changes_between
from ..tools.origins import STDIO, service_origin
from .authorizations import Authorizations
from .imports import ImportRequest, IntegrationImports
from .oauth_clients import DescribedService, complete_client
from .principal import Principal, Scope
from .quotas import Quotas

_ID_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # without look-alikes


class SharedCredential(Struct, frozen=True):
    """A credential that serves every user."""

    auth_type: str  # its kind, as the API names it
    credential: Credential


class IntegrationChange(Struct, frozen=True, kw_only=True):
    """What to create or change. None leaves a field as it is."""

    name: str | None = None
    source: OpenApiSource | McpSource | None = None
    base_url: str | None = None  # where calls go; "" for what the description says
    internal: bool = False  # whether private addresses are allowed; only on creation
    secret: SharedCredential | None = None
    remove_credential: bool = False
    client: OAuthClient | None = None
    remove_client: bool = False
    active: bool | None = None
    honours_keys: bool | None = None  # whether the service honours idempotency keys
    rate_limit: str | None = None  # as in domain/rates; "" for none
    max_concurrency: int | None = None  # 0 for any number


class Integrations:
    """The integrations of all tenants, as the caller may see and change them."""

    def __init__(
        self,
        store: Store,
        catalog: ToolCatalog,
        sealer: Sealer,
        authorizations: Authorizations,
        imports: IntegrationImports,
        environment: Environment,
        quotas: Quotas,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._sealer = sealer
        self._authorizations = authorizations
        self._imports = imports
        self._environment = environment
        self._quotas = quotas

    async def create(self, principal: Principal, wanted: IntegrationChange) -> Integration:
        """Import a description and store an integration made from it.

        DOCUMENT_INVALID, DOCUMENT_UNREACHABLE, ADDRESS_FORBIDDEN, INTEGRATION_NAME_TAKEN,
        QUOTA_EXCEEDED.
        """
        _check_scope(principal, wanted)
        name = wanted.name or ""
        integration_id = _new_id(name)
        revision = await self._imports.import_new(_import_request(principal, wanted))
        revision = self._with_secret(_with_limits(revision, wanted), integration_id, wanted)
        client = self._client(principal, integration_id, revision, wanted, ("", None))
        async with self._store.begin(principal.tenant, writes=True) as transaction:
            self._quotas.check_integrations(principal.tenant, await transaction.integrations.count())
            now = self._environment.now()
            await transaction.integrations.add(integration_id, name, revision, now, client)
            await transaction.audit.add(
                AuditAction.INTEGRATION_CREATE,
                actor=principal.actor,
                subject=integration_id,
                at=now,
                name=name,
                oauthClient=_audit_client(client[0]),
                **_audit_details(revision),
            )
        self._catalog.changed(principal.tenant)
        if _brings_shared_client(parse_public(client[0]), wanted):
            await self._authorizations.grant(principal.tenant, integration_id)
        return await self.get(principal, integration_id)

    async def update(
        self, principal: Principal, integration_id: str, wanted: IntegrationChange
    ) -> tuple[Integration, ToolChanges]:
        """Change an integration, as a new revision, and say what that does to its tools.

        Raises as `create` does.
        """
        _check_scope(principal, wanted)
        while True:
            before = await self.get(principal, integration_id)
            old = await self._revision(principal, before)
            after, revision = await self._apply(principal, before, old, wanted)
            async with self._store.begin(principal.tenant, writes=True) as transaction:
                if await transaction.integrations.find(integration_id) != before:
                    continue  # another change was first; this one goes on top of it
                now = self._environment.now()
                await transaction.integrations.revise(after, revision, now)
                await transaction.audit.add(
                    AuditAction.INTEGRATION_UPDATE,
                    actor=principal.actor,
                    subject=integration_id,
                    at=now,
                    revision=before.revision + 1,
                    name=after.name,
                    active=after.active,
                    credentialChanged=revision.credential != old.credential,
                    oauthClient=_audit_client(after.oauth_client),
                    oauthClientChanged=_client_of(after) != _client_of(before),
                    **_audit_details(revision),
                )
            break
        self._catalog.changed(principal.tenant)
        if wanted.secret is not None or _brings_shared_client(parse_public(after.oauth_client), wanted):
            await self._authorizations.grant(principal.tenant, integration_id)
        return await self.get(principal, integration_id), await changes_between(old, revision)

    async def _apply(
        self, principal: Principal, before: Integration, old: Revision, wanted: IntegrationChange
    ) -> tuple[Integration, Revision]:
        revised = await self._imports.reimport(before.id, old, _import_request(principal, wanted))
        if service_origin(revised.base_url) != service_origin(old.base_url):
            _check_move(principal, before, old, wanted)
        public, secret = self._client(
            principal, before.id, revised, wanted, (before.oauth_client, before.oauth_secret)
        )
        after = replace(
            before,
            oauth_client=public,
            oauth_secret=secret,
            name=before.name if wanted.name is None else wanted.name,
            active=before.active if wanted.active is None else wanted.active,
        )
        return after, self._with_secret(_with_limits(revised, wanted), before.id, wanted)

    async def get(self, principal: Principal, integration_id: str) -> Integration:
        """One integration. INTEGRATION_NOT_FOUND."""
        principal.require(Scope.INTEGRATIONS, Scope.RUNS_READ, Scope.RUNS_WRITE)
        async with self._store.begin(principal.tenant) as transaction:
            integration = await transaction.integrations.find(integration_id)
        return integration or _raise_missing(integration_id)

    async def page(self, principal: Principal, *, after: str, limit: int) -> Sequence[Integration]:
        """Up to `limit` integrations behind the name `after`, by name."""
        principal.require(Scope.INTEGRATIONS, Scope.RUNS_READ, Scope.RUNS_WRITE)
        async with self._store.begin(principal.tenant) as transaction:
            return await transaction.integrations.list(after=after, limit=limit)

    async def tools(self, principal: Principal, integration_id: str, *, after: str, limit: int) -> list[Tool]:
        """The tools of the newest revision, by name."""
        integration = await self.get(principal, integration_id)
        loaded = await self._catalog.load(principal.tenant, integration_id, integration.revision)
        names = sorted(name for name in loaded.operations if name > after)[:limit]
        return [loaded.operations[name].tool for name in names]

    async def delete(self, principal: Principal, integration_id: str) -> None:
        """Delete it with its connections; nothing more is sent to it. INTEGRATION_NOT_FOUND."""
        principal.require(Scope.INTEGRATIONS)
        now = self._environment.now()
        async with self._store.begin(principal.tenant, writes=True) as transaction:
            if not await transaction.integrations.delete(integration_id, now):
                _raise_missing(integration_id)
            connections = await transaction.connections.delete_all(integration_id)
            await transaction.audit.add(
                AuditAction.INTEGRATION_DELETE,
                actor=principal.actor,
                subject=integration_id,
                at=now,
                deletedConnections=connections,
            )
        self._catalog.changed(principal.tenant)

    async def _revision(self, principal: Principal, integration: Integration) -> Revision:
        async with self._store.begin(principal.tenant) as transaction:
            revision = await transaction.integrations.revision(integration.id, integration.revision)
        return revision or _raise_missing(integration.id)

    def _client(
        self,
        principal: Principal,
        integration_id: str,
        revision: Revision,
        wanted: IntegrationChange,
        before: tuple[str, bytes | None],
    ) -> tuple[str, bytes | None]:
        """The integration's OAuth client, packed; `before` where it does not change."""
        if _is_stdio(revision):
            _check_stdio(wanted)
        if wanted.client is None:
            return ("", None) if wanted.remove_client else before
        service = DescribedService(
            origin=service_origin(revision.base_url),
            internal=revision.internal,
            schemes=read_schemes(revision.schemes),
        )
        known = unpack(self._sealer, *before, integration_id)
        client = complete_client(principal, wanted.client, service, known)
        return pack(self._sealer, client, integration_id)

    def _with_secret(self, revision: Revision, integration_id: str, wanted: IntegrationChange) -> Revision:
        if wanted.secret is not None:
            sealed = seal(self._sealer, wanted.secret.credential, integration_id)
            return replace(revision, auth_type=wanted.secret.auth_type, shared=True, credential=sealed)
        if wanted.remove_credential:
            return replace(revision, auth_type="none", shared=_is_stdio(revision), credential=None)
        return revision


def _check_scope(principal: Principal, wanted: IntegrationChange) -> None:
    """Check the scope. Private addresses and processes on the server's machine take `operator`."""
    principal.require(Scope.INTEGRATIONS)
    if wanted.internal or (isinstance(wanted.source, McpSource) and wanted.source.server):
        principal.require(Scope.OPERATOR)


def _import_request(principal: Principal, wanted: IntegrationChange) -> ImportRequest:
    return ImportRequest(
        tenant=principal.tenant,
        operator=principal.may(Scope.OPERATOR),
        source=wanted.source,
        base_url=wanted.base_url,
        internal=wanted.internal,
        honours_keys=wanted.honours_keys,
        credential=None if wanted.secret is None else wanted.secret.credential,
        remove_credential=wanted.remove_credential,
    )


def _audit_details(revision: Revision) -> dict[str, Any]:
    """What the audit keeps of a revision; no secret."""
    return {
        # The endpoint of an MCP server may have a token among its parameters.
        "baseUrl": revision.base_url.partition("?")[0],
        "internal": revision.internal,
        "auth": revision.auth_type,
        "rateLimit": revision.rate_limit,
        "maxConcurrency": revision.max_concurrency,
    }


def _audit_client(public: str) -> dict[str, Any] | None:
    """What the audit keeps of an OAuth client; not its URLs, which may contain a secret."""
    client = parse_public(public)
    return None if client is None else {"clientId": client.client_id, "grant": client.grant}


def _client_of(found: Integration) -> tuple[str, bytes | None]:
    return found.oauth_client, found.oauth_secret


def _with_limits(revision: Revision, wanted: IntegrationChange) -> Revision:
    rate, most = wanted.rate_limit, wanted.max_concurrency
    return replace(
        revision,
        rate_limit=revision.rate_limit if rate is None else rate,
        max_concurrency=revision.max_concurrency if most is None else most,
    )


def _is_stdio(revision: Revision) -> bool:
    """Whether it is an MCP server in a process of the operator's, which has one account for all users."""
    return revision.base_url.startswith(STDIO)


def _check_stdio(wanted: IntegrationChange) -> None:
    """Check that no credential is given to a process: its configuration has what it needs. FIELD_INVALID."""
    given = {"credential": wanted.secret, "oauth_client": wanted.client}
    message = "does not go with mcp_server: its process has what it needs"
    if found := [Violation(field, message) for field, value in given.items() if value is not None]:
        raise Invalid(found)


def _check_move(principal: Principal, before: Integration, old: Revision, wanted: IntegrationChange) -> None:
    """Check a change of origin: what was allowed and stored for one origin does not move to another."""
    if old.internal:
        principal.require(Scope.OPERATOR)
    field = wanted.source.field if isinstance(wanted.source, McpSource) else "base_url"
    if old.credential is not None and wanted.secret is None and not wanted.remove_credential:
        message = "moves to another origin: send the credential for it, or remove the stored one"
        raise Invalid([Violation(field, message)])
    client = parse_public(before.oauth_client)
    obtains = client is not None and client.grant == CLIENT_CREDENTIALS
    if obtains and wanted.client is None and not wanted.remove_client:
        message = "moves to another origin: send the OAuth client for it, or remove the stored one"
        raise Invalid([Violation(field, message)])


def _brings_shared_client(client: OAuthClient | None, wanted: IntegrationChange) -> bool:
    """Whether the change brings an OAuth client that serves every user."""
    return wanted.client is not None and client is not None and client.grant == CLIENT_CREDENTIALS


def _raise_missing(integration_id: str) -> NoReturn:
    message = f"there is no integration {integration_id}"
    raise NotFound(Reason.INTEGRATION_NOT_FOUND, message, subject=integration_id)


def _new_id(name: str) -> str:
    """An id that needs no quoting in URLs and shells: the name, and eight random letters."""
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40] or "integration"
    return f"{slug}_{''.join(secrets.choice(_ID_ALPHABET) for _ in range(8))}"
