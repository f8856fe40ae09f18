"""The page of an approval link: what is asked, with every value that will be sent, and how it ended."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from http import HTTPStatus
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import Raw, Struct
from starlette.responses import Response

from errands.v1 import approval_pb2 as pb

from .. import enum_names
from ..http.problems import Problem
from ..rest.dialect import Call
from . import form_input, question_form
from .rendering import page, render_template

_LONG: Final = 1_000  # characters; what is longer scrolls
_LONG_LINES: Final = 20
_INDENT: Final = "  "
_PART: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_OPENING: Final = ("{", "[")
_CLOSING: Final = ("}", "]")
_BEHIND_A_LINE: Final = (*_OPENING, ",")
# In a plan, an argument that an earlier step's output will fill. No text can look like it, because
# quotes inside a text are escaped.
_FROM: Final = re.compile(r'\{\s*"\$from": ("(?:[^"\\]|\\.)*")\s*\}')


class Piece(Struct, frozen=True):
    """A part of a value."""

    text: str
    later: bool = False  # the text says from where the value will come


class Value(Struct, frozen=True, kw_only=True):
    """An argument's value: a text, some JSON, or a group of members."""

    kind: Literal["text", "json", "group"]
    pieces: Sequence[Piece] = ()  # of a text and of JSON
    members: Sequence[Argument] = ()  # of a group

    @property
    def size(self) -> int:
        """In characters."""
        return sum(len(piece.text) for piece in self.pieces)

    @property
    def long(self) -> bool:
        lines = sum(piece.text.count("\n") for piece in self.pieces)
        return self.size > _LONG or lines > _LONG_LINES


class Argument(Struct, frozen=True):
    """An argument of a call, or a member of one."""

    name: str
    value: Value


class CallView(Struct, frozen=True, kw_only=True):
    """A call that an approval covers, for the template."""

    step: str
    title: str
    tool: str
    integration: str
    origin: str
    writes: bool
    shared: bool
    arguments: Sequence[Argument]


class Time(Struct, frozen=True):
    """A time, for people and for programs."""

    text: str
    machine: str


def time_of(stamp: Timestamp) -> Time:
    """A time in UTC, to the minute and to the second."""
    found = stamp.ToDatetime(UTC)
    return Time(f"{found.day} {found:%B %Y, %H:%M} UTC", found.strftime("%Y-%m-%dT%H:%M:%SZ"))


def calls(approval: pb.Approval) -> list[CallView]:
    """The calls an approval covers, with everything that will be sent."""
    planned = approval.kind == pb.APPROVAL_KIND_PLAN
    return [
        CallView(
            step=call.step_id,
            title=call.title or call.tool,
            tool=call.tool,
            integration=call.integration_name or call.integration_id,
            origin=call.origin,
            writes=call.effect != pb.CALL_EFFECT_READ,
            shared=call.shared,
            arguments=_members(call.arguments_json or "{}", planned=planned, inner=False),
        )
        for call in approval.calls
    ]


def answer_arguments(approval: pb.Approval) -> list[Argument]:
    """The answer to the approval's question; empty if there is none yet."""
    return _members(approval.input_json or "{}", planned=False, inner=False)


def _members(text: str, *, planned: bool, inner: bool) -> list[Argument]:
    members = msgspec.json.decode(text, type=dict[str, Raw])
    return [
        Argument(name, _value(bytes(value).decode(), planned=planned, inner=inner))
        for name, value in members.items()
    ]


def _value(text: str, *, planned: bool, inner: bool) -> Value:
    """A group for an object such as a body; JSON for an object inside one."""
    if text.startswith('"'):
        return Value(kind="text", pieces=[Piece(msgspec.json.decode(text, type=str))])
    pieces = _pieces(_indent(text), planned=planned)
    if len(pieces) == 1 and pieces[0].later:
        return Value(kind="text", pieces=pieces)
    if text.startswith("{") and text != "{}" and not inner:
        return Value(kind="group", members=_members(text, planned=planned, inner=True))
    return Value(kind="json", pieces=pieces)


def _indent(text: str) -> str:
    """JSON on many lines. Numbers keep their digits, because the JSON is not parsed."""
    written: list[str] = []
    depth = 0
    before = ""
    for part in _PART.findall(text):
        if part in _CLOSING:
            depth -= 1
            written += [part] if before in _OPENING else [_line(depth), part]
        else:
            written += [_line(depth), part] if before in _BEHIND_A_LINE else [part]
            depth += part in _OPENING
        if part == ":":
            written.append(" ")
        before = part
    return "".join(written)


def _line(depth: int) -> str:
    return "\n" + _INDENT * depth


def _pieces(text: str, *, planned: bool) -> list[Piece]:
    """Indented JSON, with a sentence for each argument that an earlier step will fill."""
    if not planned:
        return [Piece(text)]
    parts = _FROM.split(text)
    found = [Piece(_source(part), later=True) if at % 2 else Piece(part) for at, part in enumerate(parts)]
    return [piece for piece in found if piece.text]


def _source(text: str) -> str:
    """`s1: customers[0].id` in words."""
    step, _, path = msgspec.json.decode(text, type=str).partition(": ")
    return f"from step {step}: {path}" if path else f"from step {step}"


async def render(
    call: Call,
    found: pb.GetApprovalByTokenResponse,
    token: str,
    path: str,
    sent: question_form.SentFields | None = None,
    wrong: Problem | None = None,
) -> Response:
    """The page of a link, with buttons while the approval waits.

    path: of the link, for the cookie
    sent, wrong: what was filled in, and the problem with it
    """
    form = form_input.csrf_value(call)
    response = await _page(
        found.approval,
        200 if wrong is None else wrong.status,
        fields=question_form.form_fields(found.approval, sent, () if wrong is None else wrong.errors),
        wrong=wrong is not None,
        token=token,
        form=form,
        action=enum_names.DECISION[found.action],
        allowed=[enum_names.DECISION[one] for one in found.allowed],
    )
    if found.approval.status == pb.APPROVAL_STATUS_PENDING:
        form_input.set_cookie(call, response, form, urlsplit(call.base_url).path + path)
    return response


async def render_decided(approval: pb.Approval) -> Response:
    """The page of an approval that this request decided."""
    return await _page(approval, 201, just_now=True)


async def render_too_late(approval: pb.Approval, status: int) -> Response:
    """The page of an approval that this request could not decide any more."""
    return await _page(approval, status, late=True)


async def _page(approval: pb.Approval, status: int = 200, **more: Any) -> Response:
    # In a thread, because arguments may be large.
    return page(await asyncio.to_thread(_html, approval, more), status)


def _html(approval: pb.Approval, more: Mapping[str, Any]) -> str:
    return render_template(
        "approval.html",
        approval=approval,
        kind=enum_names.KIND[approval.kind],
        state=enum_names.APPROVAL_STATUS[approval.status],
        decision=enum_names.DECISION[approval.decision],
        calls=calls(approval),
        answer=answer_arguments(approval),
        until=time_of(approval.expires_at),
        decided_at=time_of(approval.decided_at),
        **more,
    )


def render_problem(found: Problem, request_id: str, token: str = "") -> Response:
    """The page of a problem. `token`: of a link that can be opened again."""
    html = render_template(
        "problem.html",
        problem=found,
        phrase=HTTPStatus(found.status).phrase,
        request_id=request_id,
        token=token,
    )
    response = page(html, found.status)
    response.headers.update(found.headers)
    return response
