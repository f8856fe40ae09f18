"""The pre-flight of a run: whose access its planned calls would use, and which connections are missing."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from ..domain.errors import Conflict, Exhausted
from ..domain.plan import PlannedCall, preview_arguments
from ..domain.preflight import (
    MISSING,
    PASSED_THROUGH,
    MissingConnection,
    Preflight,
    PreflightCall,
    expected_approvals,
    missing_connections,
)
from ..domain.run import Run
from ..ports import CallRequest, Toolbox
from ..tools.catalog import ToolCatalog
from .connect import ConnectService
from .principal import Principal, Scope


class PreflightService:
    """Says what a planned run would need. Stores nothing and sends nothing to services."""

    def __init__(self, catalog: ToolCatalog, toolbox: Toolbox, connect: ConnectService) -> None:
        self._catalog = catalog
        self._toolbox = toolbox
        self._connect = connect

    async def preflight(self, principal: Principal, run: Run, passed_through: Collection[str]) -> Preflight:
        """The calls, missing connections and approvals of a run; empty where it has no plan.

        `passed_through`: the integrations for which the caller passes credentials through.
        """
        if run.plan is None:
            return Preflight(user_id=run.user_id)
        calls = [
            await self._preflight_call(principal.tenant, run.user_id, step.id, planned, passed_through)
            for step in run.plan.steps
            for planned in step.calls
        ]
        missing = [
            await self._missing_connection(principal, run.user_id, *one) for one in missing_connections(calls)
        ]
        return Preflight(
            user_id=run.user_id,
            calls=tuple(calls),
            missing=tuple(missing),
            approvals=tuple(expected_approvals(run.plan, run.strategy)),
        )

    async def _preflight_call(
        self, tenant: str, user_id: str, step_id: str, planned: PlannedCall, passed_through: Collection[str]
    ) -> PreflightCall:
        ref = planned.tool
        loaded, tool = await self._catalog.tool(tenant, ref)
        access = PASSED_THROUGH
        scopes: tuple[str, ...] = ()
        if ref.integration_id not in passed_through:
            request = CallRequest(
                ref=ref,
                arguments=preview_arguments(planned),
                idempotency_key="",
                user_id=user_id,
                tenant=tenant,
            )
            resolved = await self._toolbox.resolve(request)
            access = resolved.source
            if resolved.missing is not None:
                access, scopes = MISSING, resolved.missing.scopes
        return PreflightCall(
            step_id=step_id,
            tool=ref,
            integration_name=loaded.name,
            title=tool.title,
            effect=tool.effect,
            origin=tool.origin,
            access=access,
            scopes=scopes,
        )

    async def _missing_connection(
        self, principal: Principal, user_id: str, call: PreflightCall, scopes: tuple[str, ...]
    ) -> MissingConnection:
        integration_id = call.tool.integration_id
        missing = MissingConnection(
            integration_id=integration_id, integration_name=call.integration_name, scopes=scopes
        )
        if not principal.may(Scope.CONNECTIONS):
            return missing
        try:
            url, until = await self._connect.create_link(
                principal, integration_id, user_id, scopes=scopes, return_url=""
            )
        except (Conflict, Exhausted):  # nothing the user could do at a link
            return missing
        return replace(missing, url=url, expires_at=until)
