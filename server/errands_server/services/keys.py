"""API keys: creates, lists, revokes and authenticates them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from ..domain.errors import Forbidden, NotFound, Reason, Unauthenticated
from ..environment import Environment
from ..store.repositories.audit import AuditAction
from ..store.repositories.keys import Key
from ..store.store import Store
from .principal import Principal, Scope

_CACHED: Final = 10_000  # keys
_TTL: Final = 5_000  # milliseconds another process may take to notice a revocation

DEFAULT_TENANT: Final = "default"
_PROCESS: Final = "process"  # the id of the key that the process was started with


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret. SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()


def invalid_key() -> Unauthenticated:
    """The refusal of a key."""
    return Unauthenticated(Reason.CREDENTIALS_INVALID, "the API key is unknown, revoked or expired")


class Keys:
    """The keys of all tenants, as the caller may see and change them."""

    def __init__(self, store: Store, environment: Environment, *, process_secret: str = "") -> None:
        self._store = store
        self._environment = environment
        self._known: OrderedDict[bytes, tuple[int, Key]] = OrderedDict()
        self._looked_at: OrderedDict[Principal, tuple[int, Key | None]] = OrderedDict()
        self._revoked = asyncio.Event()
        self._process = hash_secret(process_secret) if process_secret else b""

    async def authenticate(self, secret: str) -> Principal:
        """The principal of a secret. CREDENTIALS_INVALID: unknown, revoked or expired.

        Hashes are compared, so the time it takes does not depend on the secret.
        """
        hashed = hash_secret(secret)
        if self._process and secrets.compare_digest(hashed, self._process):
            return Principal(DEFAULT_TENANT, _PROCESS, frozenset({Scope.OPERATOR}))
        key = await self._find(hashed)
        if key is None or self._has_expired(key):
            raise invalid_key()
        return Principal(key.tenant, key.id, key.scopes)

    async def check(self, principal: Principal) -> Key | None:
        """The key of a principal that was authenticated before; None where that has no end: for the key of
        the process, and for a ticket of an earlier release, which names no key.

        CREDENTIALS_INVALID: it was revoked or has expired since.
        """
        if principal.key_id in (_PROCESS, ""):
            return None
        key = await self._look_again(principal)
        if key is None or self._has_expired(key):
            raise invalid_key()
        return key

    async def _look_again(self, principal: Principal) -> Key | None:
        now = self._environment.now()
        known = self._looked_at.get(principal)
        if known is not None and 0 <= now - known[0] < _TTL:
            return known[1]
        looked_at = self._looked_at
        key = await self._store.key_by_id(principal.tenant, principal.key_id)
        looked_at.pop(principal, None)  # as in `_find`
        looked_at[principal] = (now, key)
        if len(looked_at) > _CACHED:
            looked_at.popitem(last=False)
        return key

    def _has_expired(self, key: Key) -> bool:
        return key.expires_at is not None and key.expires_at <= self._environment.now()

    async def wait_for_revocation(self, seconds: float) -> None:
        """Wait until a key is revoked in this process, for at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._revoked.wait()
        self._revoked.clear()

    async def _find(self, hashed: bytes) -> Key | None:
        now = self._environment.now()
        remembered = self._known
        known = remembered.get(hashed)
        if known is not None and now - known[0] < _TTL:
            return known[1]
        key = await self._store.key(hashed)
        # `revoke` replaces `_known`: what was read before it is then kept in a cache that is dropped.
        remembered.pop(hashed, None)
        if key is not None:
            remembered[hashed] = (now, key)
            if len(remembered) > _CACHED:
                remembered.popitem(last=False)
        return key

    async def create(
        self,
        principal: Principal,
        *,
        name: str,
        scopes: frozenset[Scope],
        expires_at: int | None,
        tenant: str = "",
    ) -> tuple[Key, str]:
        """A new key and its secret, which is not stored. SCOPE_MISSING: it has a scope the caller lacks."""
        principal.require(Scope.ADMIN)
        if tenant and tenant != principal.tenant:
            principal.require(Scope.OPERATOR)
        for scope in scopes:
            if not principal.may(scope):
                message = f"you cannot grant {scope}, which your key lacks"
                raise Forbidden(Reason.SCOPE_MISSING, message, subject=scope)
        return await self.issue(
            tenant or principal.tenant,
            name=name,
            scopes=scopes,
            expires_at=expires_at,
            actor=principal.actor,
        )

    async def issue(
        self,
        tenant: str,
        *,
        name: str,
        scopes: frozenset[Scope],
        expires_at: int | None = None,
        actor: str = "server",
    ) -> tuple[Key, str]:
        """A new key and its secret; no scope is asked for. The server makes its first key so."""
        secret = f"ek_{secrets.token_urlsafe(32)}"
        key = Key(
            id=self._environment.new_id(),
            tenant=tenant,
            name=name,
            scopes=frozenset(str(scope) for scope in scopes),
            created_at=self._environment.now(),
            expires_at=expires_at,
        )
        async with self._store.begin(tenant, writes=True) as transaction:
            await transaction.keys.add(key, hash_secret(secret))
            await transaction.audit.add(
                AuditAction.KEY_CREATE,
                actor=actor,
                subject=key.id,
                at=key.created_at,
                name=name,
                scopes=sorted(key.scopes),
                expiresAt=expires_at,
            )
        return key, secret

    async def page(self, principal: Principal, *, before: str, limit: int) -> Sequence[Key]:
        """Up to `limit` keys behind `before`, newest first."""
        principal.require(Scope.ADMIN)
        async with self._store.begin(principal.tenant) as transaction:
            return await transaction.keys.list(before=before, limit=limit)

    async def revoke(self, principal: Principal, key_id: str) -> None:
        """Revoke a key. Other processes notice within 5 seconds. KEY_NOT_FOUND."""
        principal.require(Scope.ADMIN)
        now = self._environment.now()
        async with self._store.begin(principal.tenant, writes=True) as transaction:
            if not await transaction.keys.revoke(key_id, now):
                raise NotFound(Reason.KEY_NOT_FOUND, f"there is no key {key_id}", subject=key_id)
            await transaction.audit.add(AuditAction.KEY_REVOKE, actor=principal.actor, subject=key_id, at=now)
        self._known = OrderedDict()
        self._looked_at = OrderedDict()
        self._revoked.set()
