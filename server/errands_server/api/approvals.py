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
from .interceptor import call_context, current_principal
from .messages import RunMessages
from .validation import RequestValidator, make_page_token, parse_uuid

MAX_REASON: Final = 1_000
MAX_OUTPUT: Final = 1 << 20  # bytes
MAX_INPUT: Final = 64 << 10  # bytes
MAX_TOKEN: Final = 2_048
MAX_DECISIONS: Final = 100


class ApprovalServicer(approval_pb2_grpc.ApprovalServiceServicer):
    def __init__(self, approvals: Approvals, run_messages: RunMessages) -> None:
        self._approvals = approvals
        self._messages = run_messages

    async def ListApprovals(self, request: pb.ListApprovalsRequest, context: Any) -> pb.ListApprovalsResponse:
        validator = RequestValidator()
        size = validator.page_size(request.page_size)
        status = validator.choice("status", request.status, APPROVAL_STATUS_OF, "")
        filters = (request.status, request.run_id)
        before = validator.page_token(request.page_token, filters)
        validator.raise_if_invalid()
        run_id = parse_uuid(request.run_id, Reason.RUN_NOT_FOUND) if request.run_id else ""
        principal = current_principal()
        rows = await self._approvals.page(
            principal, status=status, run_id=run_id, before=before, limit=size + 1
        )
        tenant = principal.tenant if principal.may(Scope.APPROVALS) else ""
        more = len(rows) > size
        return pb.ListApprovalsResponse(
            approvals=[self._messages.approval_row(row, tenant=tenant) for row in rows[:size]],
            next_page_token=make_page_token(rows[size - 1].approval_id, filters) if more else "",
        )

    async def DecideApproval(
        self, request: pb.DecideApprovalRequest, context: Any
    ) -> pb.DecideApprovalResponse:
        rows = await self._approvals.decide(current_principal(), _read_decisions([request], [""]))
        return pb.DecideApprovalResponse(approval=self._messages.approval_row(rows[0]))

    async def BatchDecideApprovals(
        self, request: pb.BatchDecideApprovalsRequest, context: Any
    ) -> pb.BatchDecideApprovalsResponse:
        validator = RequestValidator()
        validator.count("decisions", request.decisions, least=1, most=MAX_DECISIONS)
        validator.raise_if_invalid()
        paths = [f"decisions[{index}]." for index in range(len(request.decisions))]
        rows = await self._approvals.decide(current_principal(), _read_decisions(request.decisions, paths))
        return pb.BatchDecideApprovalsResponse(approvals=[self._messages.approval_row(row) for row in rows])

    async def GetApprovalByToken(
        self, request: pb.GetApprovalByTokenRequest, context: Any
    ) -> pb.GetApprovalByTokenResponse:
        validator = RequestValidator()
        token = validator.printable("token", request.token, most=MAX_TOKEN)
        validator.raise_if_invalid()
        row, action, allowed = await self._approvals.get_by_token(token, call_context().principal)
        return pb.GetApprovalByTokenResponse(
            approval=self._messages.approval_row(row),
            action=enums.DECISION[action],
            allowed=[enums.DECISION[choice] for choice in allowed],
        )

    async def DecideByToken(self, request: pb.DecideByTokenRequest, context: Any) -> pb.DecideByTokenResponse:
        validator = RequestValidator()
        token = validator.printable("token", request.token, most=MAX_TOKEN)
        if request.decision and request.decision not in DECISION_OF:
            validator.reject("decision", f"{request.decision} is no known value")
        values = _read_values(validator, "input_json", request.input_json)
        validator.raise_if_invalid()
        decision = DECISION_OF.get(request.decision)
        row = await self._approvals.decide_by_token(token, decision, call_context().principal, values)
        return pb.DecideByTokenResponse(approval=self._messages.approval_row(row))


def _read_decisions(
    requests: Sequence[pb.DecideApprovalRequest], paths: Sequence[str]
) -> list[DecisionRequest]:
    validator = RequestValidator()
    answers = [
        _read_decision(validator, request, path) for request, path in zip(requests, paths, strict=True)
    ]
    validator.raise_if_invalid()
    identified = [
        replace(answer, approval_id=parse_uuid(answer.approval_id, Reason.APPROVAL_NOT_FOUND))
        for answer in answers
    ]
    if len({answer.approval_id for answer in identified}) < len(identified):
        validator.reject("decisions", "names an approval twice")
    validator.raise_if_invalid()
    return identified


def _read_decision(
    validator: RequestValidator, request: pb.DecideApprovalRequest, path: str
) -> DecisionRequest:
    decision = validator.choice(f"{path}decision", request.decision, DECISION_OF, Decision.DENY)
    if not request.decision:
        validator.reject(f"{path}decision", "must be set")
    validator.text(f"{path}reason", request.reason, most=MAX_REASON)
    output = b""
    if request.output_json:
        output = validator.json_text(f"{path}output_json", request.output_json, most=MAX_OUTPUT)
        if decision is not Decision.DONE:
            validator.reject(f"{path}output_json", "goes only with DECISION_DONE")
    return DecisionRequest(
        approval_id=request.approval_id,
        decision=decision,
        reason=request.reason,
        output=output,
        values=_read_values(validator, f"{path}input_json", request.input_json),
        path=path,
    )


def _read_values(validator: RequestValidator, field: str, text: str) -> Mapping[str, Any] | None:
    """A person's answer to a question; the service checks it against the question."""
    if not text:
        return None
    return validator.json_object(field, text, most=MAX_INPUT)
