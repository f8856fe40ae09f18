"""Approval links and stream tickets: small capabilities, made when shown and never stored."""

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
    """What an approval token points to, before it is verified."""

    tenant: str
    approval_id: str
    decision: Decision


def approval_token(sealer: Sealer, tenant: str, request: ApprovalRequested, decision: Decision) -> str:
    """The token that decides this approval so: an HMAC over id, decision, hash and expiry."""
    pointer = msgspec.json.encode(ApprovalPointer(tenant, request.approval_id, decision))
    mac = sealer.mac(_APPROVAL, _covered_by_approval(pointer, request))
    return base64url.encode(mac + pointer)


def read_approval_token(text: str) -> tuple[ApprovalPointer, bytes]:
    """What a token points to, and its code. TOKEN_INVALID: it is none of ours."""
    try:
        body = base64url.decode(text)
        pointer = msgspec.json.decode(body[_MAC:], type=ApprovalPointer)
        # Nobody has vouched for the pointer yet, so it names nothing but ids.
        UUID(pointer.approval_id)
    except (ValueError, msgspec.DecodeError) as error:
        raise invalid_token() from error
    if not pointer.tenant.isprintable():
        raise invalid_token()
    return pointer, body[:_MAC]


def verify_approval_token(
    sealer: Sealer, pointer: ApprovalPointer, mac: bytes, request: ApprovalRequested
) -> None:
    """TOKEN_INVALID unless this token was made for this approval as it is."""
    if not sealer.verify(_APPROVAL, _covered_by_approval(msgspec.json.encode(pointer), request), mac):
        raise invalid_token()


def invalid_token() -> Invalid:
    violation = Violation("token", "is not an approval token of this service")
    return Invalid([violation], reason=Reason.TOKEN_INVALID)


def _covered_by_approval(pointer: bytes, request: ApprovalRequested) -> bytes:
    return pointer + f"\n{request.hash}\n{request.expires_at}".encode()


class LinkTemplates:
    """Makes the links that people follow: to an approval, and to a page where a user connects."""

    def __init__(self, sealer: Sealer, public_url: str, *, approval: str, connect: str) -> None:
        """`public_url` is how browsers reach the gateway. The templates are paths with `{token}`."""
        self.public_url = public_url.rstrip("/")
        self._sealer = sealer
        self._approval = self.public_url + approval
        self._connect = self.public_url + connect

    def approval(self, tenant: str, request: ApprovalRequested, decision: Decision) -> str:
        """The link that decides this approval so."""
        return self._approval.format(token=approval_token(self._sealer, tenant, request, decision))

    def connect(self, tenant: str, run_id: str, asked: AuthRequested) -> str:
        """The link to what the run waits for its user to do."""
        return self.connect_page(connect_token(self._sealer, tenant, run_id, asked))

    def connect_page(self, token: str) -> str:
        """The link of a connect token."""
        return self._connect.format(token=token)


class Ticket(Struct, frozen=True, array_like=True):
    """Opens one stream of one run."""

    id: str
    tenant: str
    run_id: str
    view: View
    expires_at: int


class Tickets:
    """Makes stream tickets and redeems each once.

    The redeemed ones are remembered in this process until they would have expired anyway.
    """

    def __init__(self, sealer: Sealer, environment: Environment) -> None:
        self._sealer = sealer
        self._environment = environment
        self._redeemed: OrderedDict[str, int] = OrderedDict()

    def issue(self, tenant: str, run_id: str, view: View) -> tuple[str, int]:
        """A ticket, and when it expires."""
        expires_at = self._environment.now() + TICKET_TTL
        ticket = Ticket(self._environment.new_id(), tenant, run_id, view, expires_at)
        sealed = self._sealer.seal(msgspec.json.encode(ticket), _TICKET)
        return base64url.encode(sealed), expires_at

    def read(self, text: str) -> Ticket:
        """What a ticket opens. TICKET_INVALID: forged, expired or redeemed before."""
        try:
            sealed = base64url.decode(text)
            ticket = msgspec.json.decode(self._sealer.open(sealed, _TICKET), type=Ticket)
        except (ValueError, Unsealable, msgspec.DecodeError) as error:
            raise _invalid_ticket("is not a ticket of this service") from error
        self._check(ticket)
        return ticket

    def redeem(self, ticket: Ticket) -> None:
        """Take a ticket that was read, for good. TICKET_INVALID: somebody was first, or time."""
        self._check(ticket)
        self._redeemed[ticket.id] = ticket.expires_at

    def _check(self, ticket: Ticket) -> None:
        now = self._environment.now()
        self._forget(now)
        if ticket.expires_at <= now:
            raise _invalid_ticket("has expired")
        if ticket.id in self._redeemed or len(self._redeemed) >= _REDEEMED:
            raise _invalid_ticket("was used before")

    def _forget(self, now: int) -> None:
        while self._redeemed and next(iter(self._redeemed.values())) <= now:
            self._redeemed.popitem(last=False)


