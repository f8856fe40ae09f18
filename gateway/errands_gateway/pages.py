"""The pages of approval links."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.responses import Response

from errands.v1 import approval_pb2 as pb

from . import forms, questions, showing, values
from .answering import base
from .operation import Call
from .problems import Problem
from .rendering import page, rendered

PATH: Final = "/v1/runs/approval"


async def shown(
    call: Call,
    found: pb.GetApprovalByTokenResponse,
    token: str,
    sent: questions.Sent | None = None,
    wrong: Problem | None = None,
) -> Response:
    """The approval of a link: with buttons while it waits, otherwise where it stands.

    `sent` is what was filled in, and is `wrong`.
    """
    form = forms.value(call)
    answer = await _approval(
        found.approval,
        200 if wrong is None else wrong.status,
        fields=questions.shown(found.approval, sent, () if wrong is None else wrong.errors),
        wrong=wrong is not None,
        token=token,
        form=form,
        action=values.DECISION[found.action],
        allowed=[values.DECISION[one] for one in found.allowed],
    )
    if found.approval.status == pb.APPROVAL_STATUS_PENDING:
        forms.keep(call, answer, form, urlsplit(base(call)).path + PATH)
    return answer


async def decided(approval: pb.Approval) -> Response:
    """An approval this request decided."""
    return await _approval(approval, 201, just_now=True)


async def too_late(approval: pb.Approval, status: int) -> Response:
    """An approval that this request could not decide any more."""
    return await _approval(approval, status, late=True)


async def _approval(approval: pb.Approval, status: int = 200, **more: Any) -> Response:
    # Beside the event loop: arguments may be large.
    return page(await asyncio.to_thread(_written, approval, more), status)


def _written(approval: pb.Approval, more: Mapping[str, Any]) -> str:
    return rendered(
        "approval.html",
        approval=approval,
        kind=values.KIND[approval.kind],
        state=values.APPROVAL_STATUS[approval.status],
        decision=values.DECISION[approval.decision],
        calls=showing.calls(approval),
        answer=showing.answer(approval),
        until=showing.moment(approval.expires_at),
        decided_at=showing.moment(approval.decided_at),
        **more,
    )


def problem(found: Problem, request_id: str, token: str = "") -> Response:
    """What went wrong. `token`: the link can be opened again."""
    html = rendered(
        "problem.html",
        problem=found,
        phrase=HTTPStatus(found.status).phrase,
        request_id=request_id,
        token=token,
    )
    answer = page(html, found.status)
    answer.headers.update(found.headers)
    return answer
