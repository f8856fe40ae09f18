"""ApprovalService."""

from __future__ import annotations

from typing import Any, Final

from errands.v1 import approval_pb2 as pb
from errands.v1 import approval_pb2_grpc

from ..domain.errors import Reason
from ..domain.event import Decision
from ..services.approvals import Answer, Approvals
from ..services.principal import Scope
from . import messages
from .checks import Checks, identifier, next_token
from .interceptors import principal
from .messages import APPROVAL_STATUS_OF, DECISION_OF, Messages

MAX_REASON: Final = 1_000
MAX_OUTPUT: Final = 1 << 20  # bytes
MAX_TOKEN: Final = 2_048


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
        checks = Checks()
        answer = _answer(checks, request, "")
        checks.done()
        rows = await self._approvals.decide(principal(), [answer])
        return pb.DecideApprovalResponse(approval=self._messages.approval_row(rows[0]))

    async def BatchDecideApprovals(
        self, request: pb.BatchDecideApprovalsRequest, context: Any
    ) -> pb.BatchDecideApprovalsResponse:
        checks = Checks()
        checks.count("decisions", request.decisions, least=1, most=100)
        answers = [
            _answer(checks, decision, f"decisions[{index}].")
            for index, decision in enumerate(request.decisions[:100])
        ]
        if len({answer.approval_id for answer in answers}) < len(answers):
            checks.wrong("decisions", "names an approval twice")
        checks.done()
        rows = await self._approvals.decide(principal(), answers)
        return pb.BatchDecideApprovalsResponse(approvals=[self._messages.approval_row(row) for row in rows])

    async def GetApprovalByToken(
        self, request: pb.GetApprovalByTokenRequest, context: Any
    ) -> pb.GetApprovalByTokenResponse:
        row, action, allowed = await self._approvals.by_token(_token(request.token))
        return pb.GetApprovalByTokenResponse(
            approval=self._messages.approval_row(row),
            action=messages.DECISION[action],
            allowed=[messages.DECISION[choice] for choice in allowed],
        )

    async def DecideByToken(self, request: pb.DecideByTokenRequest, context: Any) -> pb.DecideByTokenResponse:
        token = _token(request.token)
        checks = Checks()
        if request.decision and request.decision not in DECISION_OF:
            checks.wrong("decision", f"{request.decision} is no known value")
        checks.done()
        row = await self._approvals.decide_by_token(token, DECISION_OF.get(request.decision))
        return pb.DecideByTokenResponse(approval=self._messages.approval_row(row))


def _answer(checks: Checks, request: pb.DecideApprovalRequest, path: str) -> Answer:
    decision = checks.choice(f"{path}decision", request.decision, DECISION_OF, Decision.DENY)
    if not request.decision:
        checks.wrong(f"{path}decision", "must be set")
    checks.text(f"{path}reason", request.reason, most=MAX_REASON)
    output = b""
    if request.output_json:
        output = checks.json_text(f"{path}output_json", request.output_json, most=MAX_OUTPUT)
        if decision is not Decision.DONE:
            checks.wrong(f"{path}output_json", "goes only with DECISION_DONE")
    return Answer(
        approval_id=identifier(request.approval_id, Reason.APPROVAL_NOT_FOUND),
        decision=decision,
        reason=request.reason,
        output=output,
    )


def _token(value: str) -> str:
    checks = Checks()
    checks.printable("token", value, most=MAX_TOKEN)
    checks.done()
    return value
