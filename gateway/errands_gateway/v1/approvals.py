"""Approvals over REST: the inbox, and decisions by key."""

from __future__ import annotations

from typing import Any, Final

from starlette.types import ASGIApp

from errands.v1 import approval_pb2 as pb

from .. import enum_names
from ..http.encoding import json_text
from ..http.response import json_response
from ..rest.dialect import Body, Call, Operation, Parameter, ResponseSpec, ref
from .documents.approvals import approval
from .paging import PAGE_SIZE, PAGE_TOKEN, page_fields, page_response
from .schemas.builders import APPROVAL_STATUSES

_TAG: Final = "Approval"
_STATUS_NUMBERS: Final = enum_names.numbers(enum_names.APPROVAL_STATUS)
_DECISION_NUMBERS: Final = enum_names.numbers(enum_names.DECISION)


async def _list(call: Call) -> ASGIApp:
    request = pb.ListApprovalsRequest(
        status=_STATUS_NUMBERS.get(call.query.get("status", ""), 0),
        run_id=call.query.get("runId", ""),
        **page_fields(call),
    )
    found = await call.ask(call.backend.approvals.ListApprovals, request)
    return page_response(call, "approvals", [approval(one) for one in found.approvals], found.next_page_token)


async def _decide(call: Call) -> ASGIApp:
    body = call.body
    request = pb.DecideApprovalRequest(
        approval_id=call.path["approvalId"],
        decision=_DECISION_NUMBERS[body["decision"]],
        reason=body.get("reason", ""),
        output_json=json_text(body["output"]) if "output" in body else "",
        input_json=json_text(body["input"]) if "input" in body else "",
    )
    return json_response(approval((await call.ask(call.backend.approvals.DecideApproval, request)).approval))


async def _decide_several(call: Call) -> ASGIApp:
    decisions = [_decision(one) for one in call.body["decisions"]]
    request = pb.BatchDecideApprovalsRequest(decisions=decisions)
    decided = await call.ask(call.backend.approvals.BatchDecideApprovals, request)
    return json_response({"approvals": [approval(one) for one in decided.approvals]})


def _decision(one: dict[str, Any]) -> pb.DecideApprovalRequest:
    return pb.DecideApprovalRequest(
        approval_id=one["approvalId"],
        decision=_DECISION_NUMBERS[one["decision"]],
        reason=one.get("reason", ""),
        input_json=json_text(one["input"]) if "input" in one else "",
    )


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/approvals",
        id="listApprovals",
        tag=_TAG,
        summary="List approvals, newest first",
        parameters=(
            Parameter(
                name="status",
                schema={"type": "string", "enum": list(APPROVAL_STATUSES)},
                description="With this status; `pending` is the inbox.",
            ),
            Parameter(
                name="runId",
                schema={"type": "string", "format": "uuid", "minLength": 1},
                description="Of this run.",
            ),
            PAGE_SIZE,
            PAGE_TOKEN,
        ),
        responses={200: ResponseSpec(description="A page.", schema=ref("ApprovalPage"))},
        problems=(404,),
        handle=_list,
    ),
    Operation(
        method="POST",
        path="/v1/approvals",
        id="decideApprovals",
        tag=_TAG,
        summary="Decide several approvals, all or none",
        body=Body(component="BatchDecideApprovalsRequest"),
        responses={200: ResponseSpec(description="The approvals, decided.", schema=ref("DecidedApprovals"))},
        problems=(404, 409),
        handle=_decide_several,
    ),
    Operation(
        method="POST",
        path="/v1/approvals/{approvalId}",
        id="decideApproval",
        tag=_TAG,
        summary="Decide one approval, also one that is in doubt",
        parameters=(
            Parameter(
                name="approvalId",
                where="path",
                schema={"type": "string", "format": "uuid"},
                description="The approval.",
                required=True,
            ),
        ),
        body=Body(component="DecideApprovalRequest", limit=2 << 20),
        responses={200: ResponseSpec(description="The approval, decided.", schema=ref("Approval"))},
        problems=(404, 409),
        handle=_decide,
    ),
)
