"""Approval links: programs decide with them at once, people decide on a page.

Mail scanners, chat previews and browsers that fetch ahead open links too, so opening one decides
nothing unless the caller says that it is a program: with a key, or by asking for JSON by name.
"""

from __future__ import annotations

import re
from typing import Final

from grpc import aio
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from errands.v1 import approval_pb2 as pb

from ..http.operation import FORM, HTML, PAGE, STRING, Answer, Body, Call, Operation, Parameter, ref
from ..http.problems import Problem, of_call, problem, response
from ..http.response import answer
from ..v1 import values
from . import approval_page, form_input, question_form
from .browser_binding import is_ahead, is_program, names_json
from .rendering import strict

_TAG: Final = "Run"
_FORM: Final = Body(component="ApprovalForm", media_type=FORM, limit=64 << 10)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{0,2048}")
_DECISION_NUMBERS: Final = values.numbers(values.DECISION)
_TOO_LATE: Final = ("ALREADY_DECIDED", "APPROVAL_CLOSED", "APPROVAL_EXPIRED")


async def _open(call: Call) -> ASGIApp:
    token = _token(call.query["token"])
    if not call.head and not is_ahead(call.request.headers):
        decided = await _decided_by_program(call, pb.DecideByTokenRequest(token=token))
        if decided is not None:
            return _as_json(decided)
    found = await _asked(call, token)
    return await approval_page.shown(call, found, token)


async def _decided_by_program(call: Call, request: pb.DecideByTokenRequest) -> pb.Approval | None:
    """The approval, decided; None where opening a link decides nothing."""
    decided = await _decided_by_key(call, request)
    if decided is None and names_json(call.request.headers):
        return await _decided_by_link(call, request)
    return decided


async def _send(call: Call) -> ASGIApp:
    sent, own = question_form.split(await form_input.pairs(call, _FORM))
    form = form_input.checked(_FORM, own)
    token = _token(form["token"])
    doubt = form_input.doubt(call, form.get("form", ""))
    if doubt is not None:
        return _refused(call.request, doubt, call.caller.request_id, token)
    request = pb.DecideByTokenRequest(token=token, decision=_DECISION_NUMBERS[form["decision"]])
    asked = await _asked(call, token)
    try:
        if request.decision == pb.DECISION_APPROVE:
            request.input_json = question_form.answered(asked.approval, sent)
        decided = await _decided_by_key(call, request) or await _decided_by_link(call, request)
    except (Problem, aio.AioRpcError) as failure:
        found = failure if isinstance(failure, Problem) else of_call(failure)
        if is_program(call.request.headers):
            raise
        if found.reason in _TOO_LATE:
            return await approval_page.too_late((await _asked(call, token)).approval, found.status)
        if found.reason != "FIELD_INVALID" or not asked.approval.HasField("question"):
            raise
        return await approval_page.shown(call, asked, token, sent, found)
    if is_program(call.request.headers):
        return _as_json(decided)
    return await approval_page.decided(decided)


async def _asked(call: Call, token: str) -> pb.GetApprovalByTokenResponse:
    request = pb.GetApprovalByTokenRequest(token=token)
    found: pb.GetApprovalByTokenResponse = await call.ask(call.gateway.approvals.GetApprovalByToken, request)
    return found


async def _decided_by_key(call: Call, request: pb.DecideByTokenRequest) -> pb.Approval | None:
    """The approval, decided by the caller's key; None: there is no key, or one that may not decide."""
    if not call.caller.keyed:
        return None
    try:
        return await _decided(call, request)
    except aio.AioRpcError as failure:
        # The server looks at the tenant first, so it is the right one.
        if of_call(failure).reason == "SCOPE_MISSING":
            return None
        raise


async def _decided_by_link(call: Call, request: pb.DecideByTokenRequest) -> pb.Approval:
    return await _decided(replace(call, caller=call.caller.anonymous), request)


async def _decided(call: Call, request: pb.DecideByTokenRequest) -> pb.Approval:
    found: pb.DecideByTokenResponse = await call.ask(call.gateway.approvals.DecideByToken, request)
    return found.approval


def _as_json(approval: pb.Approval) -> Response:
    document = {"runId": approval.run_id, "approvalId": approval.approval_id}
    if approval.step_id:
        document["stepId"] = approval.step_id
    document["decision"] = values.DECISION[approval.decision]
    document["status"] = values.APPROVAL_STATUS[approval.status]
    return strict(answer(document, 201))


def _refuse(request: Request, found: Problem, request_id: str) -> Response:
    return _refused(request, found, request_id)


def _refused(request: Request, found: Problem, request_id: str, token: str = "") -> Response:
    """A problem for programs, a page for people. `token`: the link can be opened again."""
    if is_program(request.headers):
        return strict(response(found, request_id))
    return approval_page.problem(found, request_id, token)


def _token(text: str) -> str:
    """The token of a link. TOKEN_INVALID: it cannot be one."""
    if not _TOKEN.fullmatch(text):
        raise problem("TOKEN_INVALID", "INVALID_ARGUMENT", "the token is not one of this service")
    return text


OPERATIONS: Final = (
    Operation(
        method="GET",
        path=approval_page.PATH,
        id="RunController_runApproval",
        tag=_TAG,
        summary="Decide with the link of an approval",
        description="Acts at once for callers with a key of scope `approvals`, and for those whose Accept "
        "names application/json. Everybody else gets a page, and nothing is decided by looking at it.",
        parameters=(Parameter(name="token", schema=STRING, description="Of the link.", required=True),),
        answers={
            201: Answer(description="Decided.", schema=ref("LinkDecision")),
            200: Answer(description="Nothing is decided.", schema=PAGE, media_type=HTML),
        },
        handle=_open,
        refuse=_refuse,
        public=True,
    ),
    Operation(
        method="POST",
        path=approval_page.PATH,
        id="sendApprovalForm",
        tag=_TAG,
        summary="Decide as the page of a link does",
        body=_FORM,
        answers={
            201: Answer(description="Decided.", schema=ref("LinkDecision"), more={HTML: PAGE}),
        },
        handle=_send,
        refuse=_refuse,
        public=True,
    ),
)
