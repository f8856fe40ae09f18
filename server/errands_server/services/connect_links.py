"""Connect links: each leads one user to one integration. Made when shown, and stored nowhere."""

from __future__ import annotations

import base64
import binascii
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from ..domain.errors import Conflict, Invalid, Reason, Violation
from ..domain.events import AuthRequested
from ..environment import World
from ..store.encryption import Sealer, Unsealable
from ..store.store import Store
from .principal import Principal, check_tenant

TTL: Final = 3_600_000  # milliseconds
_MAC: Final = 32  # bytes
_OF_RUN: Final = "r"
_BY_ITSELF: Final = "l"
_PURPOSE: Final = "connect link"


class Link(Struct, frozen=True, kw_only=True):
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


class _Pointer(Struct, frozen=True, array_like=True):
    """A request for authorization in the log of a run, which says the rest and never changes."""

    tenant: str
    run_id: str
    authorization_id: str
    expires_at: int


def of_run(sealer: Sealer, tenant: str, run_id: str, asked: AuthRequested) -> str:
    """The token that leads to what a run waits for; the same whenever it is made."""
    pointer = msgspec.json.encode(_Pointer(tenant, run_id, asked.authorization_id, asked.expires_at))
    return _OF_RUN + _text(sealer.mac(_PURPOSE, pointer) + pointer)


def by_itself(sealer: Sealer, link: Link) -> str:
    """The token of a link that no run waits for."""
    return _BY_ITSELF + _text(sealer.seal(msgspec.json.encode(link), _PURPOSE))


class ConnectLinks:
    """Reads the tokens of links."""

    def __init__(self, store: Store, sealer: Sealer, world: World) -> None:
        self._store = store
        self._sealer = sealer
        self._world = world

    async def read(self, token: str, caller: Principal | None) -> Link:
        """What a link asks for. The token is the credential; a key must be of its tenant all the same.

        LINK_INVALID, LINK_EXPIRED; LINK_USED: its run waits no more. CREDENTIALS_INVALID.
        """
        body = _bytes(token[1:])
        if token[:1] == _BY_ITSELF:
            link = self._opened(body)
        else:
            link = await self._of_run(self._verified(body))
        check_tenant(caller, link.tenant)
        if link.expires_at <= self._world.now():
            raise expired()
        return link

    def _opened(self, body: bytes) -> Link:
        try:
            return msgspec.json.decode(self._sealer.open(body, _PURPOSE), type=Link)
        except (Unsealable, msgspec.DecodeError) as error:
            raise invalid() from error

    def _verified(self, body: bytes) -> _Pointer:
        if not self._sealer.verify(_PURPOSE, body[_MAC:], body[:_MAC]):
            raise invalid()
        pointer = msgspec.json.decode(body[_MAC:], type=_Pointer)
        if pointer.expires_at <= self._world.now():
            raise expired()
        return pointer

    async def _of_run(self, pointer: _Pointer) -> Link:
        head = await self._store.journal.head(pointer.run_id)
        if head is None or head.tenant != pointer.tenant or head.finished_at is not None:
            raise used("nothing waits for this any more")
        run = await self._store.journal.fold(pointer.run_id)
        asked = run.authorizations.get(pointer.authorization_id)
        if asked is None:
            raise used("nothing waits for this any more")
        return Link(
            tenant=pointer.tenant,
            id=asked.authorization_id,
            integration_id=asked.integration_id,
            user_id=asked.user_id,
            scopes=asked.scopes,
            expires_at=asked.expires_at,
            url=asked.url,
            run_id=pointer.run_id,
        )


def state(sealer: Sealer, tenant: str, flow_id: str, nonce: str) -> str:
    """What a browser brings back from an authorization server (RFC 6749 §10.12)."""
    return _text(sealer.seal(msgspec.json.encode((tenant, flow_id, nonce)), f"{_PURPOSE} state"))


def read_state(sealer: Sealer, text: str) -> tuple[str, str]:
    """The tenant and the flow of a state. LINK_INVALID."""
    try:
        opened = sealer.open(_bytes(text), f"{_PURPOSE} state")
    except Unsealable as error:
        raise invalid("state") from error
    tenant, flow_id, _ = msgspec.json.decode(opened, type=tuple[str, str, str])
    return tenant, str(UUID(flow_id))


def invalid(field: str = "token") -> Invalid:
    return Invalid([Violation(field, "is not one of this service's")], reason=Reason.LINK_INVALID)


def expired() -> Conflict:
    return Conflict(Reason.LINK_EXPIRED, "the link has run out; ask the application for a new one")


def used(why: str) -> Conflict:
    return Conflict(Reason.LINK_USED, f"{why}; ask the application for a new link")


def _text(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
