"""Approval links and stream tickets: small capabilities, made when shown and never stored."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from ..domain.errors import Invalid, Reason, Unauthenticated, Violation
from ..domain.events import ApprovalRequested, Decision
from ..environment import World
from ..store.encryption import Sealer, Unsealable
from ..streams import View

_MAC: Final = 32  # bytes
TICKET_TTL: Final = 60_000  # milliseconds
_REDEEMED: Final = 100_000
_APPROVAL: Final = "approval link"
_TICKET: Final = "stream ticket"


class Pointer(Struct, frozen=True, array_like=True):
    """What an approval token points to, before it is verified."""

    tenant: str
    approval_id: str
    decision: Decision


def token(sealer: Sealer, tenant: str, request: ApprovalRequested, decision: Decision) -> str:
    """The token that decides this approval so: an HMAC over id, decision, hash and expiry."""
    pointer = msgspec.json.encode(Pointer(tenant, request.approval_id, decision))
    mac = sealer.mac(_APPROVAL, _covered(pointer, request))
    return base64.urlsafe_b64encode(mac + pointer).decode().rstrip("=")


def point(text: str) -> tuple[Pointer, bytes]:
    """What a token points to, and its code. TOKEN_INVALID: it is none of ours."""
    try:
        body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        pointer = msgspec.json.decode(body[_MAC:], type=Pointer)
        # Nobody has vouched for the pointer yet, so it names nothing but ids.
        UUID(pointer.approval_id)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise invalid_token() from error
    if not pointer.tenant.isprintable():
        raise invalid_token()
    return pointer, body[:_MAC]


def verify(sealer: Sealer, pointer: Pointer, mac: bytes, request: ApprovalRequested) -> None:
    """TOKEN_INVALID unless this token was made for this approval as it is."""
    if not sealer.verify(_APPROVAL, _covered(msgspec.json.encode(pointer), request), mac):
        raise invalid_token()


def invalid_token() -> Invalid:
    violation = Violation("token", "is not an approval token of this service")
    return Invalid([violation], reason=Reason.TOKEN_INVALID)


def _covered(pointer: bytes, request: ApprovalRequested) -> bytes:
    return pointer + f"\n{request.hash}\n{request.expires_at}".encode()


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

    def __init__(self, sealer: Sealer, world: World) -> None:
        self._sealer = sealer
        self._world = world
        self._redeemed: OrderedDict[str, int] = OrderedDict()

    def issue(self, tenant: str, run_id: str, view: View) -> tuple[str, int]:
        """A ticket, and when it expires."""
        expires_at = self._world.now() + TICKET_TTL
        ticket = Ticket(self._world.new_id(), tenant, run_id, view, expires_at)
        sealed = self._sealer.seal(msgspec.json.encode(ticket), _TICKET)
        return base64.urlsafe_b64encode(sealed).decode().rstrip("="), expires_at

    def read(self, text: str) -> Ticket:
        """What a ticket opens. TICKET_INVALID: forged, expired or redeemed before."""
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            ticket = msgspec.json.decode(self._sealer.open(sealed, _TICKET), type=Ticket)
        except (binascii.Error, ValueError, Unsealable, msgspec.DecodeError) as error:
            raise _invalid_ticket("is not a ticket of this service") from error
        self._check(ticket)
        return ticket

    def redeem(self, ticket: Ticket) -> None:
        """Take a ticket that was read, for good. TICKET_INVALID: somebody was first, or time."""
        self._check(ticket)
        self._redeemed[ticket.id] = ticket.expires_at

    def _check(self, ticket: Ticket) -> None:
        now = self._world.now()
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
