"""Calls a tool of whatever integration it belongs to, as the user or the account it is called for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeGuard

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..credentials.credential import Credential
from ..credentials.redaction import scrub, scrub_json, secrets_of
from ..credentials.requirements import Access, Demand, Source
from ..credentials.resolver import Keyring
from ..domain.errors import Reason, Unavailable
from ..ports import Answer, Failed, Request, Unauthorized
from .catalog import Catalogue, Current, Loaded
from .operation import Operation
from .origins import STDIO

TIMEOUT = 30.0  # seconds for one attempt
_REFUSALS = (401, 403)


class Sender(Protocol):
    """Makes one call, once, to one kind of integration. It never raises for what a service does."""

    async def send(
        self,
        operation: Operation,
        request: Request,
        *,
        credential: Credential | None,
        internal: bool,
        timeout: float,
    ) -> Answer: ...


class IntegrationToolbox:
    """A Toolbox over the catalogue. Credentials join a call here, behind its hash."""

    def __init__(self, catalogue: Catalogue, keyring: Keyring, senders: Mapping[str, Sender]) -> None:
        """`senders` by the kind of integration they call."""
        self._catalogue = catalogue
        self._keyring = keyring
        self._senders = senders
        self._shared: dict[str, _Shared] = {}

    async def missing(self, request: Request) -> Unauthorized | None:
        """What the user must authorize before this call can be made. Nothing is sent."""
        loaded, operation = await self._operation(request)
        return await self._keyring.missing(request, await self._demand(request, loaded, operation))

    async def shared(self, request: Request) -> bool:
        """Whether this call would be made with an account that serves every user. Nothing is sent."""
        loaded, operation = await self._operation(request)
        if _is_of_process(operation):
            return True
        return await self._keyring.shared(request, await self._demand(request, loaded, operation))

    async def source(self, request: Request) -> Source:
        """Whose access the call would be made with. Nothing is sent."""
        loaded, operation = await self._operation(request)
        if _is_of_process(operation):
            return Source.SHARED
        return await self._keyring.source(request, await self._demand(request, loaded, operation))

    async def call(self, request: Request) -> Answer:
        try:
            return await self._called(request)
        except Unavailable as error:  # before anything was sent, or behind a refusal
            return Failed(reason=Reason.SERVICE_UNAVAILABLE, message=error.message, transient=True)

    async def _called(self, request: Request) -> Answer:
        loaded, operation = await self._operation(request)
        demand = await self._demand(request, loaded, operation)
        access = await self._keyring.access(request, demand)
        answer = await self._made(request, loaded, operation, access)
        if not (isinstance(access, Access) and _is_refusal(answer)):
            return answer
        renewed = await self._keyring.renewed(request, demand, access, answer)
        if renewed is None:
            return answer
        again = await self._made(request, loaded, operation, renewed)
        if not (isinstance(renewed, Access) and _is_refusal(again)):
            return again
        return await self._keyring.refused(request, demand, renewed, again) or again

    async def _made(
        self,
        request: Request,
        loaded: Loaded,
        operation: Operation,
        access: Access | Unauthorized | Failed,
    ) -> Answer:
        known = await self._known(request)
        if not isinstance(access, Access):
            return replace(access, message=scrub(access.message, Credential(known=known)))
        credential = replace(access.credential, known=access.credential.known | known)
        if _holds_secret(request, credential):
            message = "An argument holds a secret of the run or an integration; nothing was sent."
            return Failed(reason=Reason.SECRET_IN_ARGUMENT, message=message)
        return await self._senders[loaded.kind].send(
            operation, request, credential=credential, internal=loaded.internal, timeout=TIMEOUT
        )

    async def _known(self, request: Request) -> frozenset[str]:
        """Secrets that may come back although this call sends none of them."""
        active = await self._catalogue.active(request.tenant)
        shared = self._shared.get(request.tenant)
        if shared is None or shared.of is not active:
            shared = self._shared[request.tenant] = _Shared.of_all(active)
        return shared.secrets | await self._keyring.known(request)

    async def _operation(self, request: Request) -> tuple[Loaded, Operation]:
        ref = request.ref
        loaded = await self._catalogue.load(request.tenant, ref.integration_id, ref.revision)
        return loaded, loaded.operations[ref.name]

    async def _demand(self, request: Request, loaded: Loaded, operation: Operation) -> Demand:
        origin = operation.tool.origin
        current = (await self._catalogue.active(request.tenant)).get(loaded.integration_id)
        # A credential belongs to the origin it was given for.
        given_here = current is not None and current.origin == origin
        return Demand(
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


def _is_refusal(answer: Answer) -> TypeGuard[Failed]:
    """Whether the service refused the credential, or what it allows."""
    return isinstance(answer, Failed) and answer.status in _REFUSALS


def _holds_secret(request: Request, credential: Credential) -> bool:
    arguments = msgspec.json.encode(request.arguments)
    return scrub_json(arguments, credential) is not arguments
