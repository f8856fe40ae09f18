"""The pages of approval links: HTML without scripts, which nothing may frame, keep or pass on."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, Response

from errands.v1 import approval_pb2 as pb

from . import forms, showing, values
from .answering import base
from .operation import Call
from .problems import Problem

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

PATH: Final = "/v1/runs/approval"
_TEMPLATES: Final = Path(__file__).parent / "templates"
# Characters that change how others look, or cannot be seen: what is shown must be what is sent.
# Joiners stay, because scripts and emoji are written with them.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def strict(answer: Response) -> Response:
    """The answer with the headers that every answer of this path has."""
    answer.headers.update(_headers())
    return answer


async def shown(call: Call, found: pb.GetApprovalByTokenResponse, token: str) -> Response:
    """The approval of a link: with buttons while it waits, otherwise where it stands."""
    form = forms.value(call)
    answer = await _approval(
        found.approval,
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
    return _page(await asyncio.to_thread(_written, approval, more), status)


def _written(approval: pb.Approval, more: Mapping[str, Any]) -> str:
    return _rendered(
        "approval.html",
        approval=approval,
        kind=values.KIND[approval.kind],
        state=values.APPROVAL_STATUS[approval.status],
        decision=values.DECISION[approval.decision],
        calls=showing.calls(approval),
        until=showing.moment(approval.expires_at),
        decided_at=showing.moment(approval.decided_at),
        **more,
    )


def problem(found: Problem, request_id: str, token: str = "") -> Response:
    """What went wrong. `token`: the link can be opened again."""
    html = _rendered(
        "problem.html",
        problem=found,
        phrase=HTTPStatus(found.status).phrase,
        request_id=request_id,
        token=token,
    )
    answer = _page(html, found.status)
    answer.headers.update(found.headers)
    return answer


def _page(html: str, status: int) -> Response:
    return strict(HTMLResponse(html, status))


def _rendered(template: str, **context: Any) -> str:
    return _environment().get_template(template).render(context)


@cache
def _environment() -> Environment:
    # Imported late: most gateways never show a page, and every one of them starts.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["seen"] = _seen
    made.globals["style"] = Markup(_style())  # noqa: S704 (a file of this package)
    return made


def _seen(text: str) -> Markup:
    """The text with every character that could not be seen named in its place."""
    from markupsafe import Markup, escape

    named = _UNSEEN.sub(_named, str(escape(text)))
    return Markup(named)  # noqa: S704 (escaped, and names hold only hex digits)


def _named(unseen: re.Match[str]) -> str:
    return f'<span class="unseen">U+{ord(unseen[0]):04X}</span>'


@cache
def _style() -> str:
    return (_TEMPLATES / "style.css").read_text()


@cache
def _headers() -> Mapping[str, str]:
    style = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
