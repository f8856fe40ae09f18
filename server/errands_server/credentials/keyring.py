"""Finds what authenticates a call: what came with its run, the user's connection, the shared account."""

from __future__ import annotations

from ..ports import Failed, Request, Unauthorized
from .access import Access, Demand, Source
from .credential import Credential


class Keyring:
    """Credentials of every tenant. They leave it for one call each and are kept nowhere else."""

    async def missing(self, request: Request, demand: Demand) -> Unauthorized | None:
        """What the user must authorize before this call can be made. Asks nobody outside."""
        if demand.secured and demand.shared is None:
            return Unauthorized(message="no credential for this service")
        return None

    async def access(self, request: Request, demand: Demand) -> Access | Unauthorized | Failed:
        """What authenticates this call now, renewed where it ran out."""
        if (missing := await self.missing(request, demand)) is not None:
            return missing
        if demand.shared is not None:
            return Access(credential=demand.shared, source=Source.SHARED)
        return Access(credential=Credential(), source=Source.NONE)

    async def renewed(
        self, request: Request, demand: Demand, refused: Access
    ) -> Access | Unauthorized | Failed | None:
        """Another try after the service refused `refused`; None where there is none to make."""
        return None
