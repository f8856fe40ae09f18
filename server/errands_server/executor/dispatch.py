"""Sends calls: the last checks before a call is stored as started, and the request itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct, field

from ..domain.draft import Draft
from ..domain.effects import AskApproval
from ..domain.errors import Reason
from ..domain.events import ApprovalKind, AuthRequested, Call, CallFinished, CallStarted, Outcome
from ..domain.policy import SECOND, is_harmless
from ..domain.run import CallProgress, Run
from ..environment import Environment
from ..ports import AuthorizationRequired, CallFailed, CallOutcomeUnknown, CallResult, Toolbox
from ..tools.catalog import ToolCatalog
from .rate_limits import IntegrationLimiter
from .step import StepRunner

CALL_TIMEOUT = 60.0  # seconds; the toolbox has a shorter one of its own


async def open_gate(_: Call) -> None:
    """A gate that holds nothing back."""


class Dispatch(Struct, frozen=True, kw_only=True):
    """Sends the calls of one run. `gate` is passed between storing a call and sending it."""

    steps: StepRunner
    catalog: ToolCatalog
    toolbox: Toolbox
    environment: Environment
    gate: Callable[[Call], Awaitable[None]] = open_gate
    limits: IntegrationLimiter = field(default_factory=IntegrationLimiter)

    async def start(self, draft: Draft, call_id: str) -> Call | None:
        """Record that the call starts, and return it; or record why it does not, and return None."""
        progress = draft.run.calls[call_id]
        refusal = await self._refusal(draft, progress)
        if isinstance(refusal, CallFinished) and progress.doubt and not is_harmless(progress):
            # It will not be sent again, but an earlier attempt may have had its effect.
            doubt = AskApproval(ApprovalKind.IN_DOUBT, progress.call.step_id, (call_id,))
            self.steps.ask(draft, doubt)
            return None
        if refusal is not None:
            draft.add(refusal)
            return None
        call = progress.call
        draft.add(CallStarted(call=call, epoch=draft.run.epoch, attempt=progress.attempts + 1))
        return call

    async def send(self, call: Call, run: Run) -> CallResult:
        """Send the call, once, for at most CALL_TIMEOUT. Raises nothing for what the service does."""
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                result = await self.toolbox.call(self.steps.request(run, call))
        except TimeoutError:
            return CallOutcomeUnknown(message=f"no answer within {CALL_TIMEOUT:.0f} s")
        # A service says when it takes calls again: all calls of the integration wait for that.
        match result:
            case CallFailed(reason=Reason.SERVICE_RATE_LIMITED, retry_after=wait) if wait:
                now = self.environment.now()
                self.limits.pause(call.tool.integration_id, now + int(wait * SECOND), now=now)
        return result

    async def missing(self, call: Call, run: Run) -> AuthorizationRequired | None:
        """What the user must authorize before it can be sent."""
        return (await self.toolbox.resolve(self.steps.request(run, call))).missing

    async def _refusal(self, draft: Draft, progress: CallProgress) -> CallFinished | AuthRequested | None:
        call = progress.call
        current = (await self.catalog.active(self.steps.tenant)).get(call.tool.integration_id)
        if current is None:
            message = f"{call.integration_name} was deactivated or deleted."
            return _failed(call, Reason.INTEGRATION_INACTIVE, message)
        _, tool = await self.catalog.tool(self.steps.tenant, call.tool)
        if self.steps.hash(draft, call.id, call.tool, tool.origin, call.arguments) != call.hash:
            message = "The call is not what it was when it was proposed; nothing was sent."
            return _failed(call, Reason.ARGUMENTS_CHANGED, message)
        missing = await self.missing(call, draft.run)
        return None if missing is None else self.steps.authorization(draft, call, missing)


def _failed(call: Call, reason: Reason, message: str) -> CallFinished:
    return CallFinished(
        call_id=call.id,
        step_id=call.step_id,
        outcome=Outcome.FAILED,
        reason=reason,
        message=message,
    )