def _invalid_ticket(why: str) -> Unauthenticated:
    return Unauthenticated(Reason.TICKET_INVALID, f"the stream ticket {why}; ask for a new one")


LINK_TTL: Final = 3_600_000  # milliseconds
_OF_RUN: Final = "r"
_BY_ITSELF: Final = "l"
_PURPOSE: Final = "connect link"


class ConnectLink(Struct, frozen=True, kw_only=True):
    """What a link asks for: that a user connects an integration with these scopes.

    With a `url`: that the user does something at this page of the service, for which this run waits.
    """

    tenant: str
    id: str
    integration_id: str
    user_id: str
    scopes: tuple[str, ...]
    return_url: str = ""
    expires_at: int
    url: str = ""
    run_id: str = ""


class _ConnectPointer(Struct, frozen=True, array_like=True):
    """A request for authorization in the log of a run, which says the rest and never changes."""

    tenant: str
    run_id: str
    authorization_id: str
    expires_at: int


def connect_token(sealer: Sealer, tenant: str, run_id: str, asked: AuthRequested) -> str:
    """The token that leads to what a run waits for; the same whenever it is made."""
    pointer = msgspec.json.encode(_ConnectPointer(tenant, run_id, asked.authorization_id, asked.expires_at))
    return _OF_RUN + _text(sealer.mac(_PURPOSE, pointer) + pointer)


def standalone_connect_token(sealer: Sealer, link: ConnectLink) -> str:
    """The token of a link that no run waits for."""
    return _BY_ITSELF + _text(sealer.seal(msgspec.json.encode(link), _PURPOSE))


class ConnectLinks:
    """Reads the tokens of links."""

    def __init__(self, store: Store, sealer: Sealer, environment: Environment) -> None:
        self._store = store
        self._sealer = sealer
        self._environment = environment

    async def read(self, token: str, caller: Principal | None) -> ConnectLink:
        """What a link asks for. The token is the credential; a key must be of its tenant all the same.

        LINK_INVALID, LINK_EXPIRED; LINK_USED: its run waits no more. CREDENTIALS_INVALID.
        """
        body = _bytes(token[1:])
        if token[:1] == _BY_ITSELF:
            link = self._opened(body)
        else:
            link = await self._of_run(self._verified(body))
        check_tenant(caller, link.tenant)
        if link.expires_at <= self._environment.now():
            raise expired_link()
        return link

    def _opened(self, body: bytes) -> ConnectLink:
        try:
            return msgspec.json.decode(self._sealer.open(body, _PURPOSE), type=ConnectLink)
        except (Unsealable, msgspec.DecodeError) as error:
            raise invalid_link() from error

    def _verified(self, body: bytes) -> _ConnectPointer:
        if not self._sealer.verify(_PURPOSE, body[_MAC:], body[:_MAC]):
            raise invalid_link()
        pointer = msgspec.json.decode(body[_MAC:], type=_ConnectPointer)
        if pointer.expires_at <= self._environment.now():
            raise expired_link()
        return pointer

    async def _of_run(self, pointer: _ConnectPointer) -> ConnectLink:
        head = await self._store.journal.head(pointer.run_id)
        if head is None or head.tenant != pointer.tenant or head.finished_at is not None:
            raise used_link("nothing waits for this any more")
        run = await self._store.journal.fold(pointer.run_id)
        asked = run.authorizations.get(pointer.authorization_id)
        if asked is None:
            raise used_link("nothing waits for this any more")
        return ConnectLink(
            tenant=pointer.tenant,
            id=asked.authorization_id,
            integration_id=asked.integration_id,
            user_id=asked.user_id,
            scopes=asked.scopes,
            expires_at=asked.expires_at,
            url=asked.url,
            run_id=pointer.run_id,
        )


def seal_state(sealer: Sealer, tenant: str, flow_id: str, nonce: str) -> str:
    """What a browser brings back from an authorization server (RFC 6749 §10.12)."""
    return _text(sealer.seal(msgspec.json.encode((tenant, flow_id, nonce)), f"{_PURPOSE} state"))


def read_state(sealer: Sealer, text: str) -> tuple[str, str]:
    """The tenant and the flow of a state. LINK_INVALID."""
    try:
        opened = sealer.open(_bytes(text), f"{_PURPOSE} state")
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


def _text(body: bytes) -> str:
    return base64url.encode(body)


def _bytes(text: str) -> bytes:
    try:
        return base64url.decode(text)
    except ValueError:
        return b""
