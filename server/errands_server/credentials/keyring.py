"""Finds what authenticates a call: what came with its run, the user's connection, the shared account."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from ..ports import Failed, Request, Unauthorized
from .access import Access, Demand, Source
from .credential import Credential
from .obtaining import refusal
from .passed import Passed

_UNAUTHORIZED: Final = 401


class Keyring:
    """Credentials of every tenant. They leave it for one call each and are kept nowhere else."""

    def __init__(self, passed: Passed) -> None:
        self._passed = passed

    async def missing(self, request: Request, demand: Demand) -> Unauthorized | None:
        """What the user must authorize before this call can be made. Asks nobody outside."""
        if request.ref.integration_id in request.passed:
            return None
        if demand.secured and demand.shared is None:
            return Unauthorized(message="no credential for this service")
        return None

    async def access(self, request: Request, demand: Demand) -> Access | Unauthorized | Failed:
        """What authenticates this call now, renewed where it ran out."""
        if request.ref.integration_id in request.passed:
            return await self._passed.access(request, demand)
        if (missing := await self.missing(request, demand)) is not None:
            return missing
        if demand.shared is not None:
            return Access(credential=demand.shared, source=Source.SHARED)
        return Access(credential=Credential(), source=Source.NONE)

    async def renewed(
        self, request: Request, demand: Demand, refused: Access, answer: Failed
    ) -> Access | Unauthorized | Failed | None:
        """Another try after the service refused `refused` so; None where there is none to make."""
        if refused.source is Source.RUN and answer.status == _UNAUTHORIZED:
            return await self._passed.renewed(request, demand, refused) or _spurned(answer)
        return None

    async def refused(
        self, request: Request, demand: Demand, refused: Access, answer: Failed
    ) -> Unauthorized | Failed | None:
        """What to make of it that the service refused another try, too; None where that says it all."""
        if refused.source is Source.RUN and answer.status == _UNAUTHORIZED:
            return _spurned(answer)
        return None

    async def known(self, request: Request) -> frozenset[str]:
        """Every secret that came with the request's run, for whichever integration."""
        return await self._passed.known(request)


def _spurned(answer: Failed) -> Failed:
    """The user cannot mend what the caller passed through, so nobody is asked to authorize anything."""
    message = f"what came with the run was refused: {answer.message}"
    return replace(refusal(message), status=answer.status)
