"""Tokens that grant a right: approval links, connect links and stream tickets. None of them is stored."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from .. import base64url
from ..domain.errors import Conflict, Invalid, Reason, Unauthenticated, Violation
from ..domain.events import ApprovalRequested, AuthRequested, Decision
from ..environment import Environment
from ..store.encryption import Sealer, Unsealable
from ..store.store import Store
from ..streams import View
from .principal import Principal, check_tenant

_MAC: Final = 32  # bytes
TICKET_TTL: Final = 60_000  # milliseconds
_REDEEMED: Final = 100_000
_APPROVAL: Final = "approval link"
_TICKET: Final = "stream ticket"


class ApprovalPointer(Struct, frozen=True, array_like=True):
    """What an approval token points to. Unverified until `verify_approval_token`."""

    tenant: str
    approval_id: str
    decision: Decision  # that the link is for


def approval_token(sealer: Sealer, tenant: str, request: ApprovalRequested, decision: Decision) -> str:
    """The token for this decision of an approval: an HMAC over id, decision, hash and expiry."""
    pointer = msgspec.json.encode(ApprovalPointer(tenant, request.approval_id, decision))
    mac = sealer.mac(_APPROVAL, _signed_text(pointer, request))
    return base64url.encode(mac + pointer)


def read_approval_token(text: str) -> tuple[ApprovalPointer, bytes]:
    """What a token points to, and its unverified HMAC. TOKEN_INVALID: it does not parse."""
    try:
        body = base64url.decode(text)
        pointer = msgspec.json.decode(body[_MAC:], type=ApprovalPointer)
        UUID(pointer.approval_id)  # unverified: only what is an id is looked up
    except (ValueError, msgspec.DecodeError) as error:
        raise invalid_token() from error
    if not pointer.tenant.isprintable():
        raise invalid_token()
    return pointer, body[:_MAC]


def verify_approval_token(
    sealer: Sealer, pointer: ApprovalPointer, mac: bytes, request: ApprovalRequested
) -> None:
    """Check that the token was made for the approval as it is. TOKEN_INVALID."""
    if not sealer.verify(_APPROVAL, _signed_text(msgspec.json.encode(pointer), request), mac):
        raise invalid_token()


def invalid_token() -> Invalid:
    violation = Violation("token", "is not an approval token of this service")
    return Invalid([violation], reason=Reason.TOKEN_INVALID)


def _signed_text(pointer: bytes, request: ApprovalRequested) -> bytes:
    return pointer + f"\n{request.hash}\n{request.expires_at}".encode()


class LinkTemplates:
    """Makes links to approval and connect pages.

    `public_url` is the gateway's, as browsers reach it; the templates are paths with `{token}`.
    """

    def __init__(self, sealer: Sealer, public_url: str, *, approval: str, connect: str) -> None:
        self.public_url = public_url.rstrip("/")
        self._sealer = sealer
        self._approval = self.public_url + approval
        self._connect = self.public_url + connect

    def approval(self, tenant: str, request: ApprovalRequested, decision: Decision) -> str:
        """The link for this decision of an approval."""
        return self._approval.format(token=approval_token(self._sealer, tenant, request, decision))

    def connect(self, tenant: str, run_id: str, request: AuthRequested) -> str:
        """The link to what the run's user is asked for."""
        return self.connect_page(connect_token(self._sealer, tenant, run_id, request))

    def connect_page(self, token: str) -> str:
        """The link of a connect token."""
        return self._connect.format(token=token)


class Ticket(Struct, frozen=True, array_like=True):
    """The right to open one stream of one run."""

    id: str
    tenant: str
    run_id: str
    view: View  # the widest one it opens
    expires_at: int  # milliseconds since 1970, UTC
    key_id: str = ""  # of the key that asked for it; "" in tickets of an earlier release


class Tickets:
    """Makes stream tickets and redeems each once.

    Redeemed tickets are kept in this process until they expire.
    """

    def __init__(self, sealer: Sealer, environment: Environment) -> None:
        self._sealer = sealer
        self._environment = environment
        self._redeemed: OrderedDict[str, int] = OrderedDict()

    def issue(self, principal: Principal, run_id: str, view: View) -> tuple[str, int]:
        """A ticket of a principal, good no longer than its key; and when it expires (milliseconds)."""
        expires_at = self._environment.now() + TICKET_TTL
        ticket = Ticket(
            self._environment.new_id(), principal.tenant, run_id, view, expires_at, principal.key_id
        )
        sealed = self._sealer.seal(msgspec.json.encode(ticket), _TICKET)
        return base64url.encode(sealed), expires_at

    def read(self, text: str) -> Ticket:
        """What a ticket opens; it stays unredeemed. TICKET_INVALID: forged, expired or redeemed before."""
        try:
            sealed = base64url.decode(text)
            ticket = msgspec.json.decode(self._sealer.open(sealed, _TICKET), type=Ticket)
        except (ValueError, Unsealable, msgspec.DecodeError) as error:
            raise _invalid_ticket("is not a ticket of this service") from error
        self._check(ticket)
        return ticket

    def redeem(self, ticket: Ticket) -> None:
        """Redeem a ticket that was read. TICKET_INVALID: it was redeemed since, or expired."""
        self._check(ticket)
        self._redeemed[ticket.id] = ticket.expires_at

    def _check(self, ticket: Ticket) -> None:
        now = self._environment.now()
        while self._redeemed and next(iter(self._redeemed.values())) <= now:
            self._redeemed.popitem(last=False)
        if ticket.expires_at <= now:
            raise _invalid_ticket("has expired")
        if ticket.id in self._redeemed or len(self._redeemed) >= _REDEEMED:
            raise _invalid_ticket("was used before")


