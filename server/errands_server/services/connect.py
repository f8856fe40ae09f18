"""Connect flows: a link, one browser, the service's consent, and the proof of who sits there."""

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
from .connect_flows import ConnectFlowStore, Pending
from .connect_methods import ConnectMethods, check_typed
from .principal import Principal, Scope, check_tenant
from .tokens import LINK_TTL, ConnectLink, ConnectLinks, LinkTemplates


class ConnectOutcome(StrEnum):
    """How a flow ended."""

    CONNECTED = "connected"
    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"


class ConnectPrompt(Struct, frozen=True, kw_only=True):
    """What a link asks for, as its page shows it."""

    integration_name: str
    base_url: str
    user_id: str
    scopes: tuple[str, ...]
    scope_texts: Mapping[str, str]  # of those the service describes
    expires_at: int
    type: str
    keys: Mapping[str, str] = {}  # of type `apiKeys`: the names in which they are sent, by scheme
    page_url: str = ""  # of type `page`: where the service wants the user to do something


class ConnectResult(Struct, frozen=True, kw_only=True):
    """What became of a flow, and where the browser goes next; empty for nowhere."""

    outcome: ConnectOutcome
    integration_name: str
    user_id: str
    return_url: str = ""


class ConnectStep(Struct, frozen=True, kw_only=True):
    """What a browser brought back from an authorization server."""

    code: str = ""
    error: str = ""
    issuer: str = ""


STATE_TTL: Final = 900_000  # milliseconds a user may take at the service
CONFIRM_TTL: Final = 600_000  # milliseconds the application may take to say who the user is
CALLBACK: Final = "/connect/callback"

_log = structlog.get_logger("errands.connecting")


