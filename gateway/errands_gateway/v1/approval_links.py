"""Approval links: programs decide with them at once, people decide on a page.

Mail scanners, chat previews and browsers that prefetch open links, too. So a GET decides only for
programs: callers with a key, and those whose `Accept` has JSON itself.
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

from .. import enum_names
from ..http.problems import Problem, problem
from ..http.response import json_response
from ..pages import approval_page, form_input, question_form
from ..pages.browser_binding import accepts_json, is_prefetch, is_program
from ..pages.rendering import add_page_headers
from ..rest.dialect import (
    FORM,
    HTML,
    PAGE,
    STRING,
    Body,
    Call,
    Dialect,
    Operation,
    Parameter,
    ResponseSpec,
    ref,
)

_TAG: Final = "Run"
_PATH: Final = "/v1/runs/approval"
_FORM: Final = Body(component="ApprovalForm", media_type=FORM, limit=64 << 10)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{0,2048}")
_DECISION_NUMBERS: Final = enum_names.numbers(enum_names.DECISION)
_TOO_LATE: Final = ("ALREADY_DECIDED", "APPROVAL_CLOSED", "APPROVAL_EXPIRED")


async def _open(call: Call) -> ASGIApp:
    token = _token(call.query["token"])
    if not call.is_head and not is_prefetch(call.request.headers):
        request = pb.DecideByTokenRequest(token=token)
        decided = await _decide_by_key(call, request)
        if decided is None and accepts_json(call.request.headers):
            decided = await _decide_by_link(call, request)
        if decided is not None:
            return _as_json(decided)
    return await approval_page.render(call, await _find(call, token), token, _PATH)


async def _submit(call: Call) -> ASGIApp:
    sent, own = question_form.split_fields(await form_input.read_pairs(call, _FORM))
    form = form_input.check_fields(call, _FORM, own)
    token = _token(form["token"])
    forged = form_input.csrf_problem(call, form.get("form", ""))
    if forged is not None:
        return _refuse(call.dialect, call.request, forged, call.caller.request_id, token)
    request = pb.DecideByTokenRequest(token=token, decision=_DECISION_NUMBERS[form["decision"]])
    link = await _find(call, token)
    try:
        if request.decision == pb.DECISION_APPROVE:
            request.input_json = question_form.read_answer(link.approval, sent)
        decided = await _decide_by_key(call, request) or await _decide_by_link(call, request)
    except (Problem, aio.AioRpcError) as failure:
        if is_program(call.request.headers):
            raise
        found = failure if isinstance(failure, Problem) else call.dialect.problem.of_rpc_error(failure)
        if found.reason in _TOO_LATE:
            return await approval_page.render_too_late((await _find(call, token)).approval, found.status)
        if found.reason != "FIELD_INVALID" or not link.approval.HasField("question"):
            raise
        return await approval_page.render(call, link, token, _PATH, sent, found)
    if is_program(call.request.headers):
        return _as_json(decided)
    return await approval_page.render_decided(decided)


async def _find(call: Call, token: str) -> pb.GetApprovalByTokenResponse:
    request = pb.GetApprovalByTokenRequest(token=token)
    found: pb.GetApprovalByTokenResponse = await call.ask(call.backend.approvals.GetApprovalByToken, request)
    return found


async def _decide_by_key(call: Call, request: pb.DecideByTokenRequest) -> pb.Approval | None:
    """The approval, decided with the caller's key. None: there is no key, or its scopes do not allow it."""
    if not call.caller.has_credential:
        return None
    try:
        return await _decide(call, request)
    except aio.AioRpcError as failure:
        # The server checks the tenant first, so the key is of the right one.
        if call.dialect.problem.of_rpc_error(failure).reason == "SCOPE_MISSING":
            return None
        raise


async def _decide_by_link(call: Call, request: pb.DecideByTokenRequest) -> pb.Approval:
    return await _decide(replace(call, caller=call.caller.anonymous), request)


async def _decide(call: Call, request: pb.DecideByTokenRequest) -> pb.Approval:
    found: pb.DecideByTokenResponse = await call.ask(call.backend.approvals.DecideByToken, request)
    return found.approval


def _as_json(approval: pb.Approval) -> Response:
    document = {"runId": approval.run_id, "approvalId": approval.approval_id}
    if approval.step_id:
        document["stepId"] = approval.step_id
    document["decision"] = enum_names.DECISION[approval.decision]
    document["status"] = enum_names.APPROVAL_STATUS[approval.status]
    return add_page_headers(json_response(document, 201))


def _refuse(dialect: Dialect, request: Request, found: Problem, request_id: str, token: str = "") -> Response:
    """A problem for programs, a page for people. `token`: of a link that can be opened again."""
    if is_program(request.headers):
        return add_page_headers(dialect.problem.response(found, request_id))
    return approval_page.render_problem(found, request_id, token)


def _token(text: str) -> str:
    """The token of a link. TOKEN_INVALID: it cannot be one."""
    if not _TOKEN.fullmatch(text):
        raise problem("TOKEN_INVALID", "INVALID_ARGUMENT", "the token is not one of this service")
    return text


OPERATIONS: Final = (
    Operation(
        method="GET",
        path=_PATH,
        id="RunController_runApproval",
        tag=_TAG,
        summary="Decide with the link of an approval",
        description="Acts at once for callers with a key of scope `approvals`, and for those whose Accept "
        "names application/json. Everybody else gets a page, and nothing is decided by looking at it.",
        parameters=(Parameter(name="token", schema=STRING, description="Of the link.", required=True),),
        responses={
            201: ResponseSpec(description="Decided.", schema=ref("LinkDecision")),
            200: ResponseSpec(description="Nothing is decided.", schema=PAGE, media_type=HTML),
        },
        handle=_open,
        refuse=_refuse,
        public=True,
    ),
    Operation(
        method="POST",
        path=_PATH,
        id="sendApprovalForm",
        tag=_TAG,
        summary="Decide as the page of a link does",
        body=_FORM,
        responses={
            201: ResponseSpec(description="Decided.", schema=ref("LinkDecision"), more={HTML: PAGE}),
        },
        handle=_submit,
        refuse=_refuse,
        public=True,
    ),
)
