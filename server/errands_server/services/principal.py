"""Who asks: a key of a tenant, with its scopes."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from ..domain.errors import Forbidden, Reason, Unauthenticated


class Scope(StrEnum):
    RUNS_WRITE = "runs:write"
    RUNS_READ = "runs:read"
    APPROVALS = "approvals"
    INTEGRATIONS = "integrations"
    CONNECTIONS = "connections"
    ADMIN = "admin"  # one tenant
    OPERATOR = "operator"  # the instance


class Principal(Struct, frozen=True):
    """A caller. `scopes` are those of its key; `operator` and `admin` hold the lesser ones."""

    tenant: str
    key_id: str
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        return f"key:{self.key_id}"

    def may(self, scope: Scope) -> bool:
        if scope in self.scopes or Scope.OPERATOR in self.scopes:
            return True
        return scope is not Scope.OPERATOR and Scope.ADMIN in self.scopes

    def require(self, *scopes: Scope) -> None:
        """SCOPE_MISSING unless the caller has one of these scopes."""
        if not any(self.may(scope) for scope in scopes):
            wanted = " or ".join(scopes)
            message = f"this needs a key with scope {wanted}"
            raise Forbidden(Reason.SCOPE_MISSING, message, subject=wanted)


def check_tenant(caller: Principal | None, tenant: str) -> None:
    """Who holds a token needs no key, but one that is sent must be of the token's tenant.

    CREDENTIALS_INVALID.
    """
    if caller is not None and caller.tenant != tenant:
        message = "the key is of another tenant than the token"
        raise Unauthenticated(Reason.CREDENTIALS_INVALID, message)
