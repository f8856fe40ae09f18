"""Approvals: shown, and decided by key or by link."""

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
    """A person's decision. `output` is JSON text, only with DONE; `values` answer an INPUT.

    `path` leads to it in its request.
    """

    approval_id: str
    decision: Decision
    reason: str = ""
    output: bytes = b""
    values: Mapping[str, Any] | None = None
    path: str = ""


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
        """Newest first."""
        principal.require(Scope.APPROVALS, Scope.RUNS_READ)
        async with self._store.begin(principal.tenant) as transaction:
            return await transaction.approvals.list(status=status, run_id=run_id, before=before, limit=limit)

    async def decide(self, principal: Principal, answers: Sequence[DecisionRequest]) -> list[ApprovalRow]:
        """Decide approvals, all or none; they come back decided, in the order given.

        APPROVAL_NOT_FOUND, ALREADY_DECIDED, APPROVAL_CLOSED, APPROVAL_EXPIRED.
        """
        principal.require(Scope.APPROVALS)
        return await self._decide(principal.tenant, principal.actor, answers)

    async def by_token(
        self, token: str, caller: Principal | None
    ) -> tuple[ApprovalRow, Decision, tuple[Decision, ...]]:
        """The approval of a link, the decision it stands for, and those it allows.

        The token is the credential; a caller with a key must be of its tenant all the same.
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
        return self._by_the_clock(row), pointer.decision, allowed

    def _by_the_clock(self, row: ApprovalRow) -> ApprovalRow:
        """An approval whose time is over no longer waits, even before that is recorded."""
        over = row.status == "pending" and row.request.expires_at <= self._environment.now()
        return replace(row, status="expired") if over else row

    async def decide_by_token(
        self,
        token: str,
        decision: Decision | None,
        caller: Principal | None,
        values: Mapping[str, Any] | None = None,
    ) -> ApprovalRow:
        """Decide with a link, which stands for one decision and may allow the other.

        `values` answer an INPUT. A caller with a key needs scope `approvals`, and is the actor.
        As `decide` and `by_token`, and SCOPE_MISSING.
        """
        row, meant, allowed = await self.by_token(token, caller)
        if caller is not None:
            caller.require(Scope.APPROVALS)
        chosen = decision or meant
        if chosen not in allowed:
            message = f"this link only allows {', '.join(allowed)}"
            raise Forbidden(Reason.SCOPE_MISSING, message, subject=Scope.APPROVALS)
        pointer, _ = tokens.read_approval_token(token)
        answer = DecisionRequest(approval_id=row.approval_id, decision=chosen, values=values)
        actor = BY_LINK if caller is None else caller.actor
        return (await self._decide(pointer.tenant, actor, [answer]))[0]

    async def _decide(self, tenant: str, actor: str, answers: Sequence[DecisionRequest]) -> list[ApprovalRow]:
        by_run: dict[str, list[DecisionRequest]] = {}
        violations: list[Violation] = []
        for answer in answers:
            row = await self._find(tenant, answer.approval_id)
            if row is None:
                message = f"there is no approval {answer.approval_id}"
                raise NotFound(Reason.APPROVAL_NOT_FOUND, message, subject=answer.approval_id)
            violations += _misfits(answer, row.request)
            violations += await self._spilled(tenant, row.run_id, answer)
            by_run.setdefault(row.run_id, []).append(answer)
        if violations:
            raise Invalid(violations)
        decisions = {run_id: _decider(group, actor) for run_id, group in by_run.items()}
        await change_together(self._store.journal, self._environment, tenant, decisions)
        rows = [await self._find(tenant, answer.approval_id) for answer in answers]
        return [row for row in rows if row is not None]

    async def _spilled(self, tenant: str, run_id: str, answer: DecisionRequest) -> list[Violation]:
        """What a person writes is stored and shown, so it must hold no secret of the run."""
        given = {
            "reason": answer.reason,
            "output_json": answer.output.decode(),
            "input_json": "" if answer.values is None else msgspec.json.encode(answer.values).decode(),
        }
        texts = {f"{answer.path}{field}": text for field, text in given.items() if text}
        return await leaked_secrets(await self._passed.read(tenant, run_id), texts) if texts else []

    async def _find(self, tenant: str, approval_id: str) -> ApprovalRow | None:
        async with self._store.begin(tenant) as transaction:
            return await transaction.approvals.find(approval_id)


def _misfits(answer: DecisionRequest, request: ApprovalRequested) -> Iterator[Violation]:
    kind = request.kind
    if answer.path and kind is ApprovalKind.IN_DOUBT:
        message = "an IN_DOUBT approval is decided alone, not in a batch"
        yield Violation(f"{answer.path}approval_id", message)
    if answer.decision not in commands.CHOICES[kind]:
        choices = ", ".join(commands.CHOICES[kind])
        message = f"{answer.decision} does not fit a {kind} approval; choose one of {choices}"
        yield Violation(f"{answer.path}decision", message)
    elif request.question is not None and answer.decision is Decision.APPROVE:
        if answer.values is None:
            yield Violation(f"{answer.path}input_json", "must answer the question of the approval")
        else:
            yield from question.problems(request.question, answer.values, f"{answer.path}input_json")
    elif answer.values is not None:
        message = "goes only with approving an INPUT"
        yield Violation(f"{answer.path}input_json", message)


def _decider(answers: Sequence[DecisionRequest], actor: str) -> Callable[[Draft], list[AnyEvent]]:
    def decide(draft: Draft) -> list[AnyEvent]:
        return [
            event
            for answer in answers
            for event in commands.decide(
                draft.run,
                answer.approval_id,
                answer.decision,
                actor=actor,
                now=draft.now,
                reason=answer.reason,
                output=documents.keep(draft, answer.output) if answer.output else None,
                values=answer.values,
            )
        ]

    return decide
