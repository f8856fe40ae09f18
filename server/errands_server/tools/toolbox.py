"""Calls a tool of whatever integration it belongs to, with that integration's credential."""

from __future__ import annotations

import msgspec

from ..domain.errors import Reason
from ..ports import Answer, Failed, Request
from .catalogue import Catalogue
from .credential import Credential
from .openapi import OpenApiSender
from .scrubbing import scrub_json

TIMEOUT = 30.0  # seconds for one attempt


class IntegrationToolbox:
    """A Toolbox over the catalogue. Credentials join a call here, behind its hash."""

    def __init__(self, catalogue: Catalogue, sender: OpenApiSender) -> None:
        self._catalogue = catalogue
        self._sender = sender

    async def call(self, request: Request) -> Answer:
        ref = request.ref
        loaded = await self._catalogue.load(request.tenant, ref.integration_id, ref.revision)
        operation = loaded.operations[ref.name]
        credential = await self._credential(request.tenant, ref.integration_id, operation.tool.origin)
        if credential is not None and _holds_secret(request, credential):
            message = "An argument holds a secret of the integration; nothing was sent."
            return Failed(reason=Reason.SECRET_IN_ARGUMENT, message=message)
        return await self._sender.send(
            operation, request, credential=credential, internal=loaded.internal, timeout=TIMEOUT
        )

    async def _credential(self, tenant: str, integration_id: str, origin: str) -> Credential | None:
        """The integration's present credential, where it was given for this origin."""
        current = (await self._catalogue.active(tenant)).get(integration_id)
        return current.credential if current is not None and current.origin == origin else None


def _holds_secret(request: Request, credential: Credential) -> bool:
    arguments = msgspec.json.encode(request.arguments)
    return scrub_json(arguments, credential) is not arguments
