"""Calls a tool of whatever integration it belongs to, as the user or the account it is called for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeGuard

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..credentials.credential import Credential
from ..credentials.redaction import scrub, scrub_json, secrets_of
from ..credentials.requirements import CredentialRequirement, ResolvedCredential
from ..credentials.resolver import CredentialResolver
from ..domain.errors import Reason, Unavailable
from ..ports import AuthorizationRequired, CallFailed, CallRequest, CallResult, CredentialSource, Resolved
from .catalog import Current, Loaded, ToolCatalog
from .operation import Operation
from .origins import STDIO

TIMEOUT = 30.0  # seconds for one attempt
_REFUSALS = (401, 403)


class Sender(Protocol):
    """Makes one call, once, to one kind of integration. It never raises for what a service does."""

    async def send(
        self,
        operation: Operation,
        request: CallRequest,
        *,
        credential: Credential | None,
        internal: bool,
        timeout: float,
    ) -> CallResult: ...


class IntegrationToolbox:
    """A Toolbox over the catalog. Credentials join a call here, behind its hash."""

    def __init__(
        self, catalog: ToolCatalog, credentials: CredentialResolver, senders: Mapping[str, Sender]
    ) -> None:
        """`senders` by the kind of integration they call."""
        self._catalog = catalog
        self._credentials = credentials
        self._senders = senders
        self._shared: dict[str, _Shared] = {}

    async def resolve(self, request: CallRequest, *, shared_only: bool = False) -> Resolved:
        loaded, operation = await self._operation(request)
        if _is_of_process(operation):
            return Resolved(source=CredentialSource.SHARED)
        requirement = await self._requirement(request, loaded, operation)
        return await self._credentials.resolve(request, requirement, shared_only=shared_only)

    async def call(self, request: CallRequest) -> CallResult:
        try:
            return await self._called(request)
        except Unavailable as error:  # before anything was sent, or behind a refusal
            return CallFailed(reason=Reason.SERVICE_UNAVAILABLE, message=error.message, transient=True)

    async def _called(self, request: CallRequest) -> CallResult:
        loaded, operation = await self._operation(request)
        requirement = await self._requirement(request, loaded, operation)
        access = await self._credentials.obtain(request, requirement)
        answer = await self._made(request, loaded, operation, access)
        if not (isinstance(access, ResolvedCredential) and _is_refusal(answer)):
            return answer
        renewed = await self._credentials.replace_refused(request, requirement, access, answer)
        if renewed is None:
            return answer
        again = await self._made(request, loaded, operation, renewed)
        if not (isinstance(renewed, ResolvedCredential) and _is_refusal(again)):
            return again
        return await self._credentials.map_refusal(request, requirement, renewed, again) or again

    async def _made(
        self,
        request: CallRequest,
        loaded: Loaded,
        operation: Operation,
        access: ResolvedCredential | AuthorizationRequired | CallFailed,
    ) -> CallResult:
        known = await self._known(request)
        if not isinstance(access, ResolvedCredential):
            return replace(access, message=scrub(access.message, Credential(known=known)))
        credential = replace(access.credential, known=access.credential.known | known)
        if _holds_secret(request, credential):
            message = "An argument holds a secret of the run or an integration; nothing was sent."
            return CallFailed(reason=Reason.SECRET_IN_ARGUMENT, message=message)
        return await self._senders[loaded.kind].send(
            operation, request, credential=credential, internal=loaded.internal, timeout=TIMEOUT
        )

    async def _known(self, request: CallRequest) -> frozenset[str]:
        """Secrets that may come back although this call sends none of them."""
        active = await self._catalog.active(request.tenant)
        shared = self._shared.get(request.tenant)
        if shared is None or shared.of is not active:
            shared = self._shared[request.tenant] = _Shared.of_all(active)
        return shared.secrets | await self._credentials.find_secrets(request)

    async def _operation(self, request: CallRequest) -> tuple[Loaded, Operation]:
        ref = request.ref
        loaded = await self._catalog.load(request.tenant, ref.integration_id, ref.revision)
        return loaded, loaded.operations[ref.name]

    async def _requirement(
        self, request: CallRequest, loaded: Loaded, operation: Operation
    ) -> CredentialRequirement:
        origin = operation.tool.origin
        current = (await self._catalog.active(request.tenant)).get(loaded.integration_id)
        # A credential belongs to the origin it was given for.
        given_here = current is not None and current.origin == origin
        return CredentialRequirement(
            origin=origin,
            internal=loaded.internal,
            secured=operation.tool.secured or request.challenged,
            security=operation.security,
            scopes=operation.scopes,
            schemes=loaded.schemes,
            shared=current.credential if current is not None and given_here else None,
            client=None if current is None else current.client,
        )


class _Shared(Struct, frozen=True):
    """The secrets of a tenant's shared accounts and OAuth clients."""

    of: Mapping[str, Current]
    secrets: frozenset[str]

    @classmethod
    def of_all(cls, active: Mapping[str, Current]) -> _Shared:
        credentials = [current.credential for current in active.values() if current.credential is not None]
        clients = [current.client.client_secret for current in active.values() if current.client is not None]
        known = Credential(known=frozenset(clients))
        return cls(active, frozenset().union(*map(secrets_of, (known, *credentials))))


def _is_of_process(operation: Operation) -> bool:
    """Whether a process carries it out, which has what its operator gave it: one account for all."""
    return operation.tool.origin.startswith(STDIO)


def _is_refusal(answer: CallResult) -> TypeGuard[CallFailed]:
    """Whether the service refused the credential, or what it allows."""
    return isinstance(answer, CallFailed) and answer.status in _REFUSALS


def _holds_secret(request: CallRequest, credential: Credential) -> bool:
    arguments = msgspec.json.encode(request.arguments)
    return scrub_json(arguments, credential) is not arguments
