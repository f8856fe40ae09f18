"""The pages of approval links."""

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

from ..http.operation import Call
from ..http.problems import Problem
from ..http.response import base
from ..v1 import values
from . import form_input, question_form
from .rendering import page, rendered

_LONG: Final = 1_000  # characters; what is longer scrolls
_LONG_LINES: Final = 20
_INDENT: Final = "  "
_PART: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_OPENING: Final = ("{", "[")
_CLOSING: Final = ("}", "]")
_BEHIND_A_LINE: Final = (*_OPENING, ",")
# In a plan this stands where an earlier step's output will fill an argument. No text can look like
# it, because quotes inside are escaped.
_FROM: Final = re.compile(r'\{\s*"\$from": ("(?:[^"\\]|\\.)*")\s*\}')


class Piece(Struct, frozen=True):
    """A part of a value. `later`: it says where a value will come from."""

    text: str
    later: bool = False


class Value(Struct, frozen=True, kw_only=True):
    """An argument's value: a text, some JSON, or a group of members."""

    kind: Literal["text", "json", "group"]
    pieces: Sequence[Piece] = ()
    members: Sequence[Argument] = ()

    @property
    def size(self) -> int:
        """In characters."""
        return sum(len(piece.text) for piece in self.pieces)

    @property
    def long(self) -> bool:
        lines = sum(piece.text.count("\n") for piece in self.pieces)
        return self.size > _LONG or lines > _LONG_LINES


class Argument(Struct, frozen=True):
    name: str
    value: Value


class ShownCall(Struct, frozen=True, kw_only=True):
    step: str
    title: str
    tool: str
    integration: str
    origin: str
    writes: bool
    shared: bool
    arguments: Sequence[Argument]


class Moment(Struct, frozen=True):
    """A moment, for people and for programs."""

    text: str
    machine: str


def moment(stamp: Timestamp) -> Moment:
    found = stamp.ToDatetime(UTC)
    return Moment(f"{found.day} {found:%B %Y, %H:%M} UTC", found.strftime("%Y-%m-%dT%H:%M:%SZ"))


def calls(approval: pb.Approval) -> list[ShownCall]:
    """The calls an approval covers, with everything that will be sent."""
    planned = approval.kind == pb.APPROVAL_KIND_PLAN
    return [
        ShownCall(
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


def answer(approval: pb.Approval) -> list[Argument]:
    """What a person answered to the approval's question; empty where nobody has."""
    return _members(approval.input_json or "{}", planned=False, inner=False)


def _members(text: str, *, planned: bool, inner: bool) -> list[Argument]:
    members = msgspec.json.decode(text, type=dict[str, Raw])
    return [
        Argument(name, _value(bytes(value).decode(), planned=planned, inner=inner))
        for name, value in members.items()
    ]


def _value(text: str, *, planned: bool, inner: bool) -> Value:
    """Objects are shown by their members, such as a body's; what is deeper is shown as JSON."""
    if text.startswith('"'):
        return Value(kind="text", pieces=[Piece(msgspec.json.decode(text, type=str))])
    pieces = _pieces(_indented(text), planned=planned)
    if len(pieces) == 1 and pieces[0].later:
        return Value(kind="text", pieces=pieces)
    if text.startswith("{") and text != "{}" and not inner:
        return Value(kind="group", members=_members(text, planned=planned, inner=True))
    return Value(kind="json", pieces=pieces)


def _indented(text: str) -> str:
    """JSON on many lines, part by part: numbers stay as they are written."""
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
    """Indented JSON, with words in the places that a plan leaves open."""
    if not planned:
        return [Piece(text)]
    parts = _FROM.split(text)
    found = [Piece(_source(part), later=True) if at % 2 else Piece(part) for at, part in enumerate(parts)]
    return [piece for piece in found if piece.text]


def _source(text: str) -> str:
    """`s1: customers[0].id` in words."""
    step, _, path = msgspec.json.decode(text, type=str).partition(": ")
    return f"from step {step}: {path}" if path else f"from step {step}"


PATH: Final = "/v1/runs/approval"


async def shown(
    call: Call,
    found: pb.GetApprovalByTokenResponse,
    token: str,
    sent: question_form.Sent | None = None,
    wrong: Problem | None = None,
) -> Response:
    """The approval of a link: with buttons while it waits, otherwise where it stands.

    `sent` is what was filled in, and is `wrong`.
    """
    form = form_input.value(call)
    answer = await _approval(
        found.approval,
        200 if wrong is None else wrong.status,
        fields=question_form.shown(found.approval, sent, () if wrong is None else wrong.errors),
        wrong=wrong is not None,
        token=token,
        form=form,
        action=values.DECISION[found.action],
        allowed=[values.DECISION[one] for one in found.allowed],
    )
    if found.approval.status == pb.APPROVAL_STATUS_PENDING:
        form_input.keep(call, answer, form, urlsplit(base(call)).path + PATH)
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
        calls=calls(approval),
        answer=answer(approval),
        until=moment(approval.expires_at),
        decided_at=moment(approval.decided_at),
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
