"""The Toolbox over integrations of every kind: adds the credential to a call, and sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeGuard

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from ..credentials.credential import Credential
from ..credentials.redaction import scrub, scrub_json, secrets_of
from ..credentials.requirements import CredentialRequirement, ResolvedCredential
from ..credentials.resolver import CredentialResolver
from ..domain.errors import Reason, Unavailable
from ..ports import AuthorizationRequired, CallFailed, CallRequest, CallResult, CredentialSource, Resolved
from .attempt import Attempt, place_of
from .catalog import ActiveIntegration, LoadedRevision, ToolCatalog
from .operation import Operation
from .origins import STDIO

TIMEOUT = 30.0  # seconds for one attempt
_REFUSALS = (401, 403)
_log = structlog.get_logger("errands.tools")


class Sender(Protocol):
    """Makes one call, once, to integrations of one kind, and notes in `attempt` how far it came.

    Whatever the service is known to do is a result. What is raised becomes one in the toolbox.
    """

    async def send(
        self,
        operation: Operation,
        request: CallRequest,
        *,
        credential: Credential | None,
        internal: bool,
        timeout: float,
        attempt: Attempt,
    ) -> CallResult: ...


class IntegrationToolbox:
    """A Toolbox over the catalog. Credentials are added here, after a call was hashed and approved."""

    def __init__(
        self, catalog: ToolCatalog, credentials: CredentialResolver, senders: Mapping[str, Sender]
    ) -> None:
        """`senders` are by the kind of integration."""
        self._catalog = catalog
        self._credentials = credentials
        self._senders = senders
        self._shared: dict[str, _SharedSecrets] = {}

    async def resolve(self, request: CallRequest, *, shared_only: bool = False) -> Resolved:
        loaded, operation = await self._operation(request)
        if operation.tool.origin.startswith(STDIO):  # a process has one account for all users
            return Resolved(source=CredentialSource.SHARED)
        requirement = await self._requirement(request, loaded, operation)
        return await self._credentials.resolve(request, requirement, shared_only=shared_only)

    async def call(self, request: CallRequest) -> CallResult:
        attempt = Attempt()
        try:
            loaded, operation = await self._operation(request)
        except Unavailable as error:
            return attempt.result_of(error)
        # The one place where exceptions become results, whatever a service answered to whom.
        try:
            return await self._call(request, loaded, operation, attempt)
        except Exception as error:
            result, place, kind = attempt.result_of(error), place_of(error), type(error).__name__
        _log.error(
            "a call ended in a fault", run_id=request.run_id, tool=request.ref.name, at=place, kind=kind
        )
        return result

    async def _call(
        self, request: CallRequest, loaded: LoadedRevision, operation: Operation, attempt: Attempt
    ) -> CallResult:
        """Send the call, and again with a fresh credential where the service refused the first."""
        requirement = await self._requirement(request, loaded, operation)
        access = await self._credentials.obtain(request, requirement)
        result = await self._send(request, loaded, operation, access, attempt)
        if not (isinstance(access, ResolvedCredential) and _is_refusal(result)):
            return result
        attempt.sent = False  # the service refused it
        renewed = await self._credentials.replace_refused(request, requirement, access, result)
        if renewed is None:
            return result
        second = await self._send(request, loaded, operation, renewed, attempt)
        if not (isinstance(renewed, ResolvedCredential) and _is_refusal(second)):
            return second
        attempt.sent = False
        return await self._credentials.map_refusal(request, requirement, renewed, second) or second

    async def _send(
        self,
        request: CallRequest,
        loaded: LoadedRevision,
        operation: Operation,
        access: ResolvedCredential | AuthorizationRequired | CallFailed,
        attempt: Attempt,
    ) -> CallResult:
        known = await self._known_secrets(request)
        if not isinstance(access, ResolvedCredential):
            return replace(access, message=scrub(access.message, Credential(known=known)))
        credential = replace(access.credential, known=access.credential.known | known)
        arguments = msgspec.json.encode(request.arguments)
        if scrub_json(arguments, credential) is not arguments:
            message = "An argument holds a secret of the run or an integration; nothing was sent."
            return CallFailed(reason=Reason.SECRET_IN_ARGUMENT, message=message)
        return await self._senders[loaded.kind].send(
            operation,
            request,
            credential=credential,
            internal=loaded.internal,
            timeout=TIMEOUT,
            attempt=attempt,
        )

    async def _known_secrets(self, request: CallRequest) -> frozenset[str]:
        """Secrets that a result may hold although this call sends none of them."""
        active = await self._catalog.active(request.tenant)
        shared = self._shared.get(request.tenant)
        if shared is None or shared.active is not active:
            shared = self._shared[request.tenant] = _SharedSecrets.of(active)
        return shared.secrets | await self._credentials.find_secrets(request)

    async def _operation(self, request: CallRequest) -> tuple[LoadedRevision, Operation]:
        ref = request.ref
        loaded = await self._catalog.load(request.tenant, ref.integration_id, ref.revision)
        return loaded, loaded.operations[ref.name]

    async def _requirement(
        self, request: CallRequest, loaded: LoadedRevision, operation: Operation
    ) -> CredentialRequirement:
        origin = operation.tool.origin
        current = (await self._catalog.active(request.tenant)).get(loaded.integration_id)
        # A credential is sent to no other origin than the one it was given for.
        same_origin = current is not None and current.origin == origin
        return CredentialRequirement(
            origin=origin,
            internal=loaded.internal,
            secured=operation.tool.secured or request.challenged,
            security=operation.security,
            scopes=operation.scopes,
            schemes=loaded.schemes,
            shared=current.credential if current is not None and same_origin else None,
            client=None if current is None else current.client,
        )


class _SharedSecrets(Struct, frozen=True):
    """The secrets of a tenant's shared accounts and OAuth clients."""

    active: Mapping[str, ActiveIntegration]  # that they were collected from
    secrets: frozenset[str]

    @classmethod
    def of(cls, active: Mapping[str, ActiveIntegration]) -> _SharedSecrets:
        credentials = [current.credential for current in active.values() if current.credential is not None]
        clients = [current.client.client_secret for current in active.values() if current.client is not None]
        known = Credential(known=frozenset(clients))
        return cls(active, frozenset().union(*map(secrets_of, (known, *credentials))))


def _is_refusal(result: CallResult) -> TypeGuard[CallFailed]:
    """Whether the service refused the credential, or what it permits."""
    return isinstance(result, CallFailed) and result.status in _REFUSALS