def _invalid_ticket(why: str) -> Unauthenticated:
    return Unauthenticated(Reason.TICKET_INVALID, f"the stream ticket {why}; ask for a new one")


LINK_TTL: Final = 3_600_000  # milliseconds
_OF_RUN: Final = "r"
_BY_ITSELF: Final = "l"
_PURPOSE: Final = "connect link"


class ConnectLink(Struct, frozen=True, kw_only=True):
    """What a link asks a user for: to connect an integration, or to do something at a page of the service."""

    tenant: str
    id: str  # of the authorization that a run waits for, or of the link itself
    integration_id: str
    user_id: str
    scopes: tuple[str, ...]
    return_url: str = ""  # where the browser goes at the end; empty for nowhere
    expires_at: int  # milliseconds since 1970, UTC
    url: str = ""  # of the service's page; empty where the user connects
    run_id: str = ""  # that waits for it; empty where none does


class _ConnectPointer(Struct, frozen=True, array_like=True):
    """Points to an authorization that a run waits for; the run's log has the rest."""

    tenant: str
    run_id: str
    authorization_id: str
    expires_at: int


def connect_token(sealer: Sealer, tenant: str, run_id: str, request: AuthRequested) -> str:
    """The token of an authorization that a run waits for; always the same."""
    pointer = msgspec.json.encode(
        _ConnectPointer(tenant, run_id, request.authorization_id, request.expires_at)
    )
    return _OF_RUN + base64url.encode(sealer.mac(_PURPOSE, pointer) + pointer)


def standalone_connect_token(sealer: Sealer, link: ConnectLink) -> str:
    """The token of a link that no run waits for."""
    return _BY_ITSELF + base64url.encode(sealer.seal(msgspec.json.encode(link), _PURPOSE))


class ConnectLinks:
    """Reads connect tokens."""

    def __init__(self, store: Store, sealer: Sealer, environment: Environment) -> None:
        self._store = store
        self._sealer = sealer
        self._environment = environment

    async def read(self, token: str, caller: Principal | None) -> ConnectLink:
        """What a link asks for. No key is needed, but one that is sent must be of the link's tenant.

        LINK_INVALID, LINK_EXPIRED, CREDENTIALS_INVALID. LINK_USED: its run no longer waits.
        """
        body = _decode(token[1:])
        if token[:1] == _BY_ITSELF:
            link = self._open(body)
        else:
            link = await self._find_authorization(self._verify(body))
        check_tenant(caller, link.tenant)
        if link.expires_at <= self._environment.now():
            raise expired_link()
        return link

    def _open(self, body: bytes) -> ConnectLink:
        try:
            return msgspec.json.decode(self._sealer.open(body, _PURPOSE), type=ConnectLink)
        except (Unsealable, msgspec.DecodeError) as error:
            raise invalid_link() from error

    def _verify(self, body: bytes) -> _ConnectPointer:
        if not self._sealer.verify(_PURPOSE, body[_MAC:], body[:_MAC]):
            raise invalid_link()
        pointer = msgspec.json.decode(body[_MAC:], type=_ConnectPointer)
        if pointer.expires_at <= self._environment.now():
            raise expired_link()
        return pointer

    async def _find_authorization(self, pointer: _ConnectPointer) -> ConnectLink:
        head = await self._store.journal.head(pointer.run_id)
        if head is None or head.tenant != pointer.tenant or head.finished_at is not None:
            raise used_link("nothing waits for this any more")
        run = await self._store.journal.fold(pointer.run_id)
        request = run.authorizations.get(pointer.authorization_id)
        if request is None:
            raise used_link("nothing waits for this any more")
        return ConnectLink(
            tenant=pointer.tenant,
            id=request.authorization_id,
            integration_id=request.integration_id,
            user_id=request.user_id,
            scopes=request.scopes,
            expires_at=request.expires_at,
            url=request.url,
            run_id=pointer.run_id,
        )


def seal_state(sealer: Sealer, tenant: str, flow_id: str, nonce: str) -> str:
    """The `state` that a browser brings back from an authorization server (RFC 6749 §10.12)."""
    return base64url.encode(sealer.seal(msgspec.json.encode((tenant, flow_id, nonce)), f"{_PURPOSE} state"))


def read_state(sealer: Sealer, text: str) -> tuple[str, str]:
    """The tenant and the id of the flow of a state. LINK_INVALID."""
    try:
        opened = sealer.open(_decode(text), f"{_PURPOSE} state")
    except Unsealable as error:
        raise invalid_link("state") from error
    tenant, flow_id, _ = msgspec.json.decode(opened, type=tuple[str, str, str])
    return tenant, str(UUID(flow_id))


def invalid_link(field: str = "token") -> Invalid:
    return Invalid([Violation(field, "is not one of this service's")], reason=Reason.LINK_INVALID)


def expired_link() -> Conflict:
    return Conflict(Reason.LINK_EXPIRED, "the link has run out; ask the application for a new one")


def used_link(why: str) -> Conflict:
    return Conflict(Reason.LINK_USED, f"{why}; ask the application for a new link")


def _decode(text: str) -> bytes:
    """The bytes of a token; none where it is not base64url, so that it does not verify."""
    try:
        return base64url.decode(text)
    except ValueError:
        return b""
