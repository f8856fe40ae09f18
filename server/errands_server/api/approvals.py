"""ApprovalService."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from errands.v1 import approval_pb2 as pb
from errands.v1 import approval_pb2_grpc

from ..domain.errors import Reason
from ..domain.events import Decision
from ..services.approvals import Approvals, DecisionRequest
from ..services.principal import Scope
from . import enums
from .enums import APPROVAL_STATUS_OF, DECISION_OF
from .interceptor import caller, principal
from .messages import Messages
from .validation import Checks, identifier, next_token

MAX_REASON: Final = 1_000
MAX_OUTPUT: Final = 1 << 20  # bytes
MAX_INPUT: Final = 64 << 10  # bytes
MAX_TOKEN: Final = 2_048
MAX_DECISIONS: Final = 100


class ApprovalServicer(approval_pb2_grpc.ApprovalServiceServicer):
    def __init__(self, approvals: Approvals, made: Messages) -> None:
        self._approvals = approvals
        self._messages = made

    async def ListApprovals(self, request: pb.ListApprovalsRequest, context: Any) -> pb.ListApprovalsResponse:
        checks = Checks()
        size = checks.page_size(request.page_size)
        status = checks.choice("status", request.status, APPROVAL_STATUS_OF, "")
        filters = (request.status, request.run_id)
        before = checks.page_token(request.page_token, filters)
        checks.done()
        run_id = identifier(request.run_id, Reason.RUN_NOT_FOUND) if request.run_id else ""
        who = principal()
        rows = await self._approvals.page(who, status=status, run_id=run_id, before=before, limit=size + 1)
        tenant = who.tenant if who.may(Scope.APPROVALS) else ""
        more = len(rows) > size
        return pb.ListApprovalsResponse(
            approvals=[self._messages.approval_row(row, tenant=tenant) for row in rows[:size]],
            next_page_token=next_token(rows[size - 1].approval_id, filters) if more else "",
        )

    async def DecideApproval(
        self, request: pb.DecideApprovalRequest, context: Any
    ) -> pb.DecideApprovalResponse:
        rows = await self._approvals.decide(principal(), _answers([request], [""]))
        return pb.DecideApprovalResponse(approval=self._messages.approval_row(rows[0]))

    async def BatchDecideApprovals(
        self, request: pb.BatchDecideApprovalsRequest, context: Any
    ) -> pb.BatchDecideApprovalsResponse:
        checks = Checks()
        checks.count("decisions", request.decisions, least=1, most=MAX_DECISIONS)
        checks.done()
        paths = [f"decisions[{index}]." for index in range(len(request.decisions))]
        rows = await self._approvals.decide(principal(), _answers(request.decisions, paths))
        return pb.BatchDecideApprovalsResponse(approvals=[self._messages.approval_row(row) for row in rows])

    async def GetApprovalByToken(
        self, request: pb.GetApprovalByTokenRequest, context: Any
    ) -> pb.GetApprovalByTokenResponse:
        checks = Checks()
        token = checks.printable("token", request.token, most=MAX_TOKEN)
        checks.done()
        row, action, allowed = await self._approvals.by_token(token, caller().principal)
        return pb.GetApprovalByTokenResponse(
            approval=self._messages.approval_row(row),
            action=enums.DECISION[action],
            allowed=[enums.DECISION[choice] for choice in allowed],
        )

    async def DecideByToken(self, request: pb.DecideByTokenRequest, context: Any) -> pb.DecideByTokenResponse:
        checks = Checks()
        token = checks.printable("token", request.token, most=MAX_TOKEN)
        if request.decision and request.decision not in DECISION_OF:
            checks.wrong("decision", f"{request.decision} is no known value")
        values = _values(checks, "input_json", request.input_json)
        checks.done()
        decision = DECISION_OF.get(request.decision)
        row = await self._approvals.decide_by_token(token, decision, caller().principal, values)
        return pb.DecideByTokenResponse(approval=self._messages.approval_row(row))


def _answers(requests: Sequence[pb.DecideApprovalRequest], paths: Sequence[str]) -> list[DecisionRequest]:
    checks = Checks()
    answers = [_answer(checks, request, path) for request, path in zip(requests, paths, strict=True)]
    checks.done()
    identified = [
        replace(answer, approval_id=identifier(answer.approval_id, Reason.APPROVAL_NOT_FOUND))
        for answer in answers
    ]
    if len({answer.approval_id for answer in identified}) < len(identified):
        checks.wrong("decisions", "names an approval twice")
    checks.done()
    return identified


def _answer(checks: Checks, request: pb.DecideApprovalRequest, path: str) -> DecisionRequest:
    decision = checks.choice(f"{path}decision", request.decision, DECISION_OF, Decision.DENY)
    if not request.decision:
        checks.wrong(f"{path}decision", "must be set")
    checks.text(f"{path}reason", request.reason, most=MAX_REASON)
    output = b""
    if request.output_json:
        output = checks.json_text(f"{path}output_json", request.output_json, most=MAX_OUTPUT)
        if decision is not Decision.DONE:
            checks.wrong(f"{path}output_json", "goes only with DECISION_DONE")
    return DecisionRequest(
        approval_id=request.approval_id,
        decision=decision,
        reason=request.reason,
        output=output,
        values=_values(checks, f"{path}input_json", request.input_json),
        path=path,
    )


def _values(checks: Checks, field: str, text: str) -> Mapping[str, Any] | None:
    """A person's answer to a question, still to be held against it."""
    if not text:
        return None
    return checks.json_object(field, text, most=MAX_INPUT)
