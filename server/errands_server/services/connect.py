"""The connect flow: a link, one browser, the service's consent, and the proof of who the user is."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import quote

import structlog
from msgspec import Struct
from msgspec.structs import replace

from ..credentials.grants import Grant, Secret, Tokens
from ..credentials.oauth.client import OAuthClient
from ..credentials.oauth.discovery import OAuthFailed
from ..credentials.oauth.flows import OAuth
from ..credentials.vault import Vault
from ..domain.errors import Conflict, Exhausted, Forbidden, Invalid, Reason, Refused, Violation
from ..environment import Environment
from ..store.encryption import Sealer
from ..store.repositories.audit import AuditAction
from ..store.repositories.connections import Connection
from ..store.store import Store
from . import tokens
from .approvals import BY_LINK
from .authorizations import Authorizations
from .connect_flows import ConnectFlowStore, PendingFlow
from .connect_methods import ConnectMethods, check_typed
from .principal import Principal, Scope, check_tenant
from .tokens import LINK_TTL, ConnectLink, ConnectLinks, LinkTemplates


class ConnectOutcome(StrEnum):
    """How a flow ended."""

    CONNECTED = "connected"
    REFUSED = "refused"  # by the user
    UNCONFIRMED = "unconfirmed"  # until the tenant's application says who the user is


class ConnectPrompt(Struct, frozen=True, kw_only=True):
    """What a link asks a user for."""

    integration_name: str
    base_url: str
    user_id: str
    scopes: tuple[str, ...]
    scope_texts: Mapping[str, str]  # by scope; only of those that the service describes
    expires_at: int  # milliseconds since 1970, UTC
    type: str  # of a ConnectMethod, or `page`
    keys: Mapping[str, str] = {}  # of type `apiKeys`: the names in which they are sent, by scheme
    page_url: str = ""  # of type `page`: where the service wants the user to do something


class ConnectResult(Struct, frozen=True, kw_only=True):
    """The end of a flow."""

    outcome: ConnectOutcome
    integration_name: str
    user_id: str
    return_url: str = ""  # where the browser goes next; empty for nowhere


class AuthorizationResponse(Struct, frozen=True, kw_only=True):
    """What an authorization server sent back with the browser (RFC 6749 §4.1.2, RFC 9207)."""

    code: str = ""  # empty where there is an error
    error: str = ""
    issuer: str = ""


STATE_TTL: Final = 900_000  # milliseconds a user may take at the service
CONFIRM_TTL: Final = 600_000  # milliseconds the application may take to say who the user is
CALLBACK: Final = "/connect/callback"

_log = structlog.get_logger("errands.connecting")


class ConnectService:
    """Leads users to connect an integration. Tokens, states and browser proofs authorize their methods."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        vault: Vault,
        oauth: OAuth,
        methods: ConnectMethods,
        authorizations: Authorizations,
        environment: Environment,
        templates: LinkTemplates,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._vault = vault
        self._oauth = oauth
        self._methods = methods
        self._authorizations = authorizations
        self._environment = environment
        self._templates = templates
        self._links = ConnectLinks(store, sealer, environment)
        self._flows = ConnectFlowStore(store, sealer, environment)

    async def create_link(
        self,
        principal: Principal,
        integration_id: str,
        user_id: str,
        *,
        scopes: tuple[str, ...],
        return_url: str,
    ) -> tuple[str, int]:
        """The URL of a link for one user, and when it expires (milliseconds).

        INTEGRATION_NOT_FOUND, CANNOT_CONNECT, QUOTA_EXCEEDED.
        """
        principal.require(Scope.CONNECTIONS)
        method = await self._methods.for_integration(principal.tenant, integration_id)
        await self._vault.check_quota(principal.tenant, integration_id, user_id)
        link = ConnectLink(
            tenant=principal.tenant,
            id=self._environment.new_id(),
            integration_id=integration_id,
            user_id=user_id,
            scopes=scopes or method.scopes,
            return_url=return_url,
            expires_at=self._environment.now() + LINK_TTL,
        )
        token = tokens.standalone_connect_token(self._sealer, link)
        return self._templates.connect_page(token), link.expires_at

    async def read_link(self, token: str, caller: Principal | None) -> ConnectPrompt:
        """What a link asks for. Changes nothing.

        LINK_INVALID, LINK_EXPIRED, LINK_USED, CREDENTIALS_INVALID, CANNOT_CONNECT.
        """
        link = await self._links.read(token, caller)
        await self._flows.check_open(link)
        if link.url:
            current = await self._methods.current(link.tenant, link.integration_id)
            return ConnectPrompt(
                integration_name=current.integration.name,
                base_url=current.integration.base_url,
                user_id=link.user_id,
                scopes=(),
                scope_texts={},
                expires_at=link.expires_at,
                type="page",
                page_url=link.url,
            )
        method = await self._methods.for_integration(link.tenant, link.integration_id)
        scopes = await self._scopes(link, method.client)
        return ConnectPrompt(
            integration_name=method.name,
            base_url=method.base_url,
            user_id=link.user_id,
            scopes=scopes,
            scope_texts={name: method.scope_texts[name] for name in scopes if name in method.scope_texts},
            expires_at=link.expires_at,
            type=method.type,
            keys=method.keys,
        )

    async def begin(
        self, token: str, browser: str, secret: Secret | None, *, caller: Principal | None
    ) -> str | ConnectResult:
        """Bind the link to this browser, and return the URL to which the browser goes.

        Returns the result where the user typed in a credential (`secret`) or was asked to do
        something at a page. Raises as `read_link`, and CONNECT_FAILED, QUOTA_EXCEEDED.
        """
        link = await self._links.read(token, caller)
        if link.url:
            return await self._confirm_page(link, browser, secret)
        method = await self._methods.for_integration(link.tenant, link.integration_id)
        check_typed(method, secret)
        await self._vault.check_quota(link.tenant, link.integration_id, link.user_id)
        flow = await self._flows.bind_browser(link, browser, self._environment.now() + STATE_TTL)
        pending = PendingFlow(link=link, until=self._environment.now() + STATE_TTL, origin=method.origin)
        if secret is not None:
            return await self._accept(flow.id, pending, Grant(secret=secret))
        assert method.client is not None  # noqa: S101 (no other method takes no secret)
        return await self._authorize(flow.id, pending, method.client)

    async def _confirm_page(self, link: ConnectLink, browser: str, secret: Secret | None) -> ConnectResult:
        """The user says that the page is done: the call is made again, and the service decides."""
        if secret is not None:
            raise Invalid([Violation("credential", "the link asks for nothing that is typed in")])
        flow = await self._flows.bind_browser(link, browser, link.expires_at)
        if not await self._authorizations.resolve(link.tenant, link.run_id, link.id, granted=True):
            raise tokens.used_link("nothing waits for this any more")
        await self._flows.end(flow.id, link)
        return await self._result(ConnectOutcome.CONNECTED, link, link.return_url)

    async def _authorize(self, flow_id: str, pending: PendingFlow, client: OAuthClient) -> str:
        """The URL of the authorization server; the browser comes back with a single-use state."""
        state = tokens.seal_state(self._sealer, pending.link.tenant, flow_id, secrets.token_urlsafe(32))
        verifier = secrets.token_urlsafe(48)
        scopes = await self._scopes(pending.link, client)
        redirect_uri = self._templates.public_url + CALLBACK
        try:
            visit = await self._oauth.authorization_request(
                client, redirect_uri=redirect_uri, state=state, verifier=verifier, scopes=scopes
            )
        except OAuthFailed as failure:
            raise _connect_failed(failure) from failure
        pending = replace(
            pending,
            verifier=verifier,
            scopes=scopes,
            redirect_uri=redirect_uri,
            issuer=visit.issuer,
            names_itself=visit.names_itself,
            server=(client.client_id, *client.server),
        )
        await self._flows.continue_with(flow_id, pending, state, status="begun")
        return visit.url

    async def finish(
        self, state: str, browser: str, response: AuthorizationResponse, *, caller: Principal | None
    ) -> ConnectResult:
        """End a flow with what the authorization server sent back; once.

        LINK_INVALID, LINK_EXPIRED, LINK_USED, CREDENTIALS_INVALID, CONNECT_FAILED, QUOTA_EXCEEDED.
        """
        tenant, flow_id = tokens.read_state(self._sealer, state)
        check_tenant(caller, tenant)
        pending = await self._flows.consume_state(tenant, flow_id, state, browser)
        _check_issuer(pending, response.issuer)
        if response.error == "access_denied":
            return await self._refuse(flow_id, pending.link)
        if response.error:
            message = f"the service answered with the error {response.error!r}"
            raise Conflict(Reason.CONNECT_FAILED, message)
        return await self._accept(flow_id, pending, await self._redeem(pending, response.code))

    async def _redeem(self, pending: PendingFlow, code: str) -> Grant:
        method = await self._methods.for_integration(pending.link.tenant, pending.link.integration_id)
        client = method.client
        if client is None or (client.client_id, *client.server) != pending.server:
            raise Conflict(Reason.CONNECT_FAILED, "the integration's OAuth client has changed; begin again")
        try:
            return await self._oauth.redeem(
                client,
                code=code,
                verifier=pending.verifier,
                redirect_uri=pending.redirect_uri,
                scopes=pending.scopes,
            )
        except OAuthFailed as failure:
            raise _connect_failed(failure) from failure

    async def refuse(self, token: str, browser: str, *, caller: Principal | None) -> ConnectResult:
        """End the flow of a link because the user refuses. Raises as `read_link`."""
        link = await self._links.read(token, caller)
        flow = await self._flows.bind_browser(link, browser, link.expires_at)
        return await self._refuse(flow.id, link)

    async def _refuse(self, flow_id: str, link: ConnectLink) -> ConnectResult:
        """Let what waits go on without: one call for a page, else all the user's runs."""
        await self._flows.end(flow_id, link)
        if link.url:
            await self._authorizations.resolve(link.tenant, link.run_id, link.id, granted=False)
        else:
            await self._authorizations.refuse(link.tenant, link.integration_id, link.user_id)
        return await self._result(ConnectOutcome.REFUSED, link, link.return_url)

    async def _accept(self, flow_id: str, pending: PendingFlow, grant: Grant) -> ConnectResult:
        """Connect the user; first ask the tenant's application who it is, where a verifier is set."""
        link = pending.link
        async with self._store.begin(link.tenant) as transaction:
            verifier_url = await transaction.tenants.verifier_url()
        if not verifier_url:
            await self._connect(flow_id, pending, grant, actor=BY_LINK)
            return await self._result(ConnectOutcome.CONNECTED, link, link.return_url)
        token = secrets.token_urlsafe(32)
        pending = replace(pending, grant=grant, verifier="", until=self._environment.now() + CONFIRM_TTL)
        await self._flows.continue_with(flow_id, pending, token, status="unconfirmed")
        joint = "&" if "?" in verifier_url else "?"
        return await self._result(
            ConnectOutcome.UNCONFIRMED, link, f"{verifier_url}{joint}flow={quote(token)}"
        )

    async def _result(self, outcome: ConnectOutcome, link: ConnectLink, return_url: str) -> ConnectResult:
        name = await self._methods.name(link.tenant, link.integration_id)
        return ConnectResult(
            outcome=outcome, integration_name=name, user_id=link.user_id, return_url=return_url
        )

    async def confirm(self, principal: Principal, token: str, user_id: str) -> tuple[Connection, str]:
        """Connect the user who finished a flow; the connection, and where the browser goes next.

        LINK_INVALID, LINK_EXPIRED, QUOTA_EXCEEDED. USER_MISMATCH: the flow was for another user, and
        nothing is kept.
        """
        principal.require(Scope.CONNECTIONS)
        flow_id, pending = await self._flows.consume_confirmation(principal.tenant, token)
        assert pending.grant is not None  # noqa: S101 (nothing else waits to be confirmed)
        link = pending.link
        if link.user_id != user_id:
            await self._flows.reject(principal, flow_id, link, user_id)
            await self._revoke(link, pending.grant)
            raise Forbidden(Reason.USER_MISMATCH, "the flow was for another user; nothing was kept")
        confirmed = AuditAction.CONNECTION_CONFIRM
        made = await self._connect(flow_id, pending, pending.grant, actor=principal.actor, action=confirmed)
        return made, link.return_url

    async def _connect(
        self,
        flow_id: str,
        pending: PendingFlow,
        grant: Grant,
        *,
        actor: str,
        action: AuditAction = AuditAction.CONNECTION_CREATE,
    ) -> Connection:
        link = pending.link
        await self._methods.current(link.tenant, link.integration_id)
        try:
            made = await self._vault.put(
                link.tenant,
                link.integration_id,
                link.user_id,
                origin=pending.origin,
                grant=grant,
                actor=actor,
                action=action,
            )
        except Exhausted:  # another was stored while the user was at the service
            await self._revoke(link, grant)
            raise
        await self._flows.end(flow_id, link)
        await self._authorizations.grant(link.tenant, link.integration_id, link.user_id)
        return made

    async def _revoke(self, link: ConnectLink, grant: Grant) -> None:
        """Revoke the tokens at the service, if it can; they are dropped here in any case."""
        try:
            method = await self._methods.for_integration(link.tenant, link.integration_id)
            if method.client is not None and isinstance(grant.secret, Tokens):
                await self._oauth.revoke(method.client, grant.secret)
        except (OAuthFailed, Refused) as failure:
            _log.warning("revocation failed", integration=link.integration_id, why=failure.message)

    async def _scopes(self, link: ConnectLink, client: OAuthClient | None) -> tuple[str, ...]:
        """The scopes to request: also those granted before, which a new grant would replace."""
        if client is None:
            return ()
        before = await self._store.connection(link.tenant, link.integration_id, link.user_id)
        granted = () if before is None or before.kind != "oauth2" else before.scopes
        return tuple(dict.fromkeys((*link.scopes, *client.scopes, *granted)))


def _check_issuer(pending: PendingFlow, issuer: str) -> None:
    """Check that the response is the server's that was asked (RFC 9207). CONNECT_FAILED."""
    if not pending.issuer:
        return
    if issuer != pending.issuer and (issuer or pending.names_itself):
        message = "the answer does not come from the authorization server that was asked"
        raise Conflict(Reason.CONNECT_FAILED, message)


def _connect_failed(failure: OAuthFailed) -> Conflict:
    return Conflict(Reason.CONNECT_FAILED, failure.message)
