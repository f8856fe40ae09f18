"""State of connect flows between requests: bound to one browser, each step single-use, sealed at rest."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..credentials.grants import Grant
from ..environment import Environment
from ..store.encryption import Sealer, Unsealable
from ..store.repositories.audit import AuditAction
from ..store.repositories.flows import Flow
from ..store.store import Store
from .principal import Principal
from .tokens import ConnectLink, expired_link, invalid_link, used_link

_ELSEWHERE: Final = "the link is in use in another browser"
_DONE: Final = "the link has done its work"


class PendingFlow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the next step of a flow needs. Stored sealed, as JSON with these names."""

    link: ConnectLink
    until: int  # milliseconds; when the step expires
    origin: str  # of the service that was shown to the user
    verifier: str = ""  # PKCE (RFC 7636)
    scopes: tuple[str, ...] = ()  # that were requested
    redirect_uri: str = ""
    issuer: str = ""  # that must come back with the code (RFC 9207)
    names_itself: bool = False  # whether the server says that it always sends its issuer
    server: tuple[str, ...] = ()  # the client, and what says where its codes are redeemed
    grant: Grant | None = None  # what is to be confirmed

    def __repr__(self) -> str:
        return "Pending(...)"


class ConnectFlowStore:
    """Stores the flows of every tenant."""

    def __init__(self, store: Store, sealer: Sealer, environment: Environment) -> None:
        self._store = store
        self._sealer = sealer
        self._environment = environment

    async def check_open(self, link: ConnectLink) -> None:
        """Check that the flow of a link has not ended. LINK_USED."""
        async with self._store.begin(link.tenant) as transaction:
            flow = await transaction.flows.find_by_link(link.id)
        if flow is not None and flow.status == "ended":
            raise used_link(_DONE)

    async def bind_browser(self, link: ConnectLink, browser: str, until: int) -> Flow:
        """The flow of a link, bound to the first browser that begins it. LINK_USED: it is another's."""
        await self._store.forget_flows(self._environment.now())
        new = Flow(
            id=self._environment.new_id(),
            link_id=link.id,
            browser_hash=_hash(browser),
            expires_at=max(link.expires_at, until),
        )
        async with self._store.begin(link.tenant, writes=True) as transaction:
            if await transaction.flows.add(new):
                return new
            flow = await transaction.flows.find_by_link(link.id)
        if flow is None or not hmac.compare_digest(flow.browser_hash, new.browser_hash):
            raise used_link(_ELSEWHERE)
        if flow.status == "ended":
            raise used_link(_DONE)
        return flow

    async def continue_with(self, flow_id: str, pending: PendingFlow, token: str, *, status: str) -> None:
        """Store the next step, which this token opens once, in place of any step before. LINK_USED."""
        tenant = pending.link.tenant
        sealed = self._sealer.seal(msgspec.json.encode(pending), _place(tenant, flow_id))
        async with self._store.begin(tenant, writes=True) as transaction:
            flow = await transaction.flows.find(flow_id)
            if flow is None or flow.status == "ended":
                raise used_link(_DONE)
            kept = max(pending.until, pending.link.expires_at) if status == "begun" else pending.until
            changed = replace(flow, token_hash=_hash(token), status=status, secret=sealed, expires_at=kept)
            if not await transaction.flows.advance(changed, token_hash=flow.token_hash):
                raise used_link(_ELSEWHERE)

    async def consume_state(self, tenant: str, flow_id: str, state: str, browser: str) -> PendingFlow:
        """What a flow stored with this state, which is single-use.

        LINK_USED: the state was consumed before, or is another browser's. LINK_EXPIRED.
        """
        async with self._store.begin(tenant, writes=True) as transaction:
            flow = await transaction.flows.find(flow_id)
            if flow is None:
                raise expired_link()
            if not hmac.compare_digest(flow.browser_hash, _hash(browser)):
                raise used_link(_ELSEWHERE)
            if flow.status != "begun" or not hmac.compare_digest(flow.token_hash or b"", _hash(state)):
                raise used_link("the answer was used before")
            pending = self._open(tenant, flow)
            taken = replace(flow, token_hash=None, secret=None)
            if not await transaction.flows.advance(taken, token_hash=flow.token_hash):
                raise used_link("the answer was used before")
        if pending.until <= self._environment.now():
            raise expired_link()
        return pending

    async def consume_confirmation(self, tenant: str, token: str) -> tuple[str, PendingFlow]:
        """The id of the flow that waits for this confirmation, and what it stored; single-use.

        LINK_INVALID, LINK_EXPIRED.
        """
        async with self._store.begin(tenant, writes=True) as transaction:
            flow = await transaction.flows.find_by_token(_hash(token))
            if flow is None or flow.status != "unconfirmed":
                raise invalid_link("flow")
            pending = self._open(tenant, flow)
            taken = replace(flow, token_hash=None, secret=None)
            if not await transaction.flows.advance(taken, token_hash=flow.token_hash):
                raise invalid_link("flow")
        if pending.until <= self._environment.now():
            await self.forget(tenant, flow.id)
            raise expired_link()
        return flow.id, pending

    async def end(self, flow_id: str, link: ConnectLink) -> None:
        """End the flow, and with it its link."""
        async with self._store.begin(link.tenant, writes=True) as transaction:
            flow = await transaction.flows.find(flow_id)
            if flow is not None:
                kept = max(link.expires_at, self._environment.now())
                ended = replace(flow, token_hash=None, secret=None, status="ended", expires_at=kept)
                await transaction.flows.advance(ended, token_hash=flow.token_hash)

    async def forget(self, tenant: str, flow_id: str) -> None:
        """Delete the flow with what it stored. Its link can begin another one until it expires."""
        async with self._store.begin(tenant, writes=True) as transaction:
            await transaction.flows.delete(flow_id)

    async def reject(self, principal: Principal, flow_id: str, link: ConnectLink, user_id: str) -> None:
        """As `forget`, and audit that the flow was for another user than this one."""
        async with self._store.begin(link.tenant, writes=True) as transaction:
            await transaction.flows.delete(flow_id)
            await transaction.audit.add(
                AuditAction.CONNECTION_MISMATCH,
                actor=principal.actor,
                subject=link.integration_id,
                at=self._environment.now(),
                userId=link.user_id,
                namedUserId=user_id,
            )

    def _open(self, tenant: str, flow: Flow) -> PendingFlow:
        try:
            opened = self._sealer.open(flow.secret or b"", _place(tenant, flow.id))
        except Unsealable as error:
            raise expired_link() from error
        return msgspec.json.decode(opened, type=PendingFlow)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _place(tenant: str, flow_id: str) -> str:
    return f"tenant/{tenant}/connect_flow/{flow_id}"
