"""Lists approvals, and decides them by key or by link."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..credentials.pass_through.resolver import PassThroughResolver
from ..domain import commands, question
from ..domain.draft import Draft
from ..domain.errors import Forbidden, Invalid, NotFound, Reason, Violation
from ..domain.events import AnyEvent, ApprovalKind, ApprovalRequested, Decision
from ..environment import Environment
from ..executor import documents
from ..store.encryption import Sealer
from ..store.repositories.approvals import ApprovalRow
from ..store.store import Store
from . import tokens
from .pass_through import leaked_secrets
from .principal import Principal, Scope, check_tenant
from .run_changes import change_together

BY_LINK: Final = "link"


class DecisionRequest(Struct, frozen=True, kw_only=True):
    """A person's decision of one approval."""

    approval_id: str
    decision: Decision
    reason: str = ""
    output: bytes = b""  # JSON text; only with DONE
    values: Mapping[str, Any] | None = None  # the answer to an INPUT
    path: str = ""  # of its fields in the request, for violations; empty unless in a batch


class Approvals:
    """The approvals of all tenants, as the caller may see and decide them."""

    def __init__(
        self, store: Store, passed: PassThroughResolver, sealer: Sealer, environment: Environment
    ) -> None:
        self._store = store
        self._passed = passed
        self._sealer = sealer
        self._environment = environment

    async def page(
        self, principal: Principal, *, status: str, run_id: str, before: str, limit: int
    ) -> Sequence[ApprovalRow]:
        """Up to `limit` approvals behind `before`, newest first; "" matches every status and run."""
        principal.require(Scope.APPROVALS, Scope.RUNS_READ)
        async with self._store.begin(principal.tenant) as transaction:
            return await transaction.approvals.list(status=status, run_id=run_id, before=before, limit=limit)

    async def decide(self, principal: Principal, decisions: Sequence[DecisionRequest]) -> list[ApprovalRow]:
        """Decide approvals, all or none; return them decided, in the order given.

        FIELD_INVALID, APPROVAL_NOT_FOUND, ALREADY_DECIDED, APPROVAL_CLOSED, APPROVAL_EXPIRED.
        """
        principal.require(Scope.APPROVALS)
        return await self._decide(principal.tenant, principal.actor, decisions)

    async def get_by_token(
        self, token: str, caller: Principal | None
    ) -> tuple[ApprovalRow, Decision, tuple[Decision, ...]]:
        """The approval of a link, the decision it is for, and those it allows.

        No key is needed, but one that is sent must be of the approval's tenant.
        TOKEN_INVALID, CREDENTIALS_INVALID.
        """
        pointer, mac = tokens.read_approval_token(token)
        row = await self._find(pointer.tenant, pointer.approval_id)
        if row is None:
            raise tokens.invalid_token()
        tokens.verify_approval_token(self._sealer, pointer, mac, row.request)
        check_tenant(caller, pointer.tenant)
        both = commands.CHOICES[row.request.kind]
        allowed = both if pointer.decision is Decision.APPROVE else (Decision.DENY,)
        # The expiry is recorded by the run, a moment later.
        if row.status == "pending" and row.request.expires_at <= self._environment.now():
            row = replace(row, status="expired")
        return row, pointer.decision, allowed

    async def decide_by_token(
        self,
        token: str,
        decision: Decision | None,
        caller: Principal | None,
        values: Mapping[str, Any] | None = None,
    ) -> ApprovalRow:
        """Decide with a link: the decision it is for (None), or another one that it allows.

        `values` answer an INPUT. A caller with a key needs scope `approvals`, and is the actor.
        Raises as `decide` and `get_by_token`, and SCOPE_MISSING.
        """
        row, default, allowed = await self.get_by_token(token, caller)
        if caller is not None:
            caller.require(Scope.APPROVALS)
        chosen = decision or default
        if chosen not in allowed:
            message = f"this link only allows {', '.join(allowed)}"
            raise Forbidden(Reason.SCOPE_MISSING, message, subject=Scope.APPROVALS)
        pointer, _ = tokens.read_approval_token(token)
        request = DecisionRequest(approval_id=row.approval_id, decision=chosen, values=values)
        actor = BY_LINK if caller is None else caller.actor
        return (await self._decide(pointer.tenant, actor, [request]))[0]

    async def _decide(
        self, tenant: str, actor: str, decisions: Sequence[DecisionRequest]
    ) -> list[ApprovalRow]:
        by_run: dict[str, list[DecisionRequest]] = {}
        violations: list[Violation] = []
        for decision in decisions:
            row = await self._find(tenant, decision.approval_id)
            if row is None:
                message = f"there is no approval {decision.approval_id}"
                raise NotFound(Reason.APPROVAL_NOT_FOUND, message, subject=decision.approval_id)
            violations += _violations(decision, row.request)
            violations += await self._leaked_secrets(tenant, row.run_id, decision)
            by_run.setdefault(row.run_id, []).append(decision)
        if violations:
            raise Invalid(violations)
        changes = {run_id: _decider(group, actor) for run_id, group in by_run.items()}
        await change_together(self._store.journal, self._environment, tenant, changes)
        rows = [await self._find(tenant, decision.approval_id) for decision in decisions]
        return [row for row in rows if row is not None]

    async def _leaked_secrets(self, tenant: str, run_id: str, decision: DecisionRequest) -> list[Violation]:
        """What a person writes is stored and shown, so it must contain no secret of the run."""
        given = {
            "reason": decision.reason,
            "output_json": decision.output.decode(),
            "input_json": "" if decision.values is None else msgspec.json.encode(decision.values).decode(),
        }
        texts = {f"{decision.path}{field}": text for field, text in given.items() if text}
        return await leaked_secrets(await self._passed.read(tenant, run_id), texts) if texts else []

    async def _find(self, tenant: str, approval_id: str) -> ApprovalRow | None:
        async with self._store.begin(tenant) as transaction:
            return await transaction.approvals.find(approval_id)


def _violations(decision: DecisionRequest, request: ApprovalRequested) -> Iterator[Violation]:
    kind = request.kind
    if decision.path and kind is ApprovalKind.IN_DOUBT:
        message = "an IN_DOUBT approval is decided alone, not in a batch"
        yield Violation(f"{decision.path}approval_id", message)
    if decision.decision not in commands.CHOICES[kind]:
        choices = ", ".join(commands.CHOICES[kind])
        message = f"{decision.decision} does not fit a {kind} approval; choose one of {choices}"
        yield Violation(f"{decision.path}decision", message)
    elif request.question is not None and decision.decision is Decision.APPROVE:
        if decision.values is None:
            yield Violation(f"{decision.path}input_json", "must answer the question of the approval")
        else:
            yield from question.problems(request.question, decision.values, f"{decision.path}input_json")
    elif decision.values is not None:
        message = "goes only with approving an INPUT"
        yield Violation(f"{decision.path}input_json", message)


def _decider(decisions: Sequence[DecisionRequest], actor: str) -> Callable[[Draft], list[AnyEvent]]:
    def decide(draft: Draft) -> list[AnyEvent]:
        return [
            event
            for decision in decisions
            for event in commands.decide(
                draft.run,
                decision.approval_id,
                decision.decision,
                actor=actor,
                now=draft.now,
                reason=decision.reason,
                output=documents.keep(draft, decision.output) if decision.output else None,
                values=decision.values,
            )
        ]

    return decide
