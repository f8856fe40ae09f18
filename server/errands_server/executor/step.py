"""What a run decides by itself: the calls its steps propose, and what people are asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..domain import approval, procedure
from ..domain.draft import Draft
from ..domain.effects import AskApproval, GiveUp, SkipStep
from ..domain.errors import Reason
from ..domain.events import (
    ApprovalKind,
    ApprovalRequested,
    AuthRequested,
    Call,
    CallFinished,
    CallsProposed,
    Outcome,
    StepFinished,
    StepStarted,
)
from ..domain.plan import PlannedCall, preview_arguments
from ..domain.policy import APPROVAL_TTL, AUTHORIZATION_TTL
from ..domain.run import Run
from ..domain.tool import ToolRef
from ..environment import Environment
from ..ports import AuthorizationRequired, CallRequest, InputRequired, Toolbox
from ..tools.catalog import ToolCatalog


class StepRunner(Struct, frozen=True, kw_only=True):
    """Runs the steps of one run: proposes their calls, and asks people what is to be asked."""

    tenant: str
    run_id: str
    catalog: ToolCatalog
    toolbox: Toolbox
    environment: Environment

    async def think(self, draft: Draft, step_id: str, outputs: Mapping[str, Any]) -> None:
        """Start the step, propose its calls or finish it. `outputs`: by step id, those its slots read."""
        step = draft.run.steps[step_id]
        if not step.started:
            draft.add(StepStarted(step_id=step_id, text=step.step.description))
        action = procedure.next_action(draft.run, step_id, outputs)
        if isinstance(action, procedure.Proposal):
            calls = [await self._call(draft, step_id, call, bound) for call, bound in action.calls]
            draft.add(CallsProposed(step_id=step_id, calls=tuple(calls)))
        else:
            draft.add(
                StepFinished(step_id=step_id, outcome=action.outcome, text=action.text, reason=action.reason)
            )

    async def _call(
        self, draft: Draft, step_id: str, planned: PlannedCall, arguments: dict[str, Any]
    ) -> Call:
        described = await self._described(draft, step_id, planned.tool, arguments)
        call_id = self.environment.new_id()
        return replace(
            described,
            id=call_id,
            key=call_id,
            hash=self.hash(draft, call_id, planned.tool, described.origin, arguments),
            planned=approval.covers(draft.run.steps[step_id].step, planned.tool, arguments),
        )

    def hash(
        self, draft: Draft, call_id: str, ref: ToolRef, origin: str, arguments: Mapping[str, Any]
    ) -> str:
        """What an approval of this call covers."""
        return approval.call_hash(
            run_id=self.run_id,
            call_id=call_id,
            tool=ref,
            origin=origin,
            arguments=arguments,
            user_id=draft.run.user_id,
        )

    def skip(self, draft: Draft, effect: SkipStep) -> None:
        text = "A step it depends on was not done."
        draft.add(
            StepFinished(
                step_id=effect.step_id,
                outcome=Outcome.SKIPPED,
                text=text,
                reason=Reason.DEPENDENCY_FAILED,
            )
        )

    def give_up(self, draft: Draft, effect: GiveUp) -> None:
        progress = draft.run.calls[effect.call_id]
        draft.add(
            CallFinished(
                call_id=effect.call_id,
                step_id=progress.call.step_id,
                outcome=Outcome.FAILED,
                reason=Reason.SERVICE_UNAVAILABLE,
                message=progress.message,
            )
        )

    def ask(self, draft: Draft, effect: AskApproval) -> None:
        """Ask a person about calls, with everything the decision covers."""
        calls = tuple(draft.run.calls[call_id].call for call_id in effect.call_ids)
        self._request(
            draft,
            kind=effect.kind,
            step_id=effect.step_id,
            text=_question(draft, effect),
            calls=calls,
            hash=approval.calls_hash(calls),
        )

    def ask_input(self, draft: Draft, call: Call, answer: InputRequired) -> None:
        """Ask a person what the service wants to know before it does the call."""
        question = replace(answer.question, said=answer.message)
        self._request(
            draft,
            kind=ApprovalKind.INPUT,
            step_id=call.step_id,
            text=f"{call.title or call.tool.name} ({call.integration_name}) asks: {question.message}",
            calls=(call,),
            question=question,
            resume=answer.resume,
            hash=approval.question_hash(call, question),
        )

    def _request(self, draft: Draft, **asked: Any) -> None:
        """Ask for an approval; `asked` is what ApprovalRequested says of it."""
        draft.add(
            ApprovalRequested(
                approval_id=self.environment.new_id(),
                user_id=draft.run.user_id,
                expires_at=draft.now + APPROVAL_TTL,
                **asked,
            )
        )

    def authorization(self, draft: Draft, call: Call, missing: AuthorizationRequired) -> AuthRequested:
        """What the user is asked to authorize before this call can be made."""
        return AuthRequested(
            authorization_id=self.environment.new_id(),
            integration_id=call.tool.integration_id,
            integration_name=call.integration_name,
            user_id=draft.run.user_id,
            scopes=missing.scopes,
            call_ids=(call.id,),
            expires_at=draft.now + AUTHORIZATION_TTL,
            lasting=missing.lasting,
            url=missing.url,
            resume=missing.resume,
        )

    async def ask_plan(self, draft: Draft) -> None:
        """Ask a person about the plan, with every call it announces."""
        plan = draft.run.plan
        assert plan is not None  # noqa: S101 (there is no such effect without a plan)
        preview = [await self._preview(draft, step.id, call) for step in plan.steps for call in step.calls]
        self._request(
            draft,
            kind=ApprovalKind.PLAN,
            text=f"Carry out this plan? {plan.description}",
            preview=tuple(preview),
            hash=draft.run.plan_hash,
        )

    async def _preview(self, draft: Draft, step_id: str, planned: PlannedCall) -> Call:
        return await self._described(draft, step_id, planned.tool, preview_arguments(planned))

    async def _described(self, draft: Draft, step_id: str, ref: ToolRef, arguments: dict[str, Any]) -> Call:
        """A call with all that is known of its tool, and nothing yet that identifies it."""
        loaded, tool = await self.catalog.tool(self.tenant, ref)
        call = Call(
            id="",
            step_id=step_id,
            tool=ref,
            integration_name=loaded.name,
            title=tool.title,
            effect=tool.effect,
            repeat=tool.repeat,
            method=tool.method,
            origin=tool.origin,
            path=tool.path,
            arguments=arguments,
            key="",
            hash="",
        )
        resolved = await self.toolbox.resolve(self.request(draft.run, call), shared_only=True)
        return replace(call, shared=resolved.shared)

    def request(self, run: Run, call: Call) -> CallRequest:
        """The call, ready to be sent."""
        progress = run.calls.get(call.id)
        asked = run.authorizations.values()
        return CallRequest(
            ref=call.tool,
            arguments=call.arguments,
            idempotency_key=call.key,
            user_id=run.user_id,
            tenant=self.tenant,
            run_id=self.run_id,
            traceparent=run.traceparent,
            passed=run.passed,
            pages=() if progress is None else progress.pages,
            inputs=() if progress is None else progress.inputs,
            resume="" if progress is None else progress.resume,
            challenged=any(call.id in one.call_ids and not one.url for one in asked),
        )


def _question(draft: Draft, effect: AskApproval) -> str:
    progress = draft.run.calls[effect.call_ids[0]]
    title = progress.call.title or progress.call.tool.name
    where = progress.call.integration_name
    if effect.kind is ApprovalKind.IN_DOUBT:
        why = progress.message.rstrip(".")
        return f"{title} ({where}) was sent and its outcome is not known: {why}."
    more = f" and {len(effect.call_ids) - 1} more calls" if len(effect.call_ids) > 1 else ""
    return f"{title} ({where}){more}?"