class ConnectService:
    """Leads users to connect. What each method is given proves the right to call it."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        vault: Vault,
        oauth: OAuth,
        ways: ConnectMethods,
        authorizations: Authorizations,
        environment: Environment,
        templates: LinkTemplates,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._vault = vault
        self._oauth = oauth
        self._ways = ways
        self._authorizations = authorizations
        self._environment = environment
        self._templates = templates
        self._links = ConnectLinks(store, sealer, environment)
        self._flows = ConnectFlowStore(store, sealer, environment)

    async def link(
        self,
        principal: Principal,
        integration_id: str,
        user_id: str,
        *,
        scopes: tuple[str, ...],
        return_url: str,
    ) -> tuple[str, int]:
        """A link for one user, and when it runs out.

        INTEGRATION_NOT_FOUND, CANNOT_CONNECT, QUOTA_EXCEEDED.
        """
        principal.require(Scope.CONNECTIONS)
        way = await self._ways.to(principal.tenant, integration_id)
        await self._vault.check_room(principal.tenant, integration_id, user_id)
        link = ConnectLink(
            tenant=principal.tenant,
            id=self._environment.new_id(),
            integration_id=integration_id,
            user_id=user_id,
            scopes=scopes or way.scopes,
            return_url=return_url,
            expires_at=self._environment.now() + LINK_TTL,
        )
        return self.url(tokens.standalone_connect_token(self._sealer, link)), link.expires_at

    def url(self, token: str) -> str:
        return self._templates.connect_page(token)

    async def asked(self, token: str, caller: Principal | None) -> ConnectPrompt:
        """What a link asks for. Changes nothing.

        LINK_INVALID, LINK_EXPIRED, LINK_USED, CREDENTIALS_INVALID, CANNOT_CONNECT.
        """
        link = await self._links.read(token, caller)
        await self._flows.check_open(link)
        if link.url:
            return await self._asked_to_visit(link)
        way = await self._ways.to(link.tenant, link.integration_id)
        scopes = await self._scopes(link, way.client)
        return ConnectPrompt(
            integration_name=way.name,
            base_url=way.base_url,
            user_id=link.user_id,
            scopes=scopes,
            scope_texts={name: way.scope_texts[name] for name in scopes if name in way.scope_texts},
            expires_at=link.expires_at,
            type=way.type,
            keys=way.keys,
        )

    async def _asked_to_visit(self, link: ConnectLink) -> ConnectPrompt:
        current = await self._ways.current(link.tenant, link.integration_id)
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

    async def begin(
        self, token: str, browser: str, secret: Secret | None, *, caller: Principal | None
    ) -> str | ConnectResult:
        """Where to send the browser, to which the link belongs from now on.

        Where something was typed in or done at a page, what came of it. As `asked`, and CONNECT_FAILED,
        QUOTA_EXCEEDED.
        """
        link = await self._links.read(token, caller)
        if link.url:
            return await self._visited(link, browser, secret)
        way = await self._ways.to(link.tenant, link.integration_id)
        check_typed(way, secret)
        await self._vault.check_room(link.tenant, link.integration_id, link.user_id)
        flow = await self._flows.bound(link, browser, self._environment.now() + STATE_TTL)
        pending = Pending(link=link, until=self._environment.now() + STATE_TTL, origin=way.origin)
        if secret is not None:
            return await self._agreed(flow.id, pending, Grant(secret=secret))
        assert way.client is not None  # noqa: S101 (that is the way)
        return await self._visit(flow.id, pending, way.client)

    async def _visited(self, link: ConnectLink, browser: str, secret: Secret | None) -> ConnectResult:
        """The user says that it is done: the call is made again, and the service sees for itself."""
        if secret is not None:
            raise Invalid([Violation("credential", "the link asks for nothing that is typed in")])
        flow = await self._flows.bound(link, browser, link.expires_at)
        if not await self._authorizations.resolve(link.tenant, link.run_id, link.id, granted=True):
            raise tokens.used_link("nothing waits for this any more")
        await self._flows.end(flow.id, link)
        return await self._ended(ConnectOutcome.CONNECTED, link, link.return_url)

    async def _visit(self, flow_id: str, pending: Pending, client: OAuthClient) -> str:
        """Send the browser to the service, to come back with a state that is good once."""
        state = tokens.seal_state(self._sealer, pending.link.tenant, flow_id, secrets.token_urlsafe(32))
        verifier = secrets.token_urlsafe(48)
        scopes = await self._scopes(pending.link, client)
        try:
            visit = await self._oauth.visit(
                client, redirect_uri=self._callback(), state=state, verifier=verifier, scopes=scopes
            )
        except OAuthFailed as failure:
            raise _failed(failure) from failure
        pending = replace(
            pending,
            verifier=verifier,
            scopes=scopes,
            redirect_uri=self._callback(),
            issuer=visit.issuer,
            names_itself=visit.names_itself,
            server=(client.client_id, *client.server),
        )
        await self._flows.continue_with(flow_id, pending, state, status="begun")
        return visit.url

    async def finish(
        self, state: str, browser: str, answer: ConnectStep, *, caller: Principal | None
    ) -> ConnectResult:
        """End a flow with what the service answered; once.

        LINK_INVALID, LINK_EXPIRED, LINK_USED, CREDENTIALS_INVALID, CONNECT_FAILED, QUOTA_EXCEEDED.
        """
        tenant, flow_id = tokens.read_state(self._sealer, state)
        check_tenant(caller, tenant)
        pending = await self._flows.taken(tenant, flow_id, state, browser)
        _check_issuer(pending, answer.issuer)
        if answer.error == "access_denied":
            return await self._refused(flow_id, pending.link)
        if answer.error:
            message = f"the service answered with the error {answer.error!r}"
            raise Conflict(Reason.CONNECT_FAILED, message)
        return await self._agreed(flow_id, pending, await self._redeemed(pending, answer.code))

    async def _redeemed(self, pending: Pending, code: str) -> Grant:
        way = await self._ways.to(pending.link.tenant, pending.link.integration_id)
        client = way.client
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
            raise _failed(failure) from failure

    async def refuse(self, token: str, browser: str, *, caller: Principal | None) -> ConnectResult:
        """End the flow of a link whose user wants none of it. As `asked`."""
        link = await self._links.read(token, caller)
        flow = await self._flows.bound(link, browser, link.expires_at)
        return await self._refused(flow.id, link)

    async def _refused(self, flow_id: str, link: ConnectLink) -> ConnectResult:
        """What waits for it goes on without: one call for a page, else all the user's runs."""
        await self._flows.end(flow_id, link)
        if link.url:
            await self._authorizations.resolve(link.tenant, link.run_id, link.id, granted=False)
        else:
            await self._authorizations.refuse(link.tenant, link.integration_id, link.user_id)
        return await self._ended(ConnectOutcome.REFUSED, link, link.return_url)

    async def _agreed(self, flow_id: str, pending: Pending, grant: Grant) -> ConnectResult:
        """Connect the user, if the link is proof enough; else ask the tenant's application who it is."""
        link = pending.link
        async with self._store.begin(link.tenant) as transaction:
            verifier_url = await transaction.tenants.verifier_url()
        if not verifier_url:
            await self._connect(flow_id, pending, grant, actor=BY_LINK)
            return await self._ended(ConnectOutcome.CONNECTED, link, link.return_url)
        token = secrets.token_urlsafe(32)
        pending = replace(pending, grant=grant, verifier="", until=self._environment.now() + CONFIRM_TTL)
        await self._flows.continue_with(flow_id, pending, token, status="unconfirmed")
        joint = "&" if "?" in verifier_url else "?"
        return await self._ended(
            ConnectOutcome.UNCONFIRMED, link, f"{verifier_url}{joint}flow={quote(token)}"
        )

    async def _ended(self, outcome: ConnectOutcome, link: ConnectLink, return_url: str) -> ConnectResult:
        name = await self._ways.name(link.tenant, link.integration_id)
        return ConnectResult(
            outcome=outcome, integration_name=name, user_id=link.user_id, return_url=return_url
        )

    async def confirm(self, principal: Principal, token: str, user_id: str) -> tuple[Connection, str]:
        """Say who finished a flow: the connection, and where the browser goes next.

        LINK_INVALID, LINK_EXPIRED. USER_MISMATCH: it was for another user, and nothing is kept.
        """
        principal.require(Scope.CONNECTIONS)
        flow_id, pending = await self._flows.confirmed(principal.tenant, token)
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
        pending: Pending,
        grant: Grant,
        *,
        actor: str,
        action: AuditAction = AuditAction.CONNECTION_CREATE,
    ) -> Connection:
        link = pending.link
        await self._ways.current(link.tenant, link.integration_id)
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
        except Exhausted:  # others were first while the user was at the service
            await self._revoke(link, grant)
            raise
        await self._flows.end(flow_id, link)
        await self._authorizations.grant(link.tenant, link.integration_id, link.user_id)
        return made

    async def _revoke(self, link: ConnectLink, grant: Grant) -> None:
        """As far as the service takes it: here the tokens are forgotten in any case."""
        try:
            way = await self._ways.to(link.tenant, link.integration_id)
            if way.client is not None and isinstance(grant.secret, Tokens):
                await self._oauth.revoke(way.client, grant.secret)
        except (OAuthFailed, Refused) as failure:
            _log.warning("revocation failed", integration=link.integration_id, why=failure.message)

    async def _scopes(self, link: ConnectLink, client: OAuthClient | None) -> tuple[str, ...]:
        """What to ask for: also what was granted before, which a new grant would else take away."""
        if client is None:
            return ()
        before = await self._store.connection(link.tenant, link.integration_id, link.user_id)
        granted = () if before is None or before.kind != "oauth2" else before.scopes
        return tuple(dict.fromkeys((*link.scopes, *client.scopes, *granted)))

    def _callback(self) -> str:
        return self._templates.public_url + CALLBACK


def _check_issuer(pending: Pending, issuer: str) -> None:
    """RFC 9207: an answer of another server than the one that was asked is thrown away."""
    if not pending.issuer:
        return
    if issuer != pending.issuer and (issuer or pending.names_itself):
        message = "the answer does not come from the authorization server that was asked"
        raise Conflict(Reason.CONNECT_FAILED, message)


def _failed(failure: OAuthFailed) -> Conflict:
    return Conflict(Reason.CONNECT_FAILED, failure.message)
