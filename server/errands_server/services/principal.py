"""The principal of a request: a key of a tenant, with its scopes."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from ..domain.errors import Forbidden, Reason, Unauthenticated


class Scope(StrEnum):
    """What a key may do in its tenant."""

    RUNS_WRITE = "runs:write"  # create and cancel runs
    RUNS_READ = "runs:read"  # read runs and their events
    APPROVALS = "approvals"  # see and decide approvals
    INTEGRATIONS = "integrations"  # change integrations
    CONNECTIONS = "connections"  # connect users
    ADMIN = "admin"  # everything in one tenant
    OPERATOR = "operator"  # everything in every tenant


class Principal(Struct, frozen=True):
    """A caller with a key."""

    tenant: str
    key_id: str
    scopes: frozenset[str]  # of the key; `operator` and `admin` include the lesser ones

    @property
    def actor(self) -> str:
        """The principal's name in logs of runs and in the audit."""
        return f"key:{self.key_id}"

    def may(self, scope: Scope) -> bool:
        """Whether the principal has this scope, or one that includes it."""
        if scope in self.scopes or Scope.OPERATOR in self.scopes:
            return True
        return scope is not Scope.OPERATOR and Scope.ADMIN in self.scopes

    def require(self, *scopes: Scope) -> None:
        """Check that the principal has one of these scopes. SCOPE_MISSING."""
        if not any(self.may(scope) for scope in scopes):
            wanted = " or ".join(scopes)
            message = f"this needs a key with scope {wanted}"
            raise Forbidden(Reason.SCOPE_MISSING, message, subject=wanted)


def check_tenant(caller: Principal | None, tenant: str) -> None:
    """Check that a key, if one was sent with a token, is of the token's tenant. CREDENTIALS_INVALID."""
    if caller is not None and caller.tenant != tenant:
        message = "the key is of another tenant than the token"
        raise Unauthenticated(Reason.CREDENTIALS_INVALID, message)
